"""Caption files beside the photos, in kohya's layout: `photo.txt`, one caption a line, of which the first is edited."""

import re
from dataclasses import dataclass
from pathlib import Path

from curation.errors import CurationError
from curation.regular import read_regular
from curation.text import visible

BOM = "\ufeff"

_LINE_END = re.compile(r"\r\n|\n|\r")  # what kohya's scripts, which read with universal newlines, take for one
_FIRST_BYTES = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True)
class Sidecar:
    """A caption file as it was read.  content: its bytes.

    lines: its captions without line ends. kohya's scripts train on the first one, and on any of them, drawn at random,
    with `enable_wildcard`.  None when the file is no UTF-8 text; `fault` then says what it is.
    """

    path: Path
    content: bytes
    lines: tuple[str, ...] | None
    fault: str | None = None

    @property
    def caption(self) -> str | None:
        """The first line."""
        return None if self.lines is None else self.lines[0]

    def with_caption(self, caption: str) -> bytes:
        """The file's new content: the first line is another one, all else stays, its marks and line ends included.

        Raises CurationError for a file that is not UTF-8, whose other lines would be lost, for a caption with a line
        break, and for one that UTF-8 cannot hold.
        """
        if self.fault is not None:
            raise CurationError(
                f"The caption file {visible(self.path.name)} is {self.fault}, so it was not written over.",
                "Save it as UTF-8 text, or remove it, and try again.",
            )
        text = self.content.decode("utf-8")
        mark = BOM if text.startswith(BOM) else ""
        end = _LINE_END.search(text)
        return _encoded(self.path, caption, mark) + ("" if end is None else text[end.start() :]).encode("utf-8")


def read_sidecar(photo: Path) -> Sidecar | None:
    """The caption file of a photo, or None when it has none. Raises CurationError for one that cannot be read."""
    path = sidecar_path(photo)
    try:
        content = read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CurationError(
            f"The caption file {visible(path.name)} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return Sidecar(path, content, None, _FIRST_BYTES.get(content[:2], "not UTF-8 text"))
    lines = _LINE_END.split(text.removeprefix(BOM))
    return Sidecar(path, content, tuple(lines[:-1] if len(lines) > 1 and not lines[-1] else lines))


def new_sidecar(photo: Path, caption: str) -> bytes:
    """The content of a caption file that is not there yet, ended as kohya's own captioners end it."""
    return _encoded(sidecar_path(photo), caption, "") + b"\n"


def sidecar_path(photo: Path) -> Path:
    """Where kohya's scripts look for the photo's caption."""
    return photo.with_suffix(".txt")


def _encoded(path: Path, caption: str, mark: str) -> bytes:
    if _LINE_END.search(caption):
        raise CurationError(
            f"The caption file {visible(path.name)} holds one caption a line, and this caption has a line break.",
            "Write the caption in one line.",
        )
    try:
        # A caption that starts like a mark needs one before it, or it would be read as the mark.
        return ((mark or (BOM if caption.startswith(BOM) else "")) + caption).encode("utf-8")
    except UnicodeEncodeError as error:
        raise CurationError(
            f"{visible(path.name)} cannot hold a caption that is not UTF-8.", "Write the caption anew."
        ) from error
