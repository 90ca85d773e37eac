"""Captions in the user's own editor: which one that is, and the text file that it is given."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from curation.errors import CurationError
from curation.text import visible

FALLBACKS = ("nano", "vim", "vi")
MARK = "=="
"""Begins the line that names a photo; made longer where a caption has such a line itself."""


def editor_command() -> list[str]:
    """$VISUAL, else $EDITOR, else a common one. Raises CurationError where it is not there."""
    wanted = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if wanted is None:
        wanted = next((name for name in FALLBACKS if shutil.which(name)), None)
        if wanted is None:
            raise CurationError("There is no text editor.", "Set EDITOR to the name of one.")
    try:
        command = shlex.split(wanted)
    except ValueError as error:
        raise CurationError(
            f"The editor {visible(wanted)} is not a command: {error}.", "Set EDITOR to a program's name."
        ) from error
    if not command or not shutil.which(command[0]):
        raise CurationError(
            f"The editor {visible(wanted)} is not there.", "Set VISUAL or EDITOR to one that is installed."
        )
    return command


def edit_captions(command: list[str], captions: Mapping[str, str]) -> dict[str, str]:
    """Let the editor work on captions, by photo name, until it ends; returns those that it changed.

    Raises CurationError where it fails, or what it wrote cannot be told apart; that is kept then.
    """
    folder = Path(tempfile.mkdtemp(prefix="loratui-"))
    file = folder / ("caption.txt" if len(captions) == 1 else "captions.txt")
    file.write_bytes(as_text(captions).encode())
    _run(command, file)
    try:
        edited = edited_captions(captions, file.read_bytes().decode())
    except (OSError, UnicodeDecodeError) as error:
        raise CurationError(
            f"What the editor wrote cannot be read: {visible(str(error))}.", f"It is in {visible(str(file))}."
        ) from error
    except CurationError as error:
        raise CurationError(error.problem, f"{error.remedy} What was written is in {visible(str(file))}.") from error
    shutil.rmtree(folder, ignore_errors=True)
    return edited


def _run(command: list[str], file: Path) -> None:
    try:
        status = subprocess.run([*command, str(file)], check=False).returncode
    except OSError as error:
        raise CurationError(
            f"The editor {visible(command[0])} does not start: {error.strerror}.", "Set EDITOR to another one."
        ) from error
    if status:
        raise CurationError(
            f"The editor {visible(command[0])} ended with the status {status}, so nothing was taken over.",
            f"What it wrote is in {visible(str(file))}.",
        )


def as_text(captions: Mapping[str, str]) -> str:
    """One caption as it is; several, each below a line with its photo's name. Can be encoded in UTF-8."""
    if len(captions) == 1:
        text = next(iter(captions.values())) + "\n"
    else:
        mark = _mark(captions)
        text = f"# Each caption stands below its photo's name; lines that begin with {mark} stay as they are.\n"
        text += "".join(f"{mark} {visible(name)}\n{caption}\n" for name, caption in captions.items())
    return text.encode("utf-8", "replace").decode("utf-8")


def edited_captions(captions: Mapping[str, str], text: str) -> dict[str, str]:
    """The captions that `text` words otherwise than `as_text(captions)` did, by photo name.

    Raises CurationError for a photo that is named twice, or not one of those.
    """
    before, now = _parsed(captions, as_text(captions)), _parsed(captions, text)
    return {name: caption for name, caption in now.items() if caption != before[name]}


def _parsed(captions: Mapping[str, str], text: str) -> dict[str, str]:
    if len(captions) == 1:
        return {next(iter(captions)): _without_last_break(text)}
    mark = f"{_mark(captions)} "
    names = {visible(name): name for name in captions}
    found: dict[str, list[str]] = {}
    current: list[str] = []  # what stands above the first name
    for line in text.split("\n"):
        if not line.startswith(mark):
            current.append(line)
            continue
        shown = line.removeprefix(mark).strip()
        if shown not in names or names[shown] in found:
            why = "stands twice in the file" if shown in names else "is none of the photos that were marked"
            raise CurationError(f'"{visible(shown)}" {why}.', f"Leave the lines that begin with {mark.strip()} alone.")
        current = found.setdefault(names[shown], [])
    return {name: _without_last_break("\n".join(lines)) for name, lines in found.items()}


def _mark(captions: Mapping[str, str]) -> str:
    mark = MARK
    while any(line.startswith(mark) for caption in captions.values() for line in caption.split("\n")):
        mark += "="
    return mark


def _without_last_break(text: str) -> str:
    """Editors end a file with a line break, or several."""
    return text.rstrip("\r\n")
