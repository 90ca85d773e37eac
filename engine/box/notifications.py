"""A word to the user who is elsewhere: at the pivot, and when the run has finished or failed."""

import shlex
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from urllib.parse import urlsplit

from engine.box.programs import run_program, told_to_programs
from engine.errors import ConfigError
from engine.events import Event, Failed, Finished, Pivot, Started, Step
from engine.rundir import RunDir, State
from engine.settings import RunSection

COMMAND_SECONDS = 30.0
# For all that is still to be told when the run is over: a server may send its answer byte by byte.
LAST_SECONDS = 120.0
LONGEST_MESSAGE = 1500  # Discord takes 2000 characters


class Notifications:
    """A listener that tells of some events by command and by webhook, one after another, from a thread of its own.

    warn: takes a sentence when that did not work.
    """

    def __init__(self, run: RunDir, settings: RunSection, warn: Callable[[str], None]) -> None:
        self._run, self._settings, self._warn = run, settings, warn
        self._step = run.status().step
        self._news: SimpleQueue[tuple[Event, int] | None] = SimpleQueue()
        self._thread = Thread(target=self._tell_news, name="notifications", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Note what is to be told, and where the run was."""
        if isinstance(event, Started | Step | Pivot | Finished):
            self._step = event.step
        if isinstance(event, Pivot | Finished | Failed):
            self._news.put((event, self._step))

    def finish(self) -> None:
        """Wait, at most LAST_SECONDS, until all is told."""
        self._news.put(None)
        self._thread.join(LAST_SECONDS)
        if self._thread.is_alive():
            self._warn("The notifications took too long and were given up.")

    def _tell_news(self) -> None:
        while news := self._news.get():
            event, step = news
            state: State = "finished" if isinstance(event, Finished) else "failed"
            state = "running" if isinstance(event, Pivot) else state
            told = told_to_programs(self._run, event.type, state, step, _message(self._run.name, event, step))
            command, url = self._settings.notify_command, self._settings.notify_webhook
            if command and (flaw := _run_command(command, told)):
                self._warn(f"notify_command did not work: {flaw}.")
            if url and (flaw := _post(url, told)):
                self._warn(f"notify_webhook did not work: {flaw}.")


def webhook_problem(url: str) -> ConfigError | None:
    """Why nothing can be posted to `url`, which is not repeated: whoever has it may post there too."""
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and parts.username is None
    except ValueError:  # its port is no number
        is_web = False
    if is_web and url.isascii() and url.isprintable() and " " not in url:
        return None
    return ConfigError(
        "notify_webhook is no address that can be posted to.",
        "Write one that begins with https:// or http://, without a name and a password before its host.",
    )


def _message(name: str, event: Event, step: int) -> str:
    match event:
        case Failed():
            text = f"{name} failed at step {step}. {event.problem} {event.remedy}"
        case Finished():
            text = f"{name} finished at step {event.step}: its files are exported and verified."
        case _:
            text = f"{name} passed the pivot at step {step}: the text side no longer trains."
    return text[:LONGEST_MESSAGE]


def _run_command(command: str, told: dict[str, str]) -> str | None:
    """Run it; returns what went wrong, as a clause."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        return str(error)
    outcome = run_program(words, COMMAND_SECONDS, told)
    return None if outcome.code == 0 else outcome.said


def _post(url: str, told: dict[str, str]) -> str | None:
    """Post it; returns what went wrong, as a clause."""
    from engine.box.webhook import post  # 40 ms: urllib.request

    return post(url, told)
