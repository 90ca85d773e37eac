"""A single .safetensors checkpoint is loaded offline, tensor by tensor, and what is no SDXL is told from its header."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from curation.clip_tokens import token_count
from engine.errors import EngineError
from engine.models import single_file
from engine.models.files import model_identity, model_problem
from engine.models.load import load_models
from engine.models.single_file import CONFIGS, SingleFile
from engine.results.export import export
from engine.results.verify import verify_export
from engine.settings import ModelSection
from tests.engine.sgm_layout import save_single_file, sgm_tensors
from tests.engine.training import short_config, train_in

CPU = torch.device("cpu")
Tensors = dict[str, Tensor]


@pytest.fixture(scope="session")
def tensors(tiny_model: Path) -> Tensors:
    """The tiny SDXL under the names of single files: read only."""
    return sgm_tensors(tiny_model)


@pytest.fixture
def tiny_configs(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the project ships for the real SDXL, for the tiny one."""
    configs = shutil.copytree(tiny_model, tmp_path / "configs", ignore=shutil.ignore_patterns("*.safetensors"))
    merges = json.loads((tiny_model / "tokenizer/tokenizer.json").read_text())["model"]["merges"]
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (configs / "tokenizer/merges.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(single_file.SingleFile.__init__, "__defaults__", (configs,))
    return configs


def section(path: Path, **settings: Any) -> ModelSection:
    return ModelSection(pretrained_model_name_or_path=str(path), **settings)


@pytest.mark.parametrize("stored", [torch.float32, torch.float16])
def test_all_parts_are_loaded_as_they_were_saved(
    tensors: Tensors, tiny_model: Path, tiny_configs: Path, tmp_path: Path, stored: torch.dtype
) -> None:
    halved = {name: tensor.to(stored) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    unused = {"model_ema.decay": torch.zeros(1), "v_pred": torch.tensor([])}
    path = save_single_file({**halved, **unused}, tmp_path / "model.safetensors")
    loaded = load_models(section(path), torch.float32, CPU)
    expected = load_models(section(tiny_model), torch.float32, CPU)
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        ours, theirs = getattr(loaded, part).state_dict(), getattr(expected, part).state_dict()
        assert ours.keys() == theirs.keys()
        for name, tensor in theirs.items():
            assert torch.equal(ours[name], tensor.to(stored).float()), f"{part}.{name}"
        assert not any(tensor.is_meta for tensor in [*getattr(loaded, part).buffers(), *ours.values()])
    for ours, theirs in ((loaded.tokenizer, expected.tokenizer), (loaded.tokenizer_2, expected.tokenizer_2)):
        arguments: dict[str, Any] = {"padding": "max_length", "return_tensors": "pt"}
        assert torch.equal(
            ours("a photo of TOK", **arguments).input_ids, theirs("a photo of TOK", **arguments).input_ids
        )
    assert loaded.noise_scheduler.config["prediction_type"] == "v_prediction"


def test_a_run_on_a_single_file_trains_and_its_files_are_verified(
    tensors: Tensors, tiny_configs: Path, photos: Path, tmp_path: Path
) -> None:
    path = save_single_file(tensors, tmp_path / "model.safetensors")
    trainer, _ = train_in(tmp_path / "runs/dog", short_config(photos, path))
    files = export(trainer.weights(), tmp_path / "output", "dog", trainer.config)
    verification = verify_export(trainer.weights(), files, trainer.models)
    assert verification.ok, verification.message


def test_markers_and_metadata_tell_the_schedule(tensors: Tensors, tiny_configs: Path, tmp_path: Path) -> None:
    plain = save_single_file(tensors, tmp_path / "plain.safetensors")
    assert SingleFile(plain).schedule()["prediction_type"] == "epsilon"
    marked = save_single_file(
        {**tensors, "v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}, tmp_path / "v.safetensors"
    )
    schedule = SingleFile(marked).schedule()
    assert (schedule["prediction_type"], schedule["rescale_betas_zero_snr"]) == ("v_prediction", True)
    said = save_single_file(tensors, tmp_path / "said.safetensors", **{"modelspec.prediction_type": "v"})
    assert SingleFile(said).schedule()["prediction_type"] == "v_prediction"


def without(tensors: Tensors, prefix: str) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}


def test_a_file_without_a_vae_needs_another(
    tensors: Tensors, tiny_model: Path, tiny_configs: Path, tmp_path: Path
) -> None:
    path = save_single_file(without(tensors, "first_stage_model."), tmp_path / "model.safetensors")
    problem = model_problem(section(path))
    assert problem and "without a VAE" in problem.problem and "sdxl-vae-fp16" in problem.remedy
    replaced = section(path, pretrained_vae_model_name_or_path=str(tiny_model / "vae"))
    assert model_problem(replaced) is None
    assert load_models(replaced, torch.float32, CPU).vae.config["latent_channels"] == 4


OTHER_FILES = {
    "a LoRA": ["lora_unet_down_blocks_1_attentions_0_proj_in.lora_down.weight"],
    "a FLUX model": ["model.diffusion_model.double_blocks.0.img_attn.qkv.weight"],
    "an SD 3 model": ["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"],
    "an SD 1.5 model": [
        "model.diffusion_model.input_blocks.0.0.weight",
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
    ],
    "an SDXL refiner": [
        "model.diffusion_model.input_blocks.0.0.weight",
        "conditioner.embedders.0.model.token_embedding.weight",
    ],
    "something else": ["weight"],
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_other_files_are_told_by_their_header(kind: str, tmp_path: Path) -> None:
    path = save_single_file({name: torch.zeros(1) for name in OTHER_FILES[kind]}, tmp_path / "other.safetensors")
    problem = model_problem(section(path))
    assert problem and problem.problem == f"The file {path} is {kind}, not an SDXL base model."


def test_pruned_inpainting_and_distilled_files_are_told(tensors: Tensors, tiny_configs: Path, tmp_path: Path) -> None:
    pruned = save_single_file(without(tensors, "conditioner."), tmp_path / "pruned.safetensors")
    problem = model_problem(section(pruned))
    assert problem and "has no text encoders" in problem.problem
    wide = {**tensors, "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(32, 9, 3, 3)}
    problem = model_problem(section(save_single_file(wide, tmp_path / "inpainting.safetensors")))
    assert problem and "inpainting" in problem.problem
    distilled = without(tensors, "model.diffusion_model.middle_block.2.")
    with pytest.raises(EngineError, match="are not SDXL's, or are not all of them"):
        load_models(section(save_single_file(distilled, tmp_path / "distilled.safetensors")), torch.float32, CPU)


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda content: content[:20], lambda content: b"<html>"]
)
def test_a_file_that_is_cut_short_is_told(damage: Any, tensors: Tensors, tmp_path: Path) -> None:
    path = save_single_file(tensors, tmp_path / "model.safetensors")
    path.write_bytes(damage(path.read_bytes()))
    problem = model_problem(section(path))
    assert problem and "Download it again" in problem.remedy


@given(st.binary(max_size=64))
def test_no_content_of_a_file_is_more_than_two_sentences(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(content)
        file.flush()
        assert isinstance(model_problem(section(Path(file.name))), EngineError)


def test_the_identity_of_a_file_follows_its_content(tensors: Tensors, tmp_path: Path) -> None:
    path = save_single_file(tensors, tmp_path / "model.safetensors")
    first = model_identity(section(path))
    assert first == model_identity(section(path))
    save_single_file({**tensors, "more": torch.zeros(1)}, path)
    assert model_identity(section(path)) != first


def test_the_shipped_configs_are_those_of_sdxl() -> None:
    """By the number of parameters that the published parts have."""
    unet_config: Any = UNet2DConditionModel.load_config(CONFIGS, subfolder="unet")
    vae_config: Any = AutoencoderKL.load_config(CONFIGS, subfolder="vae")
    with torch.device("meta"):
        parts: list[Any] = [
            UNet2DConditionModel.from_config(unet_config),
            AutoencoderKL.from_config(vae_config),
            CLIPTextModel(CLIPTextConfig.from_pretrained(CONFIGS, subfolder="text_encoder")),
            CLIPTextModelWithProjection(CLIPTextConfig.from_pretrained(CONFIGS, subfolder="text_encoder_2")),
        ]
    counts = [sum(parameter.numel() for parameter in part.parameters()) for part in parts]
    assert counts == [2_567_463_684, 83_653_863, 123_060_480, 694_659_840]


@pytest.fixture(scope="session")
def shipped() -> Any:
    return SingleFile(Path("nowhere")).tokenizers()


def test_the_shipped_vocabulary_is_openais(shipped: Any) -> None:
    tokenizer, tokenizer_2 = shipped
    assert (len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id) == (49_408, 49_406, 49_407)
    assert (tokenizer.pad_token_id, tokenizer_2.pad_token_id) == (49_407, 0)
    assert tokenizer("a photo of a dog").input_ids == [49406, 320, 1125, 539, 320, 1929, 49407]


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=40))
def test_captions_have_as_many_tokens_as_lint_counts(shipped: Any, text: str) -> None:
    assert len(shipped[0](text).input_ids) - 2 == token_count(text)
