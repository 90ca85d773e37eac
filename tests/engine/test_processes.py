"""Two processes that share a run: what one would have learned, told by one of them, and an end to every fault."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine import launcher
from engine.config import TrainConfig, compose, save_config
from engine.errors import ConfigError
from engine.events import Event, Failed, Pivot, Started, Step, Stopped, Verified
from engine.plan import effective_batch, resolve, with_processes
from engine.rundir import RunDir, Status, create_run
from engine.start import prepare_resumption
from engine.supervisor import what_happened
from tests.run_events import events_of, wait_until

STEPS, PIVOT = 6, 3
LONG = 2000  # steps of a run that is not to end by itself
GIVE_UP_SECONDS = 300.0
WITHIN = 1e-5
Create = Callable[..., RunDir]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Runs are equal to the bit at an equal number of threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


def config(photos: Path, model: Path, processes: int, **run: Any) -> TrainConfig:
    """Four micro-batches a step, shared by so many processes, with dropout, class images and a pivot."""
    flags: dict[str, Mapping[str, Any]] = {
        "data": {"instance_data_dir": str(photos), "resolution": 64, "random_flip": True},
        "concept": {"instance_prompt": "a photo of TOK"},
        "model": {"pretrained_model_name_or_path": str(model)},
        "lora": {"rank": 4, "lora_dropout": 0.1},
        "prior": {
            "with_prior_preservation": True,
            "class_prompt": "a photo",
            "class_data_dir": str(photos),
            "num_class_images": 3,
        },
        "run": {
            "max_train_steps": STEPS,
            "gradient_accumulation_steps": 4,
            "checkpointing_steps": 2,
            "checkpoints_total_limit": None,
            **run,
        },
        "sample": {"num_validation_images": 0},
    }
    return with_processes(resolve(compose(flags=flags).config), processes)


@pytest.fixture(scope="module")
def create(sample_photos: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Create:
    folder = tmp_path_factory.mktemp("shared") / "runs"

    def create(name: str, processes: int, **run: Any) -> RunDir:
        return create_run(folder, name, config(sample_photos, tiny_model, processes, **run))

    return create


def finished(run: RunDir) -> RunDir:
    launcher.launch(run)
    status = launcher.wait(run)
    assert status.state == "finished", f"{status.message}\n{run.log_file.read_text()}"
    return run


@pytest.fixture(scope="module")
def alone(create: Create) -> RunDir:
    return finished(create("alone", processes=1))


@pytest.fixture(scope="module")
def pair(create: Create) -> RunDir:
    return finished(create("pair", processes=2))


def resumed(run: RunDir, step: int, processes: int) -> RunDir:
    """A copy of the run, gone on with from its checkpoint of `step` on so many processes."""
    copy = RunDir(run.path.with_name(f"{run.name}-from-{step}-on-{processes}"))
    shutil.copytree(run.path, copy.path)
    for folder in copy.checkpoints.iterdir():
        if int(folder.name) > step:
            shutil.rmtree(folder)
    shutil.rmtree(copy.output)
    copy.output.mkdir()
    copy.events_file.unlink()
    save_config(with_processes(copy.config(), processes), copy.config_file)
    copy.write_status(Status(state="stopped", step=step))
    return finished(copy)


def learned(run: RunDir) -> dict[int, tuple[float, ...]]:
    """Loss, prior loss and gradient norm of each step."""
    steps = [event for event in events_of(run) if isinstance(event, Step)]
    return {step.step: (step.loss, step.prior_loss or 0.0, step.grad_norm) for step in steps}


def tensors_of(run: RunDir) -> bytes:
    return (run.output / "pytorch_lora_weights.safetensors").read_bytes()


@pytest.mark.slow
def test_two_processes_learn_what_one_does(alone: RunDir, pair: RunDir) -> None:
    one, two = learned(alone), learned(pair)
    assert one.keys() == two.keys() == set(range(1, STEPS + 1))
    for step, numbers in one.items():
        assert two[step] == pytest.approx(numbers, abs=WITHIN), f"at step {step}"


@pytest.mark.slow
def test_only_the_first_process_tells_and_writes(alone: RunDir, pair: RunDir) -> None:
    told_by_one, told_by_two = ([event.type for event in events_of(run)] for run in (alone, pair))
    assert told_by_two == told_by_one
    assert [event.step for event in events_of(pair) if isinstance(event, Pivot)] == [PIVOT]
    [started] = [event for event in events_of(pair) if isinstance(event, Started)]
    assert started.device == "2 x CPU"
    assert {path.relative_to(pair.path) for path in pair.path.rglob("*")} == {
        path.relative_to(alone.path).parent / path.name.replace(alone.name, pair.name) for path in alone.path.rglob("*")
    }
    assert "Traceback" not in pair.log_file.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 4], ids=["before the pivot", "after it"])
def test_a_checkpoint_of_two_goes_on_with_one_and_the_reverse(alone: RunDir, pair: RunDir, step: int) -> None:
    first, processes = (pair, 1) if step < PIVOT else (alone, 2)
    for number, numbers in learned(resumed(first, step, processes)).items():
        assert number > step
        assert numbers == pytest.approx(learned(first)[number], abs=WITHIN), f"at step {number}"


@pytest.mark.slow
def test_two_processes_go_on_to_the_bit(pair: RunDir) -> None:
    assert tensors_of(resumed(pair, 2, processes=2)) == tensors_of(pair)


def on_a_machine(path: Path, rank: int, port: int) -> str:
    """A file as `accelerate config` writes it, for the machine of that rank, of two with a process each."""
    settings = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_CPU",
        "machine_rank": rank,
        "main_process_ip": "127.0.0.1",
        "main_process_port": port,
        "num_machines": 2,
        "num_processes": 2,
        "use_cpu": True,
    }
    path.write_text(yaml.safe_dump(settings))
    return str(path)


@pytest.mark.slow
def test_two_machines_learn_what_one_does(alone: RunDir, create: Create, tmp_path: Path) -> None:
    """Both are this one: the second is told where the first is reached, and where its runs are."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = create("machines", processes=2, accelerate_config=on_a_machine(tmp_path / "first.yaml", 0, port))
    second = subprocess.Popen(
        [
            *(sys.executable, "-m", "loratui", "train", "--name", run.name, "--runs-dir", run.path.parent),
            *("--accelerate_config", on_a_machine(tmp_path / "second.yaml", 1, port)),
        ],
        stdin=subprocess.DEVNULL,
    )
    finished(run)
    assert second.wait(GIVE_UP_SECONDS) == 0
    for step, numbers in learned(alone).items():
        assert learned(run)[step] == pytest.approx(numbers, abs=WITHIN), f"at step {step}"


