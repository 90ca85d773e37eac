"""The engine's expected failures, each told in two sentences."""

from collections.abc import Sequence

from curation.errors import StatedError


class EngineError(StatedError):
    """Raised by the engine: a run cannot start or go on as asked."""


class ConfigError(EngineError):
    """Raised for a lora.toml, a flag or a combination of settings that cannot be used."""


class SeveralProblems(ConfigError):
    """Raised for all that keeps a run from starting, together.  problems: each with its own two sentences."""

    def __init__(self, problems: Sequence[StatedError]) -> None:
        super().__init__(
            " ".join(each.problem for each in problems), " ".join(dict.fromkeys(each.remedy for each in problems))
        )
        self.problems = tuple(problems)


class MissingExtra(EngineError):
    """Raised when a command needs packages that the base install leaves out."""

    def __init__(self, need: str, extra: str) -> None:
        super().__init__(
            f"{need} needs packages that the base install leaves out.", f"Run: pip install 'loratui[{extra}]'"
        )


def refuse(problems: Sequence[StatedError]) -> None:
    """Raise the one problem, or SeveralProblems; return when there are none."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise SeveralProblems(problems)


def each_problem(error: StatedError) -> tuple[StatedError, ...]:
    """The problems that an error tells of: itself, unless it is several."""
    return error.problems if isinstance(error, SeveralProblems) else (error,)
