"""A photo in a list: its cells, the words that a filter finds it by, and all that is said about it."""

from collections.abc import Iterable, Iterator, Mapping

from curation.dataset import Photo
from curation.text import visible
from engine.settings import DataSection
from loratui.photos.inventory import PhotoFile
from loratui.photos.left_out import in_words
from loratui.photos.training_crop import bucket_of, takes_whole
from loratui.terminal.glyphs import glyphs
from loratui.widgets.row_list import Column

COLUMNS = (
    Column("", 1),
    Column("Photo"),
    Column("Pixels", 11),
    Column("Crop", 6, least=48),
    Column("Caption", 7, least=60),
    Column("Training", 22, least=90),
)
STATES = "left-out small placed uncaptioned unreadable"
"""The words for states that a filter understands, besides formats."""

Files = Mapping[str, PhotoFile | None]
"""Photos whose files were read, by name; None for one that has no readable header."""


def cells(photo: Photo, files: Files, is_captioned: bool, is_marked: bool) -> tuple[str, ...]:
    """The cells of one row, in the order of COLUMNS."""
    sign = glyphs().marked if is_marked else glyphs().blocked if photo.excluded is not None else ""
    return (
        sign,
        photo.name,
        _pixels(photo.name, files),
        "placed" if photo.focus else "",
        "written" if is_captioned else "",
        "yes" if photo.excluded is None else in_words(photo.excluded),
    )


def _pixels(name: str, files: Files) -> str:
    if name not in files:
        return ""
    file = files[name]
    return f"{file.size[1]} x {file.size[0]}" if file else "unreadable"


def counted(counts: Iterable[tuple[str, int]]) -> str:
    """Words with how many there are of each: "JPEG 20, PNG 4"."""
    return ", ".join(f"{word} {count}" for word, count in counts)


def found_by(photo: Photo, files: Files, is_captioned: bool, resolution: int) -> str:
    """What a filter looks for its words in: the name, and the words for states."""
    file = files.get(photo.name)
    words = [photo.name.lower()]
    if photo.excluded is not None:
        words.append("left-out")
    if photo.focus:
        words.append("placed")
    if not is_captioned:
        words.append("uncaptioned")
    if file:
        words += [file.format.lower(), *(["small"] if min(file.size) < resolution else [])]
    elif photo.name in files:
        words.append("unreadable")
    return " ".join(words)


def described(photo: Photo, files: Files, caption: str, data: DataSection) -> Iterator[str]:
    """Lines about one photo: its file and state, what training cuts out of it, its caption."""
    file = files.get(photo.name)
    state = "to train on" if photo.excluded is None else in_words(photo.excluded)
    size = f"{_pixels(photo.name, files)} {file.format}" if file else _pixels(photo.name, files)
    yield visible(f"{size}, {state}" if size else state)
    if file:
        height, width = bucket_of(file.size, data)
        small = ", enlarged" if height > file.size[0] or width > file.size[1] else ""
        if takes_whole(file.size, data):
            yield f"taken whole, as {width} x {height}{small}"
        else:
            where = "placed" if photo.focus else "in the middle" if data.center_crop else "at random places"
            yield f"cropped to {width} x {height}{small}, {where}"
    yield visible(caption)
