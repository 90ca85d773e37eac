"""The engine's expected failures, each told in two sentences."""

from curation.errors import StatedError


class EngineError(StatedError):
    """Raised by the engine: a run cannot start or go on as asked."""


class ConfigError(EngineError):
    """Raised for a lora.toml, a flag or a combination of settings that cannot be used."""


class MissingExtra(EngineError):
    """Raised when a command needs packages that the base install leaves out."""

    def __init__(self, need: str, extra: str) -> None:
        super().__init__(
            f"{need} needs packages that the base install leaves out.", f"Run: pip install 'loratui[{extra}]'"
        )