@pytest.mark.slow
def test_another_process_than_the_first_changes_no_file_and_its_bad_end_does_not_stop_the_run(
    create: Create, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each lets go of the others before it exits, for torch may abort one that does not."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, os, sys\n"
        "changing = {'os.mkdir', 'os.rename', 'os.remove', 'os.rmdir', 'os.chmod', 'shutil.rmtree'}\n"
        "here = os.path.dirname(__file__)\n"
        "def say(*words):\n"
        "    with open(f'{here}/said', 'a') as file:\n"
        "        print(*words, file=file)\n"
        "def watch(event, arguments):\n"
        "    writes = event in changing or event == 'open' and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)\n"
        "    if writes and str(arguments[0]).startswith(os.environ['RUNS']):\n"
        "        say('changed', arguments[0])\n"
        "def end_badly():\n"
        "    say('joined:', sys.modules['torch'].distributed.is_initialized())\n"
        "    os._exit(3)\n"
        "if os.environ.get('RANK') == '1':\n"
        "    sys.addaudithook(watch)\n"
        "    atexit.register(end_badly)\n"
    )
    run = create("stumbled", processes=2)
    half_written = run.checkpoints / ".000002.tmp"
    half_written.mkdir()  # by an earlier worker
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("RUNS", str(run.path.parent))
    finished(run)
    assert (tmp_path / "said").read_text() == "joined: False\n"
    assert "exitcode  : 3" in run.log_file.read_text(), "torchrun took it for a failure"
    assert not half_written.exists()
    assert not any(run.control.iterdir()), "torchrun ends the others of one that failed by SIGTERM"


def has_stepped(events: list[Event]) -> bool:
    last_start = max((place for place, event in enumerate(events) if isinstance(event, Started)), default=len(events))
    return any(isinstance(event, Step) for event in events[last_start:])


