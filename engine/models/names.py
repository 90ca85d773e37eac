"""Names for models: the short ones that everybody has, and those that a user gave to folders and files of their own."""

import os
import re
from pathlib import Path

from curation.text import visible
from engine.errors import EngineError
from engine.paths import typed_path

MINI, TINY = "mini", "tiny"
BUILT_IN = (MINI, TINY)
SHORT_NAMES = {
    "sdxl": "stabilityai/stable-diffusion-xl-base-1.0",
    "sdxl-vae-fp16": "madebyollin/sdxl-vae-fp16-fix",
}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
RESERVED = (*BUILT_IN, "faces", *SHORT_NAMES)


def full_name(name: str) -> str:
    """The hub id, folder or file that `name` stands for; what is no name stays as it was typed."""
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    if NAME.fullmatch(name) and (link := names_folder() / name).is_symlink():
        return str(link.readlink())
    return name


def names_folder() -> Path:
    """Where given names are kept, each a link to what it names: XDG_DATA_HOME/loratui/models, or under ~/.local."""
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "loratui" / "models"


def given_names() -> dict[str, Path]:
    """What each name that the user gave stands for, whether it is still there or not."""
    folder = names_folder()
    links = sorted(folder.iterdir()) if folder.is_dir() else []
    return {link.name: link.readlink() for link in links if link.is_symlink()}


def give_name(name: str, path: Path) -> None:
    """Let `name` stand for a folder or file of the user's own, which stays where it is.

    Raises EngineError for a name that is taken, or is none.
    """
    if not NAME.fullmatch(name):
        raise EngineError(
            f'"{visible(name)}" is no name for a model.', "Give it one of letters, digits, _, . and - with --name."
        )
    if name in RESERVED or name in given_names():
        raise EngineError(f"The name {name} is taken, by {visible(full_name(name))}.", "Choose another with --name.")
    if typed_path(name).exists() and not typed_path(name).samefile(path):
        raise EngineError(f"The name {name} would hide another {name} here.", "Choose another with --name.")
    names_folder().mkdir(parents=True, exist_ok=True)
    (names_folder() / name).symlink_to(path.absolute())


def drop_name(name: str) -> None:
    """Forget a name that the user gave; what it stands for is left alone."""
    (names_folder() / name).unlink()
