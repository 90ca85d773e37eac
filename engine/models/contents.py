"""What a model's weights are, told by samples of their bytes: the same wherever and whenever the files were written."""

import hashlib
from pathlib import Path

from engine.errors import EngineError
from engine.models.files import WEIGHTS, find_model, is_checkpoint, variant_on_disk, weight_files
from engine.models.names import TINY
from engine.settings import ModelSection

SAMPLES, SAMPLE_BYTES = 64, 16_384
"""Of each file, evenly spaced: a megabyte of SDXL's ten gigabytes. A fine-tune changes every tensor a little."""


def model_contents(model: ModelSection) -> str | None:
    """A digest that changes with the weights that `model` names, in base or replacement VAE; None where they are not
    on this disk.

    Takes milliseconds: no file is read whole, and hence a change of a few bytes is not seen.
    """
    named = [(model.pretrained_model_name_or_path, model.revision, model.variant)]
    if model.pretrained_vae_model_name_or_path:
        named.append((model.pretrained_vae_model_name_or_path, None, None))
    digest = hashlib.sha256()
    for name, revision, variant in named:
        if name == TINY:  # a function of this program, which would be made of torch's numbers to look at it
            digest.update(TINY.encode())
            continue
        try:
            for file in _weights(name, revision, variant):
                _add_samples(digest, file)
        except (EngineError, OSError):
            return None
    return digest.hexdigest()


def _weights(name: str, revision: str | None, variant: str | None) -> list[Path]:
    """The files of weights that are loaded for `name`, in the order of its parts. Raises EngineError without any."""
    path = find_model(name, revision, variant)
    if path is None:
        raise EngineError(f"The model {name} is not on this disk.", "Check its path.")
    if is_checkpoint(path):
        return [path]
    names = {file.relative_to(path).as_posix() for file in path.rglob("*.safetensors*")}
    parts = list(WEIGHTS) if (path / "model_index.json").is_file() else [""]
    return [
        path / file
        for part in parts
        for file in weight_files(names, part, variant_on_disk(path, part, variant))
        if file.endswith(".safetensors")
    ]


def _add_samples(digest: "hashlib._Hash", path: Path) -> None:
    size = path.stat().st_size
    digest.update(size.to_bytes(8, "little"))
    with path.open("rb") as file:
        for place in range(SAMPLES):
            file.seek(size * place // SAMPLES)
            digest.update(file.read(SAMPLE_BYTES))