def process_of_rank(run: RunDir, rank: int) -> int:
    """The one to which torchrun gave that rank."""
    [pid] = [
        pid
        for pid in run.lock_holders()
        if f"RANK={rank}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    ]
    return pid


@pytest.mark.slow
def test_a_killed_process_fails_the_run_within_a_minute_and_nothing_is_left_running(
    create: Create, tmp_path: Path
) -> None:
    last_word = tmp_path / "on_finish_ran"
    run = create("killed", processes=2, max_train_steps=LONG, on_finish=f"touch {last_word}")
    launcher.launch(run)
    wait_until(run, has_stepped)
    began = time.monotonic()
    os.kill(process_of_rank(run, 1), signal.SIGKILL)
    status = launcher.wait(run)
    assert time.monotonic() - began < 60
    assert (status.state, launcher.exit_code(status)) == ("failed", 1)
    assert status.message.startswith("Process 2 of 2 was killed (SIGKILL).")
    assert isinstance(events_of(run)[-1], Failed)
    assert run.lock_holders() == []
    assert not any(run.control.iterdir()), "torchrun ended the other one by SIGTERM, which is nobody's request"
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not last_word.exists():
        assert time.monotonic() < deadline, "on_finish never ran"
        time.sleep(0.05)


def test_who_was_killed_is_told_and_not_whom_torchrun_ended_for_it() -> None:
    report = """
Failures:
[1]:
  time      : 2026-11-23_21:25:00
  host      : localhost
  rank      : 1 (local_rank: 1)
  exitcode  : -15 (pid: 14182)  (SIGTERM)
Root Cause (first observed failure):
[0]:
  time      : 2026-11-23_21:25:00
  host      : localhost
  rank      : 0 (local_rank: 0)
  exitcode  : {} (pid: 14181)
"""
    assert what_happened(1, report.format(-9), 2) == "Process 1 of 2 was killed (SIGKILL)."
    assert what_happened(1, report.format(1), 2) == "Process 1 of 2 ended with exit code 1."
    assert what_happened(1, report.format(-15), 2) == "Process 1 of 2 was killed (SIGTERM)."


@pytest.mark.slow
def test_what_another_process_fails_of_is_told_by_the_first_one(
    create: Create, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def refuse(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('cat.png'):\n"
        "        raise PermissionError(13, 'Permission denied', str(arguments[0]))\n"
        "if os.environ.get('RANK') == '1':\n"
        "    sys.addaudithook(refuse)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = create("refused", processes=2)
    launcher.launch(run)
    status = launcher.wait(run)
    assert status.state == "failed"
    assert "cat.png" in status.message and "Permission denied" in status.message
    assert [type(event) for event in events_of(run)].count(Failed) == 1
    assert run.lock_holders() == []


@pytest.mark.slow
def test_without_their_supervisor_they_save_and_leave_and_the_run_goes_on_later(create: Create) -> None:
    run = create("abandoned", processes=2, max_train_steps=LONG, checkpointing_steps=LONG)
    supervisor = launcher.launch(run)
    wait_until(run, has_stepped)
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)
    assert run.is_alive(), "its processes hold the lock"
    assert run.status().state == "running"
    status = launcher.wait(run)
    assert status.state == "failed"
    assert "was killed" in status.message and f"from step {status.step}" in status.message
    assert (run.checkpoints / f"{status.step:06d}" / "manifest.json").is_file()

    supervisor = launcher.launch(run)
    wait_until(run, lambda events: len([event for event in events if isinstance(event, Started)]) == 2)
    wait_until(run, has_stepped)
    assert [event.step for event in events_of(run) if isinstance(event, Started)] == [0, status.step]
    os.kill(supervisor, signal.SIGHUP)
    os.kill(supervisor, signal.SIGTERM)
    stopped = launcher.wait(run)
    assert (stopped.state, stopped.pid) == ("stopped", supervisor)
    *_, verified, end = events_of(run)
    assert isinstance(verified, Verified) and verified.ok
    assert isinstance(end, Stopped) and end.step == stopped.step > status.step
    assert (run.checkpoints / f"{end.step:06d}" / "manifest.json").is_file()


@pytest.mark.parametrize(("processes", "each"), [(1, 4), (2, 2), (4, 1)])
def test_another_number_of_processes_leaves_a_step_its_photos(photos: Path, processes: int, each: int) -> None:
    before = config(photos, photos, 2)
    after = with_processes(before, processes)
    assert (after.run.num_processes, after.run.gradient_accumulation_steps) == (processes, each)
    assert effective_batch(after.run) == effective_batch(before.run)


@pytest.mark.parametrize(
    ("settings", "accumulated"),
    [({"num_processes": 2}, 2), ({"num_processes": 2, "gradient_accumulation_steps": 3}, 3), ({"seed": 1}, 4)],
)
def test_a_run_that_goes_on_keeps_the_photos_of_its_steps(
    photos: Path, tmp_path: Path, settings: Mapping[str, int], accumulated: int
) -> None:
    run = create_run(tmp_path / "runs", "one", config(photos, photos, 1))
    after = prepare_resumption(run, {"run": dict(settings)}).config.run
    assert (after.num_processes, after.gradient_accumulation_steps) == (settings.get("num_processes", 1), accumulated)


def test_a_number_that_cannot_share_a_step_is_refused_with_those_that_can(photos: Path) -> None:
    with pytest.raises(ConfigError, match="4 micro-batches, which 3 processes cannot share") as caught:
        with_processes(config(photos, photos, 1), 3)
    assert caught.value.remedy == "Set num_processes to one of: 1, 2, 4."
