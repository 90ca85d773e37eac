"""sync_to: what is complete is copied off the box, through outages, and the run neither waits nor fails."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.box import box_problems, hub_upload, sync
from engine.box.destinations import parse_destination
from engine.config import compose
from engine.errors import ConfigError
from engine.events import Checkpoint, Failed, Finished, Paused
from engine.rundir import RunDir
from tests.engine.box import attend, made_run, program, started, warnings_of
from tests.run_events import events_of, step

REAL = [
    pytest.param("rsync", marks=pytest.mark.skipif(not shutil.which("rsync"), reason="needs rsync")),
    pytest.param("rclone", marks=pytest.mark.skipif(not shutil.which("rclone"), reason="needs rclone")),
]


@dataclass(frozen=True)
class StandIn:
    """A program named rsync that notes its words, fails while `down` is there and hangs while `hanging` is."""

    calls: Path
    down: Path
    hanging: Path

    @property
    def count(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    folder = tmp_path / "bin"
    files = StandIn(folder / "calls", folder / "down", folder / "hanging")
    script = f"""
echo "$@" >> {files.calls}
if [ -e {files.hanging} ]; then echo $$ > {folder}/pid; exec sleep 600; fi
if [ -e {files.down} ]; then echo "building file list" >&2; echo "ssh: connect to host nas: No route to host" >&2
exit 255; fi"""
    program(folder / "rsync", script)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(sync, "FIRST_WAIT_SECONDS", 0.05)
    return files


def target(name: str, folder: Path) -> str:
    """`folder` of this machine, as either program calls it."""
    folder.mkdir(exist_ok=True)
    if name == "rclone":
        settings = folder.parent / "rclone.conf"
        settings.write_text("[nas]\ntype = local\n")
        os.environ["RCLONE_CONFIG"] = str(settings)
    return f"rsync:{folder}" if name == "rsync" else f"rclone:nas:{folder}"


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "none.conf"))


def add_checkpoint(run: RunDir, name: str) -> Checkpoint:
    """A folder as a whole checkpoint has it, and beside it one half written."""
    folder = run.checkpoints / name
    folder.mkdir()
    (folder / "optimizer.safetensors").write_bytes(bytes(100_000))
    (run.checkpoints / ".999999.tmp").mkdir(exist_ok=True)
    (run.checkpoints / ".999999.tmp" / "optimizer.safetensors").write_bytes(b"half")
    (folder / ".1234.tmp").write_bytes(b"half")
    return Checkpoint(step=int(name), path=f"checkpoints/{name}")


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("name", REAL)
def test_what_a_resume_needs_is_copied_whole_and_nothing_else(name: str, tmp_path: Path) -> None:
    away = tmp_path / "away"
    run = made_run(tmp_path / "runs", sync_to=target(name, away))
    (run.samples / "000001-0.png").write_bytes(b"picture")
    (run.output / "cat.safetensors").write_bytes(b"lora")
    (run.class_images).mkdir()
    (run.class_images / "0000.png").write_bytes(b"made again")
    run.log_file.write_text("words")
    attend(run, started(), add_checkpoint(run, "000001"), Finished(step=100))
    assert names_in(away) == {
        *(f"cat/{name}" for name in ("config.toml", "events.jsonl", "status.json", "log.txt")),
        *("cat/checkpoints/000001/optimizer.safetensors", "cat/samples/000001-0.png", "cat/output/cat.safetensors"),
    }
    assert warnings_of(run) == []
    assert json.loads((away / "cat" / "status.json").read_text())["state"] == "finished"
    assert (away / "cat" / "events.jsonl").read_text().splitlines()[-1] == run.events_file.read_text().splitlines()[-1]


@pytest.mark.parametrize("name", REAL)
def test_what_is_deleted_here_stays_there(name: str, tmp_path: Path) -> None:
    away = tmp_path / "away"
    run = made_run(tmp_path / "runs", sync_to=target(name, away))
    attend(run, started(), add_checkpoint(run, "000001"), Paused(step=1))
    shutil.rmtree(run.checkpoints / "000001")
    attend(run, started(), add_checkpoint(run, "000002"), Finished(step=100))
    assert {path.name for path in (away / "cat" / "checkpoints").iterdir()} == {"000001", "000002"}


@pytest.mark.parametrize("name", REAL)
def test_runs_with_one_destination_keep_apart(name: str, tmp_path: Path) -> None:
    away = tmp_path / "away with spaces $(touch owned)"
    for run in ("cat", "dog"):
        attend(made_run(tmp_path / "runs", run, sync_to=target(name, away)), started(), Finished(step=100))
    assert {path.name for path in away.iterdir()} == {"cat", "dog"}
    assert "name" in (away / "dog" / "events.jsonl").read_text()


def test_copies_come_as_the_run_goes_on(tmp_path: Path, stand_in: StandIn) -> None:
    run = made_run(tmp_path / "runs", sync_to="rsync:nas:backup")
    attend(run, started(), step(1), lambda: wait_for(lambda: stand_in.count == 1), Finished(step=100))
    assert stand_in.count == 2
    words = stand_in.calls.read_text().splitlines()[0]
    assert words.endswith(f"-- {run.path}/ nas:backup/cat/") and "--delete" not in words


def test_a_copy_that_hangs_holds_nothing_up_and_all_that_comes_meanwhile_is_one_more(
    tmp_path: Path, stand_in: StandIn
) -> None:
    stand_in.hanging.touch()
    run = made_run(tmp_path / "runs", sync_to="rsync:nas:backup")

    def wait_until_it_hangs() -> None:
        wait_for(lambda: (stand_in.calls.parent / "pid").exists())

    def let_go() -> None:
        assert stand_in.count == 1, "twenty checkpoints later it still hangs"
        stand_in.hanging.unlink()
        subprocess.run(["kill", (stand_in.calls.parent / "pid").read_text().strip()], check=True)

    checkpoints = [Checkpoint(step=number, path="") for number in range(1, 21)]
    attend(run, started(), wait_until_it_hangs, *checkpoints, let_go, Finished(step=100))
    assert stand_in.count <= 4, "the one that hung, its second try, and one for all the rest"
    assert [event.type for event in events_of(run)][-1] == "finished"


def test_an_outage_is_told_once_and_so_is_its_end(tmp_path: Path, stand_in: StandIn) -> None:
    stand_in.down.touch()
    run = made_run(tmp_path / "runs", sync_to="rsync:nas:backup")

    def outlast() -> None:
        wait_for(lambda: stand_in.count >= 4)
        stand_in.down.unlink()
        wait_for(lambda: len(warnings_of(run)) == 2)

    attend(run, started(), step(1), outlast, Finished(step=100))
    assert warnings_of(run) == [
        "Copying to rsync:nas:backup failed: ssh: connect to host nas: No route to host. "
        "It is tried again; the run goes on.",
        "Copying to rsync:nas:backup works again.",
    ]


def test_tries_come_more_and_more_seldom() -> None:
    waits = sync._waits()
    assert [next(waits) for _ in range(9)] == [10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_the_last_copy_is_given_up_after_some_tries_and_the_end_stays_the_last_event(
    tmp_path: Path, stand_in: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in.down.touch()
    run = made_run(tmp_path / "runs", sync_to="rsync:nas:backup")
    attend(run, started(), lambda: wait_for(lambda: bool(warnings_of(run))), Finished(step=100))
    assert sync.LAST_TRIES < stand_in.count <= sync.LAST_TRIES + 3
    assert "The last copy to rsync:nas:backup was not made: what it lacks is on this machine only." in (
        capfd.readouterr().err
    )
    assert events_of(run)[-1].type == "finished" and len(warnings_of(run)) == 1
    assert run.status().state == "finished"


@pytest.mark.parametrize("request_", ["stop", "stop_now"])
def test_a_stop_that_is_asked_during_the_last_copy_ends_the_copying(
    request_: str, tmp_path: Path, stand_in: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in.hanging.touch()
    run = made_run(tmp_path / "runs", sync_to="rsync:nas:backup")
    run.request("stop")  # not heard any more before the end: no reason to end the copying
    asking = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys, time, pathlib\nrun = pathlib.Path(sys.argv[1])\n"
            "while 'finished' not in (run / 'status.json').read_text() or (run / 'control/stop').exists():\n"
            "    time.sleep(0.01)\n(run / 'control' / sys.argv[2]).touch()",
            *(str(run.path), request_),
        ]
    )
    try:
        attend(run, started(), Finished(step=100))
        assert asking.wait(20) == 0, "what was asked before was forgotten, and then it asked"
    finally:
        asking.kill()
    assert "was not made" in capfd.readouterr().err
    pid = (stand_in.calls.parent / "pid").read_text().strip()
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


def test_a_failed_run_is_copied_too(tmp_path: Path, stand_in: StandIn) -> None:
    run = made_run(tmp_path / "runs", sync_to="rsync:nas:backup")
    attend(run, started(), Failed(problem="It is broken.", remedy="Mend it."))
    assert stand_in.count >= 1


@pytest.mark.parametrize(
    "sync_to",
    [
        *("nas:backup", "ftp:a:b", ""),
        *("rsync:backup", "rsync:-oProxyCommand=x:backup", "rsync:", "rsync:me@-h:x", "rsync:nas:a\0b"),
        *("rclone:nas", "rclone:", "rclone::s3,secret_access_key=x:bucket", "rclone:--config=x"),
        *("hub:cats", "hub:a/b/c", "hub:me/.."),
    ],
)
def test_a_destination_of_no_known_form_is_found_before_the_run(sync_to: str) -> None:
    [problem] = box_problems(compose(flags={"run": {"sync_to": sync_to}}).config)
    assert "names no place to copy to" in str(problem) and "rsync:HOST:PATH" in str(problem)


@pytest.mark.parametrize(
    "sync_to",
    ["rsync:nas:backup", "rsync:me@nas.home:/a b", "rsync:[fe80::1]:x", "rsync:host::module/x", "rclone:drive:x"],
)
def test_a_missing_program_is_found_before_the_run(
    sync_to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [problem] = box_problems(compose(flags={"run": {"sync_to": sync_to}}).config)
    assert f"needs the program {sync_to.partition(':')[0]}" in str(problem) and "apt-get install" in str(problem)


def test_a_folder_of_this_machine_must_be_there(tmp_path: Path, stand_in: StandIn) -> None:
    for folder, count in ((tmp_path, 0), (tmp_path / "gone", 1)):
        assert len(list(box_problems(compose(flags={"run": {"sync_to": f"rsync:{folder}"}}).config))) == count


def test_the_hub_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = compose(flags={"run": {"sync_to": "hub:me/cats"}}).config
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert "no HF_TOKEN" in str(next(box_problems(settings)))
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 30)
    assert list(box_problems(settings)) == []


@given(st.text(max_size=40))
def test_whatever_is_written_is_a_place_or_refused(text: str) -> None:
    for program_name in ("rsync", "rclone", "hub", text):
        try:
            destination = parse_destination(f"{program_name}:{text}")
        except ConfigError:
            continue
        assert not destination.place.startswith("-") and "\0" not in destination.place
        assert str(destination) == f"{program_name}:{text}"


def test_a_public_repository_gets_no_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hub itself is not asked here: what stands in for it is its client's own class."""
    import huggingface_hub

    asked: list[str] = []

    class Repository:
        private = False

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", lambda *_args, **kept: asked.append(f"create {kept}"))
    monkeypatch.setattr(huggingface_hub.HfApi, "repo_info", lambda *_args, **_kept: Repository())
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", lambda *_args, **kept: asked.append("upload"))
    assert hub_upload.main(["runs/cat", "me/cats"]) == 1
    assert asked == ["create {'private': True, 'exist_ok': True}"] and "is public" in capsys.readouterr().err
    Repository.private = True
    assert hub_upload.main(["runs/cat", "me/cats"]) == 0
    assert asked[-1] == "upload"


@pytest.mark.slow
def test_a_hub_that_is_not_reached_is_a_failed_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(sync, "LAST_TRIES", 1)
    for name, value in (("HF_ENDPOINT", "http://127.0.0.1:1"), ("HF_TOKEN", "hf_" + "AbCdEfGh12" * 3)):
        monkeypatch.setenv(name, value)
    run = made_run(tmp_path / "runs", sync_to="hub:me/cats")
    attend(run, started(), lambda: wait_for(lambda: bool(warnings_of(run))), Finished(step=1))
    [warning] = warnings_of(run)
    assert "Copying to hub:me/cats failed: ConnectError" in warning and "AbCdEfGh12" not in warning
