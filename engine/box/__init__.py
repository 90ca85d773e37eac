"""What watches over a run on a rented box: its hours and cost, copies of it elsewhere, word to the user, and the end.

Nothing here can fail a run or hold it up: a listener looks at an event for microseconds, and works in its own thread.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import RLock

from engine.box.destinations import destination_problem, parse_destination
from engine.box.limits import Watch, limit_of
from engine.box.notifications import Notifications, webhook_problem
from engine.box.on_finish import start_on_finish
from engine.box.programs import command_problem
from engine.box.sync import Sync
from engine.config import TrainConfig
from engine.errors import ConfigError, EngineError
from engine.events import Event, Warned
from engine.rundir import ENDING_STATES, RunDir

__all__ = ["attended", "box_problems", "start_on_finish"]

Emit = Callable[[Event], None]


class Emitter:
    """Hands each event to `journal` first and then to the listeners, one event at a time whatever thread it is from."""

    def __init__(self, journal: Emit) -> None:
        self._journal, self._listeners = journal, list[Emit]()
        self._lock = RLock()  # a listener may have something to tell
        self._has_ended = False

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._journal(event)
            self._has_ended |= type(event) in ENDING_STATES
            for listener in self._listeners:
                listener(event)

    def join(self, *listeners: Emit) -> None:
        """Have `listeners` see the events from now on."""
        self._listeners += listeners

    def warn(self, message: str) -> None:
        """Tell it as an event, or in the log once the run's end is told, which stays the last event."""
        with self._lock:
            if self._has_ended:
                sys.stderr.write(f"{message}\n")
            else:
                self(Warned(message=message))


@contextmanager
def attended(run: RunDir, journal: Emit) -> Iterator[Emit]:
    """`journal`, joined by what the run's config asks for; on leaving, the last copy and the last word are waited for.

    The end event goes through it too, so that the copy holds it.  A config that cannot be read asks for nothing.
    """
    emitter = Emitter(journal)
    try:
        config = run.config()
    except ConfigError:  # the recipe says so
        yield emitter
        return
    settings = config.run
    for problem in box_problems(config):  # none at the start, but since then the run may have moved
        emitter.warn(str(problem))
    sync = None
    if settings.sync_to:
        with suppress(ConfigError):
            sync = Sync(run, parse_destination(settings.sync_to), emitter.warn)
    tells = settings.notify_command or settings.notify_webhook
    notifications = Notifications(run, settings, emitter.warn) if tells else None
    limit = limit_of(settings)
    watch = Watch(run, limit, settings.max_train_steps, emitter.warn) if limit else None
    emitter.join(*filter(None, (watch, notifications, sync)))
    try:
        yield emitter
    finally:
        if sync:
            sync.drain()
        if notifications:
            notifications.finish()


def box_problems(config: TrainConfig) -> Iterator[EngineError]:
    """What keeps the box's settings from being acted upon, as far as this machine can tell without asking another."""
    run = config.run
    for setting, command in (("on_finish", run.on_finish), ("notify_command", run.notify_command)):
        if command is not None and (problem := command_problem(setting, command)):
            yield problem
    if run.notify_webhook is not None and (problem := webhook_problem(run.notify_webhook)):
        yield problem
    if run.sync_to is not None and (problem := destination_problem(run.sync_to)):
        yield problem
