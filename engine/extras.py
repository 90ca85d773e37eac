"""Which optional packages a command needs, and whether they are installed; imports none of them."""

from importlib.util import find_spec

from engine.errors import MissingExtra

MODULES = {
    "train": (
        "torch",
        "diffusers",
        "transformers",
        "peft",
        "accelerate",
        "datasets",
        "prodigyopt",
        "safetensors",
    ),
    "faces": ("insightface", "onnxruntime"),
}


def missing(extra: str) -> list[str]:
    """The modules of `extra` ("train" or "faces") that are not installed."""
    return [module for module in MODULES[extra] if find_spec(module) is None]


def require(extra: str, command: str) -> None:
    """Raise MissingExtra, naming `command` and the install line, unless all of `extra` is installed."""
    if missing(extra):
        raise MissingExtra(f"`{command}`", extra)
