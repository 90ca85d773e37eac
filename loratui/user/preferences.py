"""What a user prefers on every machine's screen: looks and keys, from `config.toml` in their own config folder."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from curation.errors import StatedError
from engine.config import nearest
from loratui.terminal.glyphs import Choice
from loratui.user.user_folders import config_folder

Pictures = Literal["auto", "half-blocks", "kitty", "sixel", "off"]
DEFAULT_THEME = "textual-dark"


class Table(BaseModel):
    """A table of the file: an unknown key or a value of another type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Ui(Table):
    theme: str = Field(default=DEFAULT_THEME, description="The colours; `ctrl+p`, then Theme, shows them all.")
    glyphs: Choice = Field(default="auto", description="Signs and lines: auto asks the terminal; ascii for poor fonts.")
    pictures: Pictures = Field(default="auto", description="How pictures are drawn: auto asks the terminal.")
    refresh_seconds: Annotated[float, Field(strict=False, ge=0.2, le=60)] = Field(
        default=1.0, description="How often a run's screen looks for news."
    )
    mouse: bool = Field(default=True, description="Whether the mouse acts; off leaves it to the terminal.")


class Preferences(Table):
    """ui: looks.  keys: by a binding's id, the key or the keys that it gets instead of its own."""

    ui: Ui = Field(default_factory=Ui)
    keys: dict[str, str | list[str]] = Field(default_factory=dict)

    @field_validator("keys", mode="before")
    @classmethod
    def _flat(cls, keys: Any) -> Any:
        """TOML reads photos.open = "o" as a table in a table."""
        if not isinstance(keys, dict):
            return keys
        flat: dict[str, Any] = {}
        for name, value in keys.items():
            flat |= (
                {f"{name}.{action}": key for action, key in value.items()} if isinstance(value, dict) else {name: value}
            )
        return flat


class PreferencesError(StatedError):
    """Raised for a config.toml that cannot be used."""


def preferences_file() -> Path:
    """The file that holds them; it need not be there."""
    return config_folder() / "config.toml"


def load_preferences() -> Preferences:
    """The user's preferences; the defaults without a file. Raises PreferencesError."""
    path = preferences_file()
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PreferencesError(f"{path} cannot be read: {reason}.", "Mend it, or move it away.") from None
    try:
        return Preferences.model_validate(tables)
    except ValidationError as error:
        raise _refusal(path, error) from None


def save_theme(theme: str) -> None:
    """Write the theme into the file; what else is in it stays, comments too. Raises PreferencesError."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from curation.atomic import write_text

    path = preferences_file()
    try:
        document: Any = tomlkit.parse(path.read_text("utf-8") if path.exists() else "")
        document.setdefault("ui", tomlkit.table())["theme"] = theme
        write_text(path, tomlkit.dumps(document))
    except (OSError, ValueError, TypeError, TOMLKitError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PreferencesError(
            f"The theme could not be kept in {path}: {reason}.", "It holds until the program is left."
        ) from None


def _refusal(path: Path, error: ValidationError) -> PreferencesError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        table = Preferences if len(first["loc"]) == 1 else Ui
        near = nearest(str(first["loc"][-1]), list(table.model_fields))
        return PreferencesError(f"{path} has an unknown key {where}{near}.", "Take it out, or mend its name.")
    return PreferencesError(
        f"{path}: {where} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}.", "Mend the value."
    )
