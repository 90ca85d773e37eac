"""Captions by a model, in a process of its own: the screen needs no torch, and the work outlives the screen."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from curation.captions import Context
from curation.dataset import Dataset
from curation.errors import CurationError
from curation.text import counted, visible
from engine.models.files import snapshot_folder
from loratui.jobs import Job

LOG = Path(".loratui", "caption-auto.log")
POLL_SECONDS = 0.2
NEWS_SECONDS = 1.0
"""The folder is not read again more often than this while captions come."""
END_SECONDS = 15.0
"""To end by itself when it is asked to: it may be importing torch."""


@dataclass(frozen=True)
class AutoCaption:
    """What to caption and how.

    names: these photos alone; all without a caption where empty.  overwrite: also those that have one.
    """

    dataset: Dataset
    model: str
    template: str
    words: Context
    names: Sequence[str] = ()
    overwrite: bool = False

    def command(self) -> list[str]:
        """The command line that does it."""
        options = {
            "model": self.model,
            "template": self.template,
            "trigger": self.words.trigger,
            "class-noun": self.words.class_noun,
            "caption-column": self.dataset.caption_column,
        }
        return [
            *("caption", "auto", str(self.dataset.root.absolute())),
            *(f"--{name}={text}" for name, text in options.items() if text),
            *(f"--photo={name}" for name in self.names),
            *(["--overwrite"] if self.overwrite else []),
        ]


def captioners() -> tuple[str, ...]:
    """Those offered by name, the command's own first; any other model that it takes can be typed."""
    from curation.captioners import DEFAULT_CAPTIONER  # 80 ms, with numpy

    return DEFAULT_CAPTIONER, "florence-community/Florence-2-base", "florence-community/Florence-2-large"


def is_on_disk(model: str) -> bool:
    """Whether a captioning model, a folder or a name of the hub, need not be fetched first."""
    folder = Path(model) if Path(model).is_dir() else snapshot_folder(model, None)
    return folder is not None and any(folder.glob("*.safetensors"))


def caption_in_background(wanted: AutoCaption, job: Job, captions_came: Callable[[], object]) -> str:
    """Let the model caption until it is done, and return in words what it did.

    It writes to a log beside the photos and not to us, so that it goes on when this program ends.  captions_came:
    called when captions were written, now and then.  Raises Cancelled, and CurationError with its own two sentences.
    """
    path = wanted.dataset.root / LOG
    process = _start(wanted, path)
    with path.open("rb") as file:
        log = _Log(file)
        told, seen = time.monotonic(), 0
        try:
            while process.poll() is None:
                log.read()
                if log.total:
                    job.progress(log.done, log.total)
                job.check()
                if log.done > seen and time.monotonic() - told > NEWS_SECONDS:
                    captions_came()
                    told, seen = time.monotonic(), log.done
                time.sleep(POLL_SECONDS)
        finally:
            _end(process)
            log.read()
            captions_came()
    if log.captioned is None:
        raise _refusal(log.words, process.returncode, path)
    done = f"Captioned {log.captioned} of {counted(log.total, 'photo')}."
    return f"{done} {counted(log.passed_over, 'photo')} could not be read." if log.passed_over else done


class _Log:
    """What the command has written so far.  words: its lines that are not events, such as why it ended."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = b""
        self.done = self.total = self.passed_over = 0
        self.captioned: int | None = None
        self.words: list[str] = []

    def read(self) -> None:
        """Take in the lines that came since the last time."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                self.words.append(line.decode("utf-8", "replace"))

    def _take(self, event: dict[str, Any]) -> None:
        self.total = event["total"]
        if event["event"] == "batch":
            self.done = event["done"]
            self.passed_over += len(event["passed_over"])
        elif event["event"] == "ended":
            self.captioned = event["captioned"]


def _start(wanted: AutoCaption, log: Path) -> subprocess.Popen[bytes]:
    try:
        log.parent.mkdir(exist_ok=True)
        with log.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "loratui", *wanted.command(), "--json"],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise CurationError(
            f"The captioning does not start: {error.strerror}.", "Make the photos' folder writable and free some space."
        ) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does: the batch under way is lost, and what was saved stays."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # captions are written whole, and the journal completes a step that was cut off
        process.wait()


def _refusal(words: Sequence[str], status: int, log: Path) -> CurationError:
    """The two sentences that the command ended with, else where its log is."""
    said = next((number for number, line in enumerate(words) if line.startswith("Error: ")), None)
    if said is not None and said + 1 < len(words):
        return CurationError(words[said].removeprefix("Error: "), words[said + 1])
    return CurationError(
        f"The captioning ended with the status {status}.", f"What it said is in {visible(str(log))}; start it again."
    )
