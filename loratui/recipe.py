"""lora.toml in the making: what was typed, checked as one types, and the text that a script can run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from curation.errors import StatedError
from curation.text import visible
from engine.config import Composed, compose, sections, to_toml
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
    def choices(self) -> tuple[str, ...]:
        """The values to choose from; empty for a setting that is typed."""
        annotation = sections()[self.section].model_fields[self.key].annotation
        return get_args(annotation) if get_origin(annotation) is Literal else ()


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


class Recipe:
    """What was chosen for a folder of photos, on top of preset and defaults.

    problems: what is wrong with a field as it is typed now, by setting; such a field does not count until it is mended.
    """

    def __init__(self, chosen: Mapping[str, Mapping[str, Any]]) -> None:
        self._chosen = {section: dict(values) for section, values in chosen.items()}
        self.problems: dict[Setting, StatedError] = {}
        self._composed: Composed | None = None

    @classmethod
    def for_photos(cls, photos: Path) -> "Recipe":
        """The first recipe for a folder, as `loratui init` writes it."""
        return cls(
            {"data": {"instance_data_dir": str(photos)}, "concept": {"instance_prompt": DEFAULT_INSTANCE_PROMPT}}
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
        return cls(chosen)

    def choose(self, setting: Setting, text: str) -> None:
        """Take what was typed for a setting; empty text goes back to the preset's or the default value."""
        self._composed = None
        self.problems.pop(setting, None)
        self._chosen.get(setting.section, {}).pop(setting.key, None)
        if not text.strip():
            return
        try:
            value = typed(setting.section, setting.key, text.strip())
            compose(flags={setting.section: {setting.key: value}})
        except StatedError as error:
            self.problems[setting] = error
        else:
            self._chosen.setdefault(setting.section, {})[setting.key] = value

    def text(self, setting: Setting) -> str:
        """What was chosen for a setting, as one would type it; empty when nothing was."""
        values = self._chosen.get(setting.section, {})
        return _as_text(values[setting.key]) if setting.key in values else ""

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

    def toml(self) -> str:
        """The text of lora.toml: the settings that matter first, and all that were chosen."""
        chosen = {f"{section}.{key}" for section, values in self._chosen.items() for key in values}
        return to_toml(self.compose().config, only={*FIRST_SETTINGS, *chosen})


def _as_text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return visible(", ".join(value))
    if isinstance(value, float):
        return f"{value:g}"
    return visible(str(value))
