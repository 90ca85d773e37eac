"""lora.toml in the making: what was typed, checked as one types, and the text that a script can run."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import tomlkit

from curation.errors import StatedError
from curation.text import visible
from engine.config import Composed, TrainConfig, compose, sections, to_toml
from engine.contradictions import contradictions
from engine.plan import resolve
from loratui.flags import typed

DEFAULT_INSTANCE_PROMPT = "a photo of TOK"

# What a first lora.toml shows; every other setting has its default, which `config show` prints.
FIRST_SETTINGS = (
    "data.instance_data_dir",
    "data.caption_column",
    "data.resolution",
    "concept.kind",
    "concept.instance_prompt",
    "concept.token_abstraction",
    "model.pretrained_model_name_or_path",
    "lora.rank",
    "text_encoder.train_text_encoder_ti",
    "text_encoder.train_text_encoder_ti_frac",
    "optimizer.optimizer",
    "loss.snr_gamma",
    "sample.validation_prompt",
)


@dataclass(frozen=True)
class Setting:
    """One key of lora.toml, and the words that label it on a screen."""

    section: str
    key: str
    label: str

    @property
    def meaning(self) -> str:
        return sections()[self.section].model_fields[self.key].description or ""

    @property
    def name(self) -> str:
        """As lora.toml's readers write it."""
        return f"{self.section}.{self.key}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The values to choose from, as one would type them; empty for a setting that is typed."""
        annotation: Any = sections()[self.section].model_fields[self.key].annotation
        kinds = get_args(annotation) if NoneType in get_args(annotation) else (annotation,)
        if len([kind for kind in kinds if kind is not NoneType]) > 1:
            return ()
        unset = ("none",) if NoneType in kinds else ()
        if bool in kinds:
            return (*unset, "False", "True")
        words = next((get_args(kind) for kind in kinds if get_origin(kind) is Literal), ())
        return (*unset, *words) if words else ()

    @property
    def default(self) -> str:
        """The value where neither a preset nor anybody gives one, as one would type it."""
        return _as_text(sections()[self.section].model_fields[self.key].default)


KIND = Setting("concept", "kind", "Kind")
TRIGGER = Setting("concept", "token_abstraction", "Trigger word")
INSTANCE_PROMPT = Setting("concept", "instance_prompt", "Instance prompt")
RESOLUTION = Setting("data", "resolution", "Resolution")
MAIN_SETTINGS = (
    KIND,
    TRIGGER,
    INSTANCE_PROMPT,
    Setting("model", "pretrained_model_name_or_path", "Model"),
    RESOLUTION,
    Setting("run", "max_train_steps", "Steps"),
    Setting("run", "train_batch_size", "Batch size"),
    Setting("data", "repeats", "Repeats"),
    Setting("lora", "rank", "Rank"),
    Setting("optimizer", "optimizer", "Optimizer"),
    Setting("optimizer", "learning_rate", "Learning rate"),
    Setting("text_encoder", "train_text_encoder_ti_frac", "Pivot at"),
    Setting("loss", "snr_gamma", "Min-SNR gamma"),
    Setting("sample", "validation_prompt", "Sample prompt"),
)


@cache
def all_settings() -> tuple[Setting, ...]:
    """Every setting: those that matter first, then the others in the order of lora.toml, labelled by their keys."""
    main = {setting.name for setting in MAIN_SETTINGS}
    every = [Setting(section, key, key) for section, model in sections().items() for key in model.model_fields]
    return (*MAIN_SETTINGS, *(setting for setting in every if setting.name not in main))


