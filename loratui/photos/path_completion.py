"""What a half-typed path of a folder may become."""

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engine.paths import typed_path

MOST_LOOKED_AT = 20_000
"""Entries of one folder; a network disk lists some thousand a second."""


@dataclass(frozen=True)
class Completion:
    """text: as far as all candidates agree.  folders: the candidates' names, sorted."""

    text: str
    folders: tuple[str, ...]


def complete(text: str) -> Completion:
    """The folders that begin with what was typed; hidden ones only when a dot was typed. `~` stays as it is."""
    if text == "~":
        return Completion("~/", ())
    parent, _, begun = text.rpartition("/")
    parent = f"{parent}/" if "/" in text else ""
    folders = sorted(name for name in _folders_in(typed_path(parent or ".")) if _fits(name, begun))
    if not folders:
        return Completion(text, ())
    common = os.path.commonprefix(folders)  # noqa: RUF071 - letter by letter is what is wanted
    return Completion(f"{parent}{common}{'/' if len(folders) == 1 else ''}", tuple(folders))


def begun_anew(text: str) -> str:
    """The path that was begun last: after `//` or `/~/`, as editors take what is typed or pasted behind another."""
    begin = max(text.rfind("//"), text.rfind("/~/"))
    return text[begin + 1 :]


def _fits(name: str, begun: str) -> bool:
    return name.startswith(begun) and (begun.startswith(".") or not name.startswith("."))


def _folders_in(parent: Path) -> list[str]:
    try:
        with os.scandir(parent) as entries:
            return [entry.name for entry in islice(entries, MOST_LOOKED_AT) if _is_folder(entry)]
    except (OSError, ValueError):
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
