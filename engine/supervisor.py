"""The worker of a run with several processes: it holds the lock, has torchrun start them, and tells how they ended.

torchrun ends its processes on any signal, 30 s later by force, in the middle of a checkpoint if need be. So it stands
in a session of its own, where no signal meant for the worker reaches it: the processes hear of a stop through the run's
folder. They hold the lock too, as their stdin, so that it stays true when only the supervisor is killed.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.box import attended
from engine.errors import EngineError
from engine.events import Event, EventFollower, EventWriter, Failed
from engine.extras import require
from engine.journal import Journal
from engine.machines import Machines, machines_of, read_accelerate_config
from engine.rundir import ENDING_STATES, RunDir

POLL_SECONDS = 0.2
JOINING_SECONDS = 600.0  # as long as torchrun waits for the other machines
LONGEST_REPORT = 65536  # bytes at the end of the log, in which torchrun tells who failed
FAILURE = re.compile(r"^ +rank +: (\d+) .*\n +exitcode +: (-?\d+) ", re.MULTILINE)


def is_shared(run: RunDir) -> bool:
    """Whether several processes work at `run`. A config that cannot be read is for the only one to complain of."""
    try:
        settings = run.config().run
    except EngineError:
        return False
    return settings.num_processes > 1 or settings.accelerate_config is not None


def supervise(run: RunDir, lock: int) -> Event:
    """Have the processes of `run` work at it to its end; returns the end's event. lock: the run's, open.

    The first of them writes events and status. Here they are followed, for what attends to the run, and only what
    nobody is left to tell is added.
    """
    Journal(run)  # says that the run is worked on
    with attended(run, _adding(run)) as tell:
        try:
            require("train", "loratui train")
            machines = machines_of(run.config().run)
            end = _followed(run, _start_torchrun(run, machines, lock), machines, tell)
        except EngineError as error:
            end = Failed(problem=error.problem, remedy=error.remedy)
            tell(end)
    return end


def _adding(run: RunDir) -> Callable[[Event], None]:
    """Writes the supervisor's own events; those with a time come out of the file."""

    def add(event: Event) -> None:
        if event.time:
            return
        if type(event) in ENDING_STATES:
            Journal(run, os.getpid())(event)
        else:
            EventWriter(run.events_file).write(event)

    return add


def await_worker(run: RunDir) -> None:
    """Return when the first machine works at `run`. Raises EngineError when it does not for JOINING_SECONDS."""
    deadline = time.monotonic() + JOINING_SECONDS
    while not (run.path / "config.toml").is_file() or run.status().state != "running":
        if time.monotonic() > deadline:
            raise EngineError(
                f"Nobody works at the run {run.path}.",
                "Start it on the first machine, with the same --name and in the same folder, which all machines share.",
            )
        time.sleep(POLL_SECONDS)


def join(run: RunDir, accelerate_config: Path) -> int:
    """On another machine than the first: have processes here work at the run; returns 0 when they left as asked."""
    machines = replace(read_accelerate_config(accelerate_config), num_processes=run.config().run.num_processes)
    return 0 if _start_torchrun(run, machines, subprocess.DEVNULL).wait() == 0 else 1


def _start_torchrun(run: RunDir, machines: Machines, lock: int) -> subprocess.Popen[bytes]:
    """With its output, and that of all it starts, to where this process writes: log.txt."""
    where = ["--standalone", "--local-addr", "127.0.0.1"]
    if machines.num_machines > 1:
        where = ["--nnodes", str(machines.num_machines), "--node-rank", str(machines.machine_rank)]
        where += ["--master-addr", str(machines.main_process_ip), "--master-port", str(machines.main_process_port)]
    threads = max(1, len(os.sched_getaffinity(0)) // machines.processes_here)
    gpus = {} if machines.gpu_ids is None else {"CUDA_VISIBLE_DEVICES": machines.gpu_ids}
    return subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "torch.distributed.run", *where),
            *("--nproc-per-node", str(machines.processes_here), "-m", "engine.rank", str(run.path)),
        ],
        stdin=lock,
        start_new_session=True,
        # PYTHONSAFEPATH: -P for the processes. Threads: each would take all cores for itself.
        env={"OMP_NUM_THREADS": str(threads), **os.environ, **gpus, "PYTHONSAFEPATH": "1"},
    )


def _followed(
    run: RunDir, torchrun: subprocess.Popen[bytes], machines: Machines, tell: Callable[[Event], None]
) -> Event:
    """The end of the run, once torchrun and all processes have left."""
    events, log_before = EventFollower(run.events_file, offset=_size(run.events_file)), _size(run.log_file)
    end: Event | None = None
    has_left = False
    while not has_left:
        time.sleep(POLL_SECONDS)
        has_left = torchrun.poll() is not None and not run.lock_holders()  # killed, it leaves its processes behind
        for event in events:
            tell(event)
            end = event if type(event) in ENDING_STATES else end
    if end is None:
        problem = what_happened(torchrun.returncode, _tail(run.log_file, log_before), machines.num_processes)
        hint = "If nobody killed it, memory ran out, and `dmesg` says so. " if "SIGKILL" in problem else ""
        go_on = f"Go on from the newest checkpoint with: loratui resume {run.address}"
        end = Failed(problem=problem, remedy=f"{hint}The whole story is in {run.log_file}. {go_on}")
        tell(end)
    return end


def what_happened(torchrun: int, report: str, num_processes: int) -> str:
    """Who was the first to end without a word, and how. torchrun: its exit code.  report: what it wrote of them."""
    if torchrun < 0:
        return f"torchrun, which held the processes of the run together, was killed ({_signal_name(torchrun)})."
    failures = [(int(code), int(rank)) for rank, code in FAILURE.findall(report)]
    if not failures:
        return f"The processes of the run ended without a word (torchrun's exit code is {torchrun})."
    # Who was killed goes before those who only lost it, and before those whom torchrun then ended by SIGTERM.
    code, rank = min(failures, key=lambda failure: (failure[0] == -signal.SIGTERM, failure))
    how = f"was killed ({_signal_name(code)})" if code < 0 else f"ended with exit code {code}"
    return f"Process {rank + 1} of {num_processes} {how}."


def _signal_name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tail(path: Path, offset: int) -> str:
    """The end of a file, of what was written behind `offset`."""
    try:
        with path.open("rb") as file:
            file.seek(max(offset, _size(path) - LONGEST_REPORT))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
