"""The tiny SDXL in memory, and runs that look as if they had trained with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from engine.config import TrainConfig
    from engine.events import Event
    from engine.models.load import Models
    from engine.rundir import RunDir
    from engine.training.trainer import Trainer
    from engine.training.weights import TrainedWeights
    from tests.engine.training import Train

RANK, ALPHA = 4, 8.1  # not equal: tools that lose alpha take the rank for it; float32 cannot hold 8.1


@pytest.fixture
def tiny_models(tiny_model: Path) -> Models:
    """The tiny SDXL's parts in float32 on the CPU, for the test alone."""
    import torch

    from engine.models.load import load_models
    from engine.settings import ModelSection

    source = ModelSection(pretrained_model_name_or_path=str(tiny_model))
    return load_models(source, torch.float32, torch.device("cpu"))


MakeRun = Callable[..., "tuple[RunDir, Models, TrainedWeights]"]


@pytest.fixture
def make_run(tiny_model: Path, tmp_path: Path) -> MakeRun:
    """Makes a run whose weights are far from their start, with a checkpoint and exported files."""

    def make(
        name: str = "dog",
        *,
        train_text_encoder: bool = False,
        dtype: str = "float32",
        tokens: int = 2,
        lora: Mapping[str, Any] | None = None,
    ):
        import torch

        from engine.config import TrainConfig
        from engine.models.load import load_models
        from engine.results.export import export
        from engine.rundir import create_run
        from engine.training.checkpoints import Checkpoint, TrainState, save_checkpoint
        from engine.training.lora import lora_parameters
        from engine.training.weights import add_trainables, trained_weights

        config = TrainConfig.model_validate(
            {
                "data": {"resolution": 64},
                "concept": {"instance_prompt": "a photo of TOK dog"},
                "model": {"pretrained_model_name_or_path": str(tiny_model)},
                "lora": {"rank": RANK, "lora_alpha": ALPHA, **(lora or {})},
                "text_encoder": {
                    "train_text_encoder": train_text_encoder,
                    "train_text_encoder_ti": not train_text_encoder,
                    "num_new_tokens_per_abstraction": tokens,
                },
                "sample": {"num_inference_steps": 2},
            }
        )
        run = create_run(tmp_path / "runs", name, config)
        models = load_models(config.model, getattr(torch, dtype), torch.device("cpu"))
        names = add_trainables(models, config)
        generator = torch.Generator().manual_seed(1)
        for module in (models.unet, models.text_encoder, models.text_encoder_2):
            for parameter in lora_parameters(module):
                parameter.data.normal_(0, 0.1, generator=generator)
        weights = trained_weights(models, names)
        state = TrainState(step=3, pivoted=False, num_threads=1, scaler={})
        save_checkpoint(run, Checkpoint(state, weights, ({"exp_avg": torch.zeros(1)}, {})))
        export(weights, run.output, run.name, config)
        return run, models, weights

    return make


@pytest.fixture
def config(photos: Path, tiny_model: Path) -> Callable[..., TrainConfig]:
    """A short config on four photos; sections given are laid over it."""
    from tests.engine.training import short_config

    return partial(short_config, photos, tiny_model)


@pytest.fixture
def train(config: Callable[..., TrainConfig], tmp_path: Path) -> Train:
    """Train a run of that name, with sections laid over the short config."""
    from tests.engine.training import train_in

    def train(name: str, seen: Callable[[RunDir, Event], None] | None = None, **sections: Mapping[str, Any]):
        return train_in(tmp_path / "runs" / name, config(**sections), seen)

    return train


@pytest.fixture(scope="session")
def plain(
    sample_photos: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trainer, list[Event]]:
    """A run of the short config, trained once for all tests that compare with it: read only."""
    from tests.engine.training import short_config, train_in

    return train_in(tmp_path_factory.mktemp("runs") / "plain", short_config(sample_photos, tiny_model))
