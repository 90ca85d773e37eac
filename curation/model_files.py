"""What a model from outside must not bring: weights that unpickle, another model's, or code to fetch and run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curation.text import visible

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
PICKLE_REMEDY = "Weights in such files are not read, because loading one runs code from it; name one with .safetensors."


def holds_pickles(folder: Path) -> bool:
    """Whether there are weights in files that the libraries would unpickle."""
    return any(path.suffix.lower() in PICKLES for path in folder.iterdir())


def unsafe_file(folder: Path) -> str | None:
    """What the libraries would load from there beside safetensors that lie in it, to follow a colon; None: nothing.

    An index of shards may name any file.  An adapter may name another model and weights of its own.  An attention
    implementation with a slash is a repository of the hub, whose compiled code transformers would run.
    """
    if (folder / "adapter_config.json").exists():
        return "adapter_config.json asks for the weights of an adapter"
    config = _json(folder / "config.json")
    named = {"config.json": [config["transformers_weights"]]} if "transformers_weights" in (config or ()) else {}
    named |= {index.name: _shards(index) for index in sorted(folder.glob("*.safetensors.index*.json"))}
    for file, names in named.items():
        foreign = [name for name in map(str, names) if not name.endswith(".safetensors") or Path(name).name != name]
        if foreign:
            return f"{visible(file)} asks for the file {visible(foreign[0])}"
    kernels = [value for value in _attention(config) if "/" in value]
    return f"config.json asks for code from {visible(kernels[0])}" if kernels else None


def _shards(index: Path) -> list[str]:
    """The files that an index names, as the libraries read it; one that cannot be read names none."""
    named = _json(index)
    weights = named.get("weight_map") if isinstance(named, dict) else None
    return sorted({str(name) for name in weights.values()}) if isinstance(weights, dict) else []


def _attention(config: Any) -> Iterator[str]:
    """Every attention implementation that a config names, its parts' included."""
    if not isinstance(config, dict):
        return
    for key, value in config.items():
        if key.endswith("attn_implementation"):
            yield from map(str, value.values() if isinstance(value, dict) else [value])
        yield from _attention(value)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
