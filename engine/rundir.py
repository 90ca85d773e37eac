"""A run is a folder: its paths, its lock, its state."""

import dataclasses
import fcntl
import json
import os
import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter

from curation.atomic import write_text
from engine.config import TrainConfig, load_frozen, save_config
from engine.errors import EngineError
from engine.events import Event, Failed, Finished, Paused, Stopped, latest_events

State = Literal["queued", "starting", "running", "paused", "stopped", "finished", "failed", "died"]
Request = Literal["stop_now", "stop", "pause", "checkpoint", "sample"]
Ending = Literal["finished", "stopped", "stopped_now", "paused"]
ENDING_STATES: dict[type[Event], State] = {
    Finished: "finished",
    Stopped: "stopped",
    Paused: "paused",
    Failed: "failed",
}

# A worker that has not taken the lock by then is not coming: importing torch from a cold network disk takes a minute.
STARTING_SECONDS = 180.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# In a folder of several files, diffusers takes the one of this name for the LoRA; NAME.safetensors lies beside it.
RESERVED_NAME = "pytorch_lora_weights"
LORA_FILE = f"{RESERVED_NAME}.safetensors"


# What is counted with must be a number that can be, also where a file was edited by hand.
Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, lt=1e12)]


@dataclass(frozen=True)
class Status:
    """The last known state of a run. started, updated: seconds since the epoch. message: the cause of an end.

    worked: seconds that all its workers together have been at it.
    """

    state: State = "queued"
    pid: int | None = None
    step: Count = 0
    total_steps: Count = 0
    loss: Annotated[float, Field(allow_inf_nan=False)] | None = None
    started: Seconds | None = None
    updated: Seconds = 0.0
    worked: Seconds = 0.0
    message: str = ""


DIED_AT_WORK = (
    "Its process was killed, or the machine went down or ran out of memory. "
    "Go on from the last checkpoint with `loratui resume`."
)
DIED_BEFORE_WORK = (
    "Its process ended before it began to work: killed, or with an error that its log tells. "
    "Start it again with `loratui resume`."
)
STORED_STATUS = TypeAdapter(Status)
UNREADABLE = Status(state="died", message="Its status.json is missing or damaged.")


