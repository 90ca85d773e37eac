"""What a single .safetensors checkpoint holds, told in milliseconds from its header alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineError

LARGEST_HEADER = 100_000_000  # bytes: the format's own limit

# One tensor that every checkpoint of an architecture has, in the layout that Stability published.
UNET_INPUT = "model.diffusion_model.input_blocks.0.0.weight"
FIRST_ENCODER = "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight"
SECOND_ENCODER = "conditioner.embedders.1.model.token_embedding.weight"
VAE_INPUT = "first_stage_model.encoder.conv_in.weight"

# Parts of tensors' names that give other kinds of file away, first match first.
OTHER_KINDS = {
    "lora_": "a LoRA",
    ".lora.": "a LoRA",
    ".hada_": "a LoRA",
    ".lokr_": "a LoRA",
    "double_blocks.": "a FLUX model",
    "joint_blocks.": "an SD 3 model",
    "control_model.": "a ControlNet",
    "controlnet_": "a ControlNet",
    "cond_stage_model.transformer.": "an SD 1.5 model",
    "cond_stage_model.model.": "an SD 2 model",
    "conditioner.embedders.0.model.": "an SDXL refiner",
    "clip_l": "an embedding",
}
DOWNLOAD_AGAIN = "Download it again."
WANTED = "Name an SDXL base checkpoint (about 7 GB), a diffusers folder, or a hub id."


@dataclass(frozen=True)
class CheckpointHeader:
    """A checkpoint's header.  shapes: of the tensors, by name.  metadata: text from outside."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]

    @property
    def has_vae(self) -> bool:
        return VAE_INPUT in self.shapes

    @property
    def prediction_type(self) -> str | None:
        """What the file itself says: the marker tensor `v_pred`, or the metadata of modelspec; None when nothing."""
        said = {"v": "v_prediction", "epsilon": "epsilon"}.get(self.metadata.get("modelspec.prediction_type", ""))
        return "v_prediction" if "v_pred" in self.shapes else said

    @property
    def zero_terminal_snr(self) -> bool:
        """Whether it has the marker tensor `ztsnr`."""
        return "ztsnr" in self.shapes


def read_header(path: Path) -> CheckpointHeader:
    """Read the header of a .safetensors file. Raises EngineError for what is none, or was cut short."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= LARGEST_HEADER:
                raise ValueError
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        shapes = {str(name): tuple(tensor["shape"]) for name, tensor in header.items()}
        end = 8 + length + max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
    except OSError as error:
        raise EngineError(f"The checkpoint {path} cannot be read: {error.strerror}.", "Check the path.") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise EngineError(
            f"{path} is no whole .safetensors file.",
            "Download it again; a .ckpt, .pt or .bin file is not read, because loading one runs code from it.",
        ) from error
    if (size := path.stat().st_size) != end:
        raise EngineError(f"The checkpoint {path} has {size:,} bytes instead of {end:,}.", DOWNLOAD_AGAIN)
    return CheckpointHeader(shapes, metadata if isinstance(metadata, dict) else {})


def checkpoint_problem(path: Path, replaces_vae: bool) -> EngineError | None:
    """Why SDXL cannot be loaded from the file, or None.  replaces_vae: whether another VAE is configured."""
    try:
        header = read_header(path)
    except EngineError as problem:
        return problem
    shapes = header.shapes
    if FIRST_ENCODER not in shapes or UNET_INPUT not in shapes:
        kind = next((kind for mark, kind in OTHER_KINDS.items() if any(mark in name for name in shapes)), None)
        if kind is None and UNET_INPUT in shapes:
            return EngineError(
                f"The checkpoint {path} has no text encoders.", "Take the full file, not the pruned one."
            )
        return EngineError(f"The file {path} is {kind or 'something else'}, not an SDXL base model.", WANTED)
    if SECOND_ENCODER not in shapes:
        return EngineError(f"The checkpoint {path} lacks SDXL's second text encoder.", WANTED)
    if shapes[UNET_INPUT][1:2] != (4,):
        return EngineError(f"The checkpoint {path} is for inpainting or editing, not a base model.", WANTED)
    if not header.has_vae and not replaces_vae:
        return EngineError(
            f"The checkpoint {path} comes without a VAE.", "Set pretrained_vae_model_name_or_path = sdxl-vae-fp16."
        )
    return None
