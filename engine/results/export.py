"""What the user takes away: a file for diffusers, one for ComfyUI and the WebUIs, the new tokens, and a model card."""

from pathlib import Path

import torch
from torch import Tensor

from curation.atomic import write_text
from engine.config import TrainConfig
from engine.errors import EngineError
from engine.results.model_card import model_card
from engine.rundir import RESERVED_NAME, RunDir
from engine.training.manifest import find_checkpoint, newest_checkpoint
from engine.training.retention import reading
from engine.training.weights import (
    LORA_FILE,
    MODULES,
    TrainedWeights,
    load_weights,
    save_embeddings,
    save_lora,
    write_safetensors,
)

KOHYA_PREFIXES = {"unet": "lora_unet", "text_encoder": "lora_te1", "text_encoder_2": "lora_te2"}
KOHYA_SUFFIXES = {
    "A.weight": "lora_down.weight",
    "B.weight": "lora_up.weight",
    "magnitude_vector.weight": "dora_scale",
}


def export(weights: TrainedWeights, output: Path, name: str, config: TrainConfig) -> tuple[Path, ...]:
    """Write the files of `file_names` and a README.md into `output`, each whole; returns the files' paths.

    The bytes are a function of weights, name and config alone.
    """
    files = tuple(output / file for file in file_names(name, with_tokens=bool(weights.tokens)))
    save_lora(weights, files[0])
    write_safetensors(files[1], kohya_tensors(weights), _kohya_metadata(weights, name))
    if weights.tokens:
        save_embeddings(weights, files[2])
    write_text(output / "README.md", model_card(name, config, weights.tokens))
    return files


def export_run(run: RunDir, step: int | None = None, output: Path | None = None) -> tuple[Path, ...]:
    """Export a run's checkpoint, the newest or that of `step`; the run may go on meanwhile.

    It goes to `output`; without one, that of the last step of a run that has ended to the run's own output/, and every
    other one to output-000500/.  Raises EngineError when there is no such checkpoint, it is damaged, or it would go to
    the run's own output/ and is not its last.
    """
    step, weights = _read_checkpoint(run, step)
    newest, _ = newest_checkpoint(run)
    # A run that goes on writes there itself at its end, and verification compares what lies there with the newest.
    is_last = newest is not None and int(newest.name) == step and not run.is_alive()
    if output is None:
        output = run.output if is_last else run.path / f"{run.output.name}-{step:06d}"
    elif output.resolve() == run.output.resolve() and not is_last:
        raise EngineError(
            f"The run's own output folder is for its last checkpoint, and that of step {step} is not its last.",
            "Name another folder with --output, or none.",
        )
    return export(weights, output, run.name, run.config())


def checkpoint_weights(run: RunDir, step: int | None = None) -> TrainedWeights:
    """The trained weights of a run's newest whole checkpoint, or of the one of `step`. Raises EngineError."""
    return _read_checkpoint(run, step)[1]


def _read_checkpoint(run: RunDir, step: int | None) -> tuple[int, TrainedWeights]:
    """A checkpoint's step and weights; the run's worker leaves it in place meanwhile."""
    with reading(run):
        folder = find_checkpoint(run, step)
        return int(folder.name), load_weights(folder)


def file_names(name: str, with_tokens: bool) -> tuple[str, ...]:
    """The diffusers file, the kohya file, and with new tokens the embeddings' file, in this order.

    Raises EngineError for the one name that would make two of them the same file.
    """
    if name == RESERVED_NAME:
        raise EngineError(f"A LoRA cannot be named {name}: the diffusers file has that name.", "Choose another --name.")
    files = (LORA_FILE, f"{name}.safetensors")
    return (*files, f"{name}_emb.safetensors") if with_tokens else files


def kohya_tensors(weights: TrainedWeights) -> dict[str, Tensor]:
    """LoRA tensors in kohya's names, which ComfyUI, the WebUIs and sd-scripts read, with each module's alpha.

    DoRA's magnitudes, one for each output, have the shape (outputs, 1): from a flat one ComfyUI's weight_decompose
    would make a square matrix.
    """
    tensors: dict[str, Tensor] = {}
    for module in MODULES:
        for key, tensor in getattr(weights, module).items():
            layer, _, suffix = key.rpartition(".lora_")
            kohya_layer = f"{KOHYA_PREFIXES[module]}_{layer.replace('.', '_')}"
            tensors[f"{kohya_layer}.{KOHYA_SUFFIXES[suffix]}"] = tensor if tensor.ndim > 1 else tensor.unsqueeze(1)
            tensors[f"{kohya_layer}.alpha"] = torch.tensor(_number(weights, module, "lora_alpha"))
    return tensors


def _kohya_metadata(weights: TrainedWeights, name: str) -> dict[str, str]:
    """What A1111 sorts LoRAs by: without the base model's version it hides them from SDXL checkpoints."""
    return {
        "format": "pt",
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_network_module": "networks.lora",
        "ss_network_dim": f"{_number(weights, 'unet', 'r'):g}",
        "ss_network_alpha": f"{_number(weights, 'unet', 'lora_alpha'):g}",
        "ss_output_name": name,
    }


def _number(weights: TrainedWeights, module: str, key: str) -> float:
    return float(str(weights.adapter_metadata[module][key]))
