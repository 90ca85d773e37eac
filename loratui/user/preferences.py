"""What a user prefers on every machine's screen: looks and keys, from `config.toml` in their own config folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from curation.errors import StatedError
from loratui.terminal.glyphs import Choice as Glyphs
from loratui.terminal.ways import Choice as Pictures
from loratui.user.user_folders import config_folder

DEFAULT_THEME = "textual-dark"


@dataclass(frozen=True)
class Ui:
    """theme: the colours; `ctrl+p`, then Theme, shows them all.

    glyphs: signs and lines; auto asks the terminal, ascii is for poor fonts.  pictures: how they are drawn; auto asks
    the terminal.  refresh_seconds: how often a run's screen looks for news.  mouse: whether it acts in the program; off
    leaves it to the terminal.
    """

    theme: str = DEFAULT_THEME
    glyphs: Glyphs = "auto"
    pictures: Pictures = "auto"
    refresh_seconds: float = 1.0
    mouse: bool = True


@dataclass(frozen=True)
class Preferences:
    """ui: looks.  keys: by a binding's id, the key or the keys that it gets instead of its own."""

    ui: Ui = field(default_factory=Ui)
    keys: Mapping[str, str | list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fits:
    """What a value has to be: asked of the value, and in words."""

    asked: Callable[[Any], bool]
    words: str


def one_of(words: tuple[str, ...]) -> Fits:
    """One of these words."""
    return Fits(lambda value: value in words, f"one of {', '.join(words)}")


# Plain checks, for pydantic takes longer to import than the first screen to draw.
TABLE = Fits(lambda value: isinstance(value, dict), "a table")
KEYS = Fits(
    lambda value: isinstance(value, str) or (isinstance(value, list) and all(isinstance(key, str) for key in value)),
    "a key or a list of keys",
)
UI_VALUES = {
    "theme": Fits(lambda value: isinstance(value, str), "the name of a theme"),
    "glyphs": one_of(get_args(Glyphs)),
    "pictures": one_of(get_args(Pictures)),
    "refresh_seconds": Fits(lambda value: type(value) in (int, float) and 0.2 <= value <= 60, "from 0.2 to 60"),
    "mouse": Fits(lambda value: isinstance(value, bool), "true or false"),
}


class PreferencesError(StatedError):
    """Raised for a config.toml that cannot be used."""


def preferences_file() -> Path:
    """The file that holds them; it need not be there."""
    return config_folder() / "config.toml"


def load_preferences() -> Preferences:
    """The user's preferences; the defaults without a file. Raises PreferencesError."""
    path = preferences_file()
    try:
        text = path.read_text("utf-8")
        import tomllib

        tables = tomllib.loads(text)
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PreferencesError(f"{path} cannot be read: {reason}.", "Mend it, or move it away.") from None
    _check("", tables, {"ui": TABLE, "keys": TABLE})
    looks, keys = tables.get("ui", {}), _flat(tables.get("keys", {}))
    _check("ui.", looks, UI_VALUES)
    _check("keys.", keys, dict.fromkeys(keys, KEYS))
    return Preferences(Ui(**looks), keys)


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


def _flat(keys: Mapping[str, Any]) -> dict[str, Any]:
    """TOML reads photos.open = "o" as a table in a table."""
    flat: dict[str, Any] = {}
    for name, value in keys.items():
        is_table = isinstance(value, dict)
        flat |= {f"{name}.{action}": key for action, key in value.items()} if is_table else {name: value}
    return flat


def _check(prefix: str, table: Mapping[str, Any], known: Mapping[str, Fits]) -> None:
    """Raise PreferencesError for the first key that is not known, or whose value does not fit."""
    path = preferences_file()
    for key, value in table.items():
        if key not in known:
            from engine.config import nearest  # 100 ms, with pydantic

            near = nearest(key, list(known))
            raise PreferencesError(f"{path} has an unknown key {prefix}{key}{near}.", "Take it out, or mend its name.")
        if not known[key].asked(value):
            raise PreferencesError(f"{path}: {prefix}{key} is {value!r}, not {known[key].words}.", "Mend the value.")
