"""lora.toml: composed from preset, file and flags, checked, and written back."""

import difflib
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import ParseError, TOMLKitError

from curation.atomic import write_text
from curation.errors import CurationError
from engine.errors import ConfigError
from engine.mini.world import RESOLUTION as MINI_RESOLUTION
from engine.models.names import MINI
from engine.settings import (
    ConceptSection,
    DataSection,
    LintSection,
    LoraSection,
    LossSection,
    ModelSection,
    OptimizerSection,
    OutputSection,
    PriorSection,
    RunSection,
    SampleSection,
    Section,
    TextEncoderSection,
)

Tables = Mapping[str, Mapping[str, Any]]


class TrainConfig(Section):
    """All that a run needs to know, as lora.toml holds it."""

    data: DataSection = DataSection()
    concept: ConceptSection = ConceptSection()
    model: ModelSection = ModelSection()
    lora: LoraSection = LoraSection()
    text_encoder: TextEncoderSection = TextEncoderSection()
    optimizer: OptimizerSection = OptimizerSection()
    loss: LossSection = LossSection()
    prior: PriorSection = PriorSection()
    sample: SampleSection = SampleSection()
    run: RunSection = RunSection()
    output: OutputSection = OutputSection()
    lint: LintSection = LintSection()


@dataclass(frozen=True)
class Composed:
    """A config, and for each `section.key` where its value came from."""

    config: TrainConfig
    origins: Mapping[str, str]


def sections() -> dict[str, type[Section]]:
    """The sections of lora.toml by name, in their order."""
    found: dict[str, type[Section]] = {}
    for name, field in TrainConfig.model_fields.items():
        assert isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        found[name] = field.annotation
    return found


def load_config(path: Path) -> TrainConfig:
    """The config that `path` describes, on top of its kind's preset. Raises ConfigError."""
    return compose(path).config


def load_frozen(path: Path) -> TrainConfig:
    """A run's config.toml, which is whole: no preset is laid under it. Raises ConfigError."""
    text = _read(path)
    table = _parse(text, path)
    _refuse_unknown(table, text, path)
    try:
        return TrainConfig.model_validate(table)
    except ValidationError as error:
        raise _mistyped(error, text, path) from None


def compose(path: Path | None = None, flags: Tables | None = None) -> Composed:
    """Lay preset, lora.toml and flags over the defaults, later ones winning.

    flags: typed values by section and key.  Raises ConfigError for a file that is not TOML (with its line), an
    unknown section or key (with the nearest known one) and a value of the wrong type.
    """
    flags = flags or {}
    text = _read(path) if path else ""
    table = _parse(text, path) if path else {}
    _refuse_unknown(table, text, path)
    kind = flags.get("concept", {}).get("kind") or table.get("concept", {}).get("kind") or "object"
    layers = [(f"preset {kind}", preset(kind)), (str(path), table), ("flag", flags)]

    merged: dict[str, dict[str, Any]] = {name: {} for name in sections()}
    origins = {f"{name}.{key}": "default" for name, section in sections().items() for key in section.model_fields}
    for origin, layer in layers:
        for name, values in layer.items():
            merged[name].update(values)
            origins.update({f"{name}.{key}": origin for key in values})
    _add_what_is_implied(merged, origins)
    try:
        config = TrainConfig.model_validate(merged)
    except ValidationError as error:
        raise _mistyped(error, text, path, flags) from None
    _refuse_unknown_rules(config.lint, path)
    return Composed(config, origins)


def with_settings(config: TrainConfig, settings: Tables) -> TrainConfig:
    """`config` with other values for some settings, given by section and key. Raises ConfigError for one that does not
    fit."""
    values = config.model_dump()
    for section, given in settings.items():
        values[section].update(given)
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise _mistyped(error, "", None) from None


def _add_what_is_implied(merged: dict[str, dict[str, Any]], origins: dict[str, str]) -> None:
    """Let a choice that was made win over a default or a preset that would pass it over without a word."""

    def was_chosen(name: str) -> bool:
        return origins[name] != "default" and not origins[name].startswith("preset ")

    def imply(name: str, value: Any, because: str) -> None:
        section, key = name.split(".")
        if not was_chosen(name):
            merged[section][key], origins[name] = value, because

    if merged["text_encoder"].get("train_text_encoder"):
        # Asking for a LoRA on the text encoders is asking for it instead of new tokens, which are only the default.
        imply("text_encoder.train_text_encoder_ti", False, "train_text_encoder")
    if was_chosen("run.steps_per_photo"):
        imply("run.max_train_steps", None, "steps_per_photo")
    if merged["model"].get("pretrained_model_name_or_path") == MINI:
        imply("data.resolution", MINI_RESOLUTION, "the mini model")
    if merged["concept"].get("kind") == "person":
        # The guide's faces kept realism and language with real class images, and lost both with generated ones.
        for name in ("class_data_dir", "class_dataset_name"):
            if merged["prior"].get(name):
                imply("prior.with_prior_preservation", True, name)


def preset(kind: str) -> dict[str, dict[str, Any]]:
    """The guide's numbers for a kind of concept; empty for a kind that does not exist (validation names it)."""
    file = resources.files("engine") / "presets" / f"{kind}.toml"
    return tomlkit.parse(file.read_text("utf-8")).unwrap() if file.is_file() else {}


