"""The guide's command lines: every key of lora.toml is also a flag, spelled with `_` or `-`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

import tomlkit
from pydantic import TypeAdapter, ValidationError
from tomlkit.exceptions import TOMLKitError

from engine.config import nearest, sections
from engine.errors import ConfigError

# Spellings of the guide and of the reference script for one of our keys.
ALIASES = {"with_prior_preservation_loss": "with_prior_preservation"}
STRAY_WORD = "Flags are written --key value: the lora.toml stands before them, and a value with spaces in quotes."


@dataclass
class Flags:
    """Settings given on a command line, typed, by section and key; and what was odd about them."""

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, section: str, key: str, value: Any) -> None:
        self.tables.setdefault(section, {})[key] = value


def parse_flags(arguments: Sequence[str]) -> Flags:
    """Parse `--key value`, `--key=value` and bare `--key` into typed settings.

    Booleans are taken bare and as True/False; `None` unsets what may be unset.  A bare flag that wants a value keeps
    its default, since the guide prints some that way, and leaves a note.  Raises ConfigError for an unknown flag
    (with the nearest known one), a value that does not fit, and a stray word.
    """
    flags = Flags()
    homes = {key: section for section, model in sections().items() for key in model.model_fields}
    words = [part for word in arguments for part in _unglued(word, homes)]
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            raise ConfigError(f"'{word}' stands where a flag was expected.", STRAY_WORD)
        name, equals, value = word[2:].partition("=")
        key = name.replace("-", "_")
        key = ALIASES.get(key, key)
        if key not in homes:
            raise ConfigError(f"There is no flag --{name}{nearest(key, list(homes))}.", "See: loratui config show")
        if not equals and words and not words[0].startswith("--") and not _stays_bare(homes[key], key, words[0]):
            value, equals = words.pop(0), "="
        if equals:
            flags.put(homes[key], key, typed(homes[key], key, value))
        elif _kind(homes[key], key) is bool:
            flags.put(homes[key], key, True)
        else:
            flags.notes.append(f"--{name} was given no value and keeps its own.")
    return flags


def parse_settings(assignments: Sequence[str]) -> Flags:
    """Parse `section.key=value` (the `--set` option). Raises ConfigError."""
    flags = Flags()
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        section, _, key = name.strip().partition(".")
        if not equals or section not in sections() or key not in sections()[section].model_fields:
            every = [f"{section}.{key}" for section, model in sections().items() for key in model.model_fields]
            raise ConfigError(
                f"--set {assignment} names no setting{nearest(name.strip(), every)}.", "Write --set section.key=value."
            )
        flags.put(section, key, typed(section, key, value.strip()))
    return flags


def _unglued(word: str, homes: Mapping[str, str]) -> list[str]:
    """A word cut before each known flag: the guide prints `--repeats=1\\`, which a shell joins with the next line."""
    names = "|".join((*homes, *ALIASES)).replace("_", "[-_]")
    return [part for part in re.split(rf"(?=--(?:{names})(?:=|--|$))", word) if part]


def typed(section: str, key: str, value: str) -> Any:
    """The value that a string on a command line means for `key`. Raises ConfigError when it does not fit."""
    model = sections()[section]
    setting = model.model_fields[key]
    annotation: Any = setting.annotation
    if value.lower() == "none" and key == "text_encoder_lr":
        return "unet"  # the guide: "If you wish the text encoder lr to always match --learning_rate, set ...=None"
    if value.lower() == "none" and model.takes_none(key):
        return None
    if get_origin(annotation) is dict:
        return _table(key, value)
    if any(get_origin(kind) is list for kind in (annotation, *get_args(annotation))):
        return (
            _list(key, value) if value.startswith("[") else [part.strip() for part in value.split(",") if part.strip()]
        )
    lowered = value.lower() if key in ("optimizer", "mixed_precision", "lr_scheduler") else value
    try:
        return TypeAdapter(annotation).validate_strings(lowered)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].lower()
        raise ConfigError(f"--{key} {value!r} does not fit: {problem}.", f"{key}: {setting.description}") from None


def _list(key: str, value: str) -> list[Any]:
    """A list as TOML writes it: `["with, a comma", "without"]`. Raises ConfigError."""
    try:
        return list(tomlkit.parse(f"list = {value}").unwrap()["list"])
    except (TOMLKitError, ValueError):
        raise ConfigError(
            f"--{key} {value!r} is not a list.", f'Write words with commas between, or {key}=["A", "B"].'
        ) from None


def _table(key: str, value: str) -> dict[str, Any]:
    """A table as TOML writes it in one line: `{IMG002 = "info"}`. Raises ConfigError."""
    try:
        table = tomlkit.parse(f"table = {value}").unwrap()["table"]
    except (TOMLKitError, ValueError):
        table = None
    if not isinstance(table, dict):
        raise ConfigError(f"--{key} {value!r} is not a table.", f"Write it as TOML does: {key}={{NAME = VALUE}}.")
    return table


def _kind(section: str, key: str) -> Any:
    annotation = sections()[section].model_fields[key].annotation
    return next((option for option in get_args(annotation) if option is not type(None)), annotation)


def _stays_bare(section: str, key: str, following: str) -> bool:
    """Whether a boolean stands bare before `following`, which is then no value of its own."""
    return _kind(section, key) is bool and following.lower() not in ("true", "false", "0", "1", "yes", "no")