class RunDir:
    """The paths of a run and what may be asked of its folder; holds no state of its own."""

    def __init__(self, path: Path) -> None:
        named = path.absolute()
        # A link to a run on another disk is called by its own name.
        self.path = named.resolve() if named.name == ".." else named.parent.resolve() / named.name

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def address(self) -> str:
        """What to call the run on a command line: its name where commands look for runs by default, else its path."""
        looked_at = Path(os.environ.get("LORATUI_RUNS", "runs")).resolve()
        return shlex.quote(self.name if self.path.parent == looked_at else str(self.path))

    @property
    def config_file(self) -> Path:
        return self.path / "config.toml"

    @property
    def events_file(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def summary_file(self) -> Path:
        return self.path / "summary.json"

    @property
    def log_file(self) -> Path:
        return self.path / "log.txt"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def class_images(self) -> Path:
        return self.path / "class_images"

    @property
    def output(self) -> Path:
        return self.path / "output"

    @property
    def control(self) -> Path:
        return self.path / "control"

    def config(self) -> TrainConfig:
        """The frozen config. Raises ConfigError."""
        return load_frozen(self.config_file)

    def write_status(self, status: Status) -> None:
        """Replace status.json, stamped with the time now."""
        stamped = dataclasses.replace(status, updated=time.time())
        write_text(self.path / "status.json", json.dumps(dataclasses.asdict(stamped)) + "\n")

    def status(self) -> Status:
        """The run's true state: what status.json says, put right by the lock and by the last event."""
        stored, is_alive = self._stored_status(), self.is_alive()
        # A worker may come or go between the two; it holds the lock from before its first word to after its last.
        while not is_alive and stored != (again := self._stored_status()):
            stored, is_alive = again, self.is_alive()
        if is_alive:
            if stored is UNREADABLE:
                return Status(state="running")
            was_launched = stored.state in ("queued", "starting")
            return dataclasses.replace(stored, state="running") if was_launched else stored
        if stored.state == "running" or stored is UNREADABLE:
            return self._end_in_events(stored) or dataclasses.replace(
                stored, state="died", message=stored.message or DIED_AT_WORK
            )
        if stored.state == "starting":
            return self._end_in_events(stored) or self._awaited(stored)
        return stored

    def _awaited(self, stored: Status) -> Status:
        """A worker that was launched: awaited, or by now given up."""
        # In either direction, for a clock may have been set back since.
        if abs(time.time() - stored.updated) <= STARTING_SECONDS:
            return stored
        return dataclasses.replace(stored, state="died", message=DIED_BEFORE_WORK)

    def _end_in_events(self, stored: Status) -> Status | None:
        """The end that the worker of `stored` told in events.jsonl and not in status.json, which it could not write.

        It was killed between the two, or the disk was full.
        """
        event = next(latest_events(self.events_file), None)
        if event is None or event.time < stored.updated:  # an earlier worker's
            return None
        if (state := ENDING_STATES.get(type(event))) is None:
            return None
        message = f"{event.problem} {event.remedy}" if isinstance(event, Failed) else ""
        step = event.step if isinstance(event, Finished | Stopped | Paused) else stored.step
        return dataclasses.replace(stored, state=state, step=step, message=message)

    def _stored_status(self) -> Status:
        try:
            return STORED_STATUS.validate_python(json.loads((self.path / "status.json").read_text("utf-8")))
        except (OSError, ValueError):
            return UNREADABLE

    def is_alive(self) -> bool:
        """Whether a worker holds the run's lock: asked of the kernel, never of a stored pid."""
        try:
            descriptor = os.open(self.path / "run.lock", os.O_RDONLY)
        except OSError:  # not there yet, or another user's
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def lock_holders(self) -> list[int]:
        """The other processes that hold the run's lock: its worker, torchrun and all that it started.

        Known by the lock's file, which they have open to write: viewers open it to read.  Empty where that cannot be
        told: no worker, one on another machine or another user's, or a system without /proc.
        """
        try:
            lock = (self.path / "run.lock").stat()
            others = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
        except OSError:
            return []
        return [pid for pid in others if pid != os.getpid() and _has_open_to_write(pid, lock)]

    @contextmanager
    def lock(self) -> Iterator[int]:
        """Hold the run's lock, as long as anybody has its descriptor open. Raises EngineError when another holds it."""
        descriptor = os.open(self.path / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _flock_or_give_up(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            raise EngineError(
                f"The run {self.name} is already being worked on.", f"Watch it with: loratui attach {self.address}"
            ) from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def request(self, what: Request) -> None:
        """Ask the worker for something; it looks after each step."""
        write_text(self.control / what, "")

    def is_requested(self, what: Request) -> bool:
        """Whether `what` was asked for and the worker has not heard it yet."""
        return (self.control / what).is_file()  # a folder of that name is no request

    def take_request(self, what: Request) -> bool:
        """Whether `what` was asked for; the asking is then used up."""
        if not self.is_requested(what):
            return False
        try:
            (self.control / what).unlink()
        except OSError:  # taken meanwhile, or it could never be used up
            return False
        return True

    def asked_to_end(self) -> Ending | None:
        """How the run was asked to end since the last look, if it was; the most urgent request first."""
        if self.take_request("stop_now"):
            return "stopped_now"
        if self.take_request("stop"):
            return "stopped"
        return "paused" if self.take_request("pause") else None

    def clear_requests(self) -> None:
        """Forget what was asked of an earlier worker."""
        for what in get_args(Request):
            self.take_request(what)


def _has_open_to_write(pid: int, file: os.stat_result) -> bool:
    with suppress(OSError):  # gone meanwhile, or another user's
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                if os.path.samestat(descriptor.stat(), file):
                    flags = re.search(r"flags:\s*(\d+)", Path(f"/proc/{pid}/fdinfo/{descriptor.name}").read_text())
                    if flags and int(flags[1], 8) & os.O_ACCMODE == os.O_RDWR:
                        return True
    return False


def _flock_or_give_up(descriptor: int) -> None:
    """Take the lock, riding out viewers, who hold it shared for microseconds when they ask for liveness."""
    deadline = time.monotonic() + 2.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def name_problem(runs_dir: Path, name: str) -> EngineError | None:
    """Why `name` cannot be a new run's in `runs_dir`: it is taken, or cannot be a file name."""
    if not NAME.fullmatch(name) or name == RESERVED_NAME:
        return EngineError(
            f"'{name}' cannot be a run's name.",
            f"Use letters, digits, '.', '_' and '-', starting with a letter or digit, but not {RESERVED_NAME}.",
        )
    path = runs_dir / name
    if not path.exists():
        return None
    run = RunDir(path)
    verb = "watch it with: loratui attach" if run.is_alive() else "continue it with: loratui resume"
    instead = "" if run.status().state == "finished" else f", or {verb} {run.address}"
    return EngineError(f"There is already a run {path}.", f"Choose another --name{instead or '.'}")


def create_run(runs_dir: Path, name: str, config: TrainConfig) -> RunDir:
    """Make the folder of a new run, for its owner only, with its frozen config. Raises EngineError where it cannot."""
    if problem := name_problem(runs_dir, name):
        raise problem
    path = runs_dir / name
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
    except OSError as error:
        raise EngineError(
            f"The run folder {path} cannot be made: {error.strerror}.", "Choose another place with --runs-dir."
        ) from None
    run = RunDir(path)
    for folder in (run.checkpoints, run.samples, run.output, run.control):
        folder.mkdir(mode=0o700)
    save_config(config, run.config_file)
    run.write_status(Status(state="queued"))
    return run


def free_name(runs_dir: Path, stem: str) -> str:
    """`stem`, made fit to be a run's name, with a number behind it when it is taken."""
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._") or "run"
    taken = {RESERVED_NAME, *(path.name for path in (runs_dir.iterdir() if runs_dir.is_dir() else ()))}
    number = 2
    name = base
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def find_run(runs_dir: Path, name_or_path: str) -> RunDir:
    """The run of that name in `runs_dir`, or at that path. Raises EngineError when there is none."""
    for path in (runs_dir / name_or_path, Path(name_or_path)):
        if (path / "config.toml").is_file():
            return RunDir(path)
    names = ", ".join(run.name for run in list_runs(runs_dir))
    there = f"The runs in {runs_dir} are: {names}." if names else f"There are no runs in {runs_dir} yet."
    raise EngineError(f"There is no run {name_or_path!r}.", there)


def list_runs(runs_dir: Path) -> list[RunDir]:
    """The runs in `runs_dir`, by name."""
    if not runs_dir.is_dir():
        return []
    folders = (path for path in sorted(runs_dir.iterdir()) if not path.name.startswith("."))
    return [RunDir(path) for path in folders if os.access(path / "config.toml", os.R_OK)]
