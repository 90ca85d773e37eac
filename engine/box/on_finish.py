"""The user's last word to the box, most often to switch it off, once a run is over and all of it is on disk."""

import shlex
import subprocess
import sys

from engine.box.programs import told_to_programs
from engine.errors import ConfigError
from engine.events import Event, Failed
from engine.rundir import ENDING_STATES, RunDir


def start_on_finish(run: RunDir, end: Event) -> None:
    """Start the run's `on_finish`, if it has one, and leave it alone: it may outlive this process, and the machine.

    The very last thing of a worker, when it has let go of the lock.  A paused run is not over: it is to go on.
    Nothing is raised; what does not start is told on stderr.
    """
    state = ENDING_STATES[type(end)]
    if state == "paused":
        return
    try:
        command = run.config().run.on_finish
    except ConfigError:  # it is what the run failed of, and said
        return
    if command is None:
        return
    message = f"{end.problem} {end.remedy}" if isinstance(end, Failed) else f"{run.name} {state}."
    try:
        subprocess.Popen(
            shlex.split(command),
            env=told_to_programs(run, end.type, state, run.status().step, message),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        sys.stderr.write(f"on_finish does not start: {getattr(error, 'strerror', None) or error}.\n")