def to_toml(config: TrainConfig, only: Collection[str] | None = None) -> str:
    """The config as lora.toml text, each key with its meaning; `only` limits it to these `section.key`s."""
    document = tomlkit.document()
    for name, section in sections().items():
        table = tomlkit.table()
        for key, field in section.model_fields.items():
            if only is not None and f"{name}.{key}" not in only:
                continue
            value = getattr(getattr(config, name), key)
            if value is None and field.default is None:
                continue
            item = tomlkit.item("none" if value is None else value)
            table.add(key, item.comment(field.description) if field.description else item)
        if table:
            document.add(name, table)
    return tomlkit.dumps(document)


def save_config(config: TrainConfig, path: Path) -> None:
    """Write the whole config to `path`, whole."""
    write_text(path, to_toml(config))


def nearest(word: str, known: list[str]) -> str:
    """The end of a sentence that names the known word nearest to `word`; empty when none is near."""
    match = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; the nearest known one is '{match[0]}'" if match else ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}.", "Write one with: loratui init PHOTOS") from None
    except IsADirectoryError:
        raise ConfigError(
            f"{path} is a folder, not a lora.toml.", f"Write one for it with: loratui init {shlex.quote(str(path))}"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not a text file.", "Give the path of a lora.toml.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", "Give the path of a lora.toml.") from None


def _parse(text: str, path: Path | None) -> dict[str, Any]:
    try:
        return tomlkit.parse(text).unwrap()
    except ParseError as error:
        broken = text.splitlines()[error.line - 1].strip() if error.line <= len(text.splitlines()) else ""
        key = broken.partition("=")[0].strip()
        at = f", at '{key}'" if key else ""
        raise ConfigError(
            f"{path}, line {error.line}{at}: {str(error).partition(' at line')[0]}.",
            "Mend that line; text stands in quotes, and a table's name in [brackets].",
        ) from None
    except (TOMLKitError, ValueError) as error:  # e.g. a key given twice
        raise ConfigError(f"{path} is not valid TOML: {error}.", "Mend it; each key may stand once.") from None


def _refuse_unknown(table: Mapping[str, Any], text: str, path: Path | None) -> None:
    known = sections()
    for name, values in table.items():
        where = f"{path}, line {_line(text, name, None)}"
        if name in known and not isinstance(values, dict):
            raise ConfigError(f"{where}: '{name}' is a section, not a setting.", f"Write its keys below [{name}].")
        if name not in known:
            homes = [section for section, fields in known.items() if name in fields.model_fields]
            if homes:
                raise ConfigError(f"{where}: '{name}' stands outside its section.", f"Move it below [{homes[0]}].")
            raise ConfigError(
                f"{where}: there is no section [{name}]{nearest(name, list(known))}.",
                f"The sections are {', '.join(known)}.",
            )
        for key in values:
            if key not in known[name].model_fields:
                raise _unknown_key(name, key, f"{path}, line {_line(text, name, key)}")


def _unknown_key(name: str, key: str, where: str) -> ConfigError:
    homes = [section for section, fields in sections().items() if key in fields.model_fields]
    if homes:
        return ConfigError(f"{where}: '{key}' does not belong in [{name}].", f"Move it below [{homes[0]}].")
    every = [known for fields in sections().values() for known in fields.model_fields]
    return ConfigError(
        f"{where}: there is no key '{key}'{nearest(key, every)}.", "Run `loratui config show` for all keys."
    )


def _refuse_unknown_rules(lint: LintSection, path: Path | None) -> None:
    """Not asked of a run's frozen config, which must be readable after a rule has got other thresholds."""
    if lint == LintSection():
        return
    try:
        lint.selection()
    except CurationError as error:
        raise ConfigError(f"{path or 'The settings'}, [lint]: {error.problem}", error.remedy) from error


def _mistyped(error: ValidationError, text: str, path: Path | None, flags: Tables | None = None) -> ConfigError:
    """With the line of the file, unless a flag has the say."""
    first = error.errors()[0]
    name, key = str(first["loc"][0]), str(first["loc"][1])
    is_flag = key in (flags or {}).get(name, {})
    if path and not is_flag and _line(text, name, key):
        where = f"{path}, line {_line(text, name, key)}"
    else:
        where = "The settings"
    given = first["input"]
    field = sections()[name].model_fields[key]
    return ConfigError(
        f"{where}: {'.'.join(_keys(first['loc']))} = {given!r} does not fit: {first['msg'].lower()}.",
        f"{key}: {field.description}",
    )


def _keys(location: Sequence[int | str]) -> list[str]:
    """Section and key of a problem, and its keys inside a table; not the positions in a list, nor pydantic's types."""
    section, key, *inner = map(str, location)
    tables = {"severity": 1, "params": 2}.get(key, 0)
    return [section, key, *inner[:tables]]


def _line(text: str, section: str, key: str | None) -> int:
    """Line (from 1) of `key` in [section], or of the section or top-level key itself; 0 when it is not there."""
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            header = stripped.strip("[]").split("#")[0].strip(" ]")
            inside = header == section
            if (inside and key is None) or f"{header}.".startswith(f"{section}.{key}."):
                return number
        elif stripped.partition("=")[0].strip().strip("\"'") in ({key} if inside else {section} if key is None else ()):
            return number
    return 0
