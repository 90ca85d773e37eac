"""`stop`, `pause`, `continue` and `resume`: what is asked of a run's worker, and how a run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from loratui.commands.changes import must_agree
from loratui.commands.options import Detach, Foreground, RunName, RunsDir
from loratui.commands.talk import say
from loratui.commands.watch import end, watch

if TYPE_CHECKING:
    from engine.config import Tables
    from engine.rundir import Request, RunDir

Changed = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting of the run from here on; repeatable."),
]
NumProcesses = Annotated[
    int | None,
    typer.Option("--num-processes", "--num_processes", min=1, help="Share it among so many processes from here on."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Agree to what has changed, without being asked; needed with no terminal.")
]


def stop(
    name: RunName,
    now: Annotated[
        bool, typer.Option("--now", help="No export, only a checkpoint; a worker that does not react is killed.")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Ask a run to finish its step, write a checkpoint, export what there is, and end; waits for it.

    With --now it does not export, and makes no more pictures. A worker that has not heard after half a minute, because
    it loads a model or hangs, is ended by force: what it did since its last checkpoint is lost, and said.
    """
    from engine.rundir import Status, find_run

    run = find_run(runs_dir, name)
    if run.status().state == "queued":  # there is no worker to ask
        run.write_status(Status(state="stopped"))
        end(run)
    _must_be_worked_on(run)
    if now:
        _stop_now(run)
    else:
        _ask_and_wait(run, "stop", f"Asked {run.name} to stop; waiting for its checkpoint and export.")


def pause(name: RunName, runs_dir: RunsDir = Path("runs")) -> None:
    """Ask a run to finish its step, write a checkpoint, and end, so that the GPU is free; waits for it.

    It goes on exactly there with `loratui continue`.
    """
    from engine.rundir import find_run

    run = find_run(runs_dir, name)
    _must_be_worked_on(run)
    _ask_and_wait(run, "pause", f"Asked {run.name} to pause; waiting for its checkpoint.")


def continue_(
    name: RunName,
    settings: Changed = None,
    num_processes: NumProcesses = None,
    force: Force = False,
    detach: Detach = False,
    foreground: Foreground = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Go on with a paused run from where it was.

    What has changed since, in its settings or its photos, is shown and asked about, as by `loratui resume`.
    """
    from engine.errors import EngineError
    from engine.extras import require
    from engine.rundir import find_run

    run = find_run(runs_dir, name)
    state = run.status().state
    if state != "paused":
        instead = {
            "starting": f"Watch it with: loratui attach {run.address}",
            "running": f"Watch it with: loratui attach {run.address}",
            "finished": f"Its files are in {run.output}.",
        }
        remedy = instead.get(state, f"Go on with it all the same: loratui resume {run.address}")
        raise EngineError(f"The run {run.name} is not paused but {state}.", remedy)
    require("train", "loratui continue")
    _go_on(run, _tables(settings or [], num_processes), force, detach, foreground)


def resume(
    name: RunName,
    settings: Changed = None,
    num_processes: NumProcesses = None,
    force: Force = False,
    detach: Detach = False,
    foreground: Foreground = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Go on with a run that was stopped or paused, failed or died, from its newest whole checkpoint.

    Checkpoints that are damaged are passed over, and named. What has changed since the checkpoint, in config.toml, by
    --set, or in the photos and their captions, is shown before anything is loaded. What changes nothing that is learned
    passes; the rest is asked about, and with no terminal it needs --force.

    On another number of processes a step keeps its photos: each takes more of its micro-batches, or fewer.
    """
    from engine.extras import require
    from engine.rundir import find_run

    require("train", "loratui resume")
    _go_on(find_run(runs_dir, name), _tables(settings or [], num_processes), force, detach, foreground)


def _tables(settings: list[str], num_processes: int | None) -> Tables:
    """The settings to change, by section and key."""
    from loratui.flags import parse_settings

    flags = parse_settings(settings)
    if num_processes is not None:
        flags.put("run", "num_processes", num_processes)
    return flags.tables


def _go_on(run: RunDir, settings: Tables, force: bool, detach: bool, foreground: bool) -> None:
    from engine.start import prepare_resumption, resume_run

    resumption = prepare_resumption(run, settings)
    must_agree(run, resumption, force)
    resume_run(run, resumption)
    watch(run, detach, foreground)


def _must_be_worked_on(run: RunDir) -> None:
    """Raises EngineError for a run without a worker that could be asked for something."""
    from engine.errors import EngineError
    from engine.launcher import is_worked_on

    if not is_worked_on(run):
        state = run.status().state
        raise EngineError(f"The run {run.name} is not running but {state}.", "See all runs with: loratui runs")


def _ask_and_wait(run: RunDir, request: Request, said: str) -> NoReturn:
    """Ask the worker for an end, wait for it, and exit with the run's code."""
    from engine.launcher import wait

    run.request(request)
    say(said)
    try:
        wait(run)
    except KeyboardInterrupt:
        say(f"{run.name} ends all the same; only the waiting ends here.")
        raise
    end(run)


def _stop_now(run: RunDir) -> NoReturn:
    """Have the run end at once: asked, and where that does not help, killed, which is said with what it cost."""
    from engine.launcher import HEARING_SECONDS, ask_to_stop_now, kill
    from engine.training.manifest import newest_checkpoint

    say(f"Asked {run.name} to stop now; waiting for its checkpoint.")
    if not ask_to_stop_now(run):
        say(f"It did not end, {HEARING_SECONDS:.0f} s after it was asked: ending its processes by force.")
        if kill(run):
            newest, _ = newest_checkpoint(run)
            from_where = f"its checkpoint of step {int(newest.name)}" if newest else "its beginning"
            say(f"Killed at step {run.status().step}. It can go on from {from_where}.")
    end(run)
