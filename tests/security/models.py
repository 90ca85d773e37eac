"""Loading all of a model, as a run does."""

from pathlib import Path

import torch

from engine.models.load import load_models
from engine.settings import ModelSection

PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")


def load_all(name: Path, vae: Path | None = None) -> None:
    """Load every part, the VAE too, which is otherwise loaded when it is needed."""
    replacement = None if vae is None else str(vae)
    model = ModelSection(pretrained_model_name_or_path=str(name), pretrained_vae_model_name_or_path=replacement)
    _ = load_models(model, torch.float32, torch.device("cpu")).vae


def weights_of(folder: Path) -> Path:
    """The one file with a part's weights."""
    [file] = folder.glob("*.safetensors")
    return file