class Recipe:
    """What was chosen for a folder of photos, on top of preset and defaults.

    written: the recipe that lora.toml holds, or, where none is about these photos, the one that is offered.
    problems: what is wrong with a field as it is typed now, by setting; such a field does not count until it is mended.
    """

    def __init__(
        self,
        chosen: Mapping[str, Mapping[str, Any]],
        origins: Mapping[str, str] | None = None,
        written: "Recipe | None" = None,
    ) -> None:
        """origins: where those values are from that are not the user's own, by the setting's name."""
        self._chosen = {section: dict(values) for section, values in chosen.items()}
        self._origins = dict(origins or {})
        self.written = written or self
        self.problems: dict[Setting, StatedError] = {}
        self._mistyped: dict[Setting, str] = {}
        self._composed: Composed | None = None

    @classmethod
    def for_photos(cls, photos: Path) -> "Recipe":
        """The first recipe for a folder, as `loratui init` writes it."""
        return cls(
            {"data": {"instance_data_dir": str(photos)}, "concept": {"instance_prompt": DEFAULT_INSTANCE_PROMPT}},
            {"concept.instance_prompt": "offered"},
        )

    @classmethod
    def from_file(cls, path: Path) -> "Recipe":
        """The recipe that a lora.toml holds. Raises ConfigError."""
        composed = compose(path)
        chosen: dict[str, dict[str, Any]] = {}
        for name, origin in composed.origins.items():
            if origin == str(path):
                section, key = name.split(".")
                chosen.setdefault(section, {})[key] = getattr(getattr(composed.config, section), key)
        return cls(chosen, composed.origins)

    def to_edit(self) -> "Recipe":
        """One like it, which tells what was typed since."""
        return Recipe(self._chosen, self._origins, written=self)

    def unwritten(self) -> dict[str, str]:
        """What was typed and is not written yet: by the setting's name its text, empty for one that was taken back."""
        mistyped = {setting.name: text for setting, text in self._mistyped.items()}
        values, before = self._chosen_by_name(), self.written._chosen_by_name()
        now, then = self.compose().config, self.written.compose().config
        changed = {
            name: as_flag(values[name]) if name in values else ""
            for name in {**values, **before}
            if _value(now, name) != _value(then, name) or (name in values and name not in before)
        }
        return changed | mistyped

    def stand_on(self, written: "Recipe") -> None:
        """Go on with all that is chosen, where `written` is what is written now."""
        there = written._chosen_by_name()
        kept = [name for name, value in self._chosen_by_name().items() if name in there and there[name] == value]
        self._origins = {name: written._origins[name] for name in kept if name in written._origins}
        self.written = written

    def take(self, unwritten: Mapping[str, str]) -> None:
        """Type what `unwritten` told; settings that there are no more are passed over."""
        by_name = {setting.name: setting for setting in all_settings()}
        for name, text in unwritten.items():
            if name in by_name:
                self.choose(by_name[name], text)

    def _chosen_by_name(self) -> dict[str, Any]:
        return {f"{section}.{key}": value for section, values in self._chosen.items() for key, value in values.items()}

    def choose(self, setting: Setting, text: str) -> None:
        """Take what was typed for a setting; empty text goes back to the preset's or the default value."""
        self._composed = None
        self.problems.pop(setting, None)
        self._mistyped.pop(setting, None)
        self._chosen.get(setting.section, {}).pop(setting.key, None)
        self._origins.pop(setting.name, None)
        if not text.strip():
            return
        try:
            value = typed(setting.section, setting.key, text.strip())
            compose(flags={setting.section: {setting.key: value}})
        except StatedError as error:
            self.problems[setting], self._mistyped[setting] = error, text
        else:
            self._chosen.setdefault(setting.section, {})[setting.key] = value

    def text(self, setting: Setting) -> str:
        """What was typed for a setting, whether it fits or not; empty when nothing was."""
        if setting in self._mistyped:
            return self._mistyped[setting]
        values = self._chosen.get(setting.section, {})
        return _as_text(values[setting.key]) if setting.key in values else ""

    def origin(self, setting: Setting) -> str:
        """Where the value in effect is from.

        lora.toml, yours (not written yet), offered, a preset's name, another setting that implies it, or default.
        """
        if setting.key in self._chosen.get(setting.section, {}):
            return self._origins.get(setting.name, "yours")
        return self.compose().origins[setting.name].removeprefix("preset ")

    def value_text(self, setting: Setting) -> str:
        """The value in effect for a setting, as one would type it."""
        config = self.compose().config
        value = getattr(getattr(config, setting.section), setting.key)
        if value is None:
            try:
                value = getattr(getattr(resolve(config), setting.section), setting.key)
            except StatedError:
                return ""
        return "" if value is None else _as_text(value)

    def compose(self) -> Composed:
        """Preset, defaults and what was chosen; fields with a problem are left out."""
        if self._composed is None:  # asked for dozens of times between two keystrokes
            self._composed = compose(flags=self._chosen)
        return self._composed

    def all_problems(self) -> tuple[StatedError, ...]:
        """Everything that is wrong: fields, and settings that contradict each other."""
        return (*self.problems.values(), *contradictions(self.compose().config))

    def command_line(self) -> str:
        """The same as flags of `loratui train`, in one line for a shell."""
        words = ["loratui", "train"]
        for values in self._chosen.values():
            for key, value in values.items():
                words.append(f"--{key}={as_flag(value)}")
        return shlex.join(words)

    def toml(self) -> str:
        """The text of lora.toml: the settings that matter first, and all that were chosen."""
        chosen = {f"{section}.{key}" for section, values in self._chosen.items() for key in values}
        return to_toml(self.compose().config, only={*FIRST_SETTINGS, *chosen})


def _value(config: TrainConfig, name: str) -> Any:
    section, key = name.split(".")
    return getattr(getattr(config, section), key)


def _as_text(value: Any) -> str:
    """For a field: short, and with control characters spelled out."""
    return f"{value:g}" if isinstance(value, float) else visible(as_flag(value))


def as_flag(value: Any) -> str:
    """A setting's value as `typed` reads it, to the bit. Lists and tables are TOML's where commas would not do."""
    if value is None:
        return "none"
    if isinstance(value, list):
        plain = all(part == part.strip() != "" and "," not in part and not part.startswith("[") for part in value)
        return ", ".join(value) if plain and value else tomlkit.item(value).as_string()
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table.as_string()
    return str(value)
