"""notify_command and notify_webhook: word of the pivot and of the end, of which none costs the run anything."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.box import box_problems, notifications, webhook
from engine.config import compose
from engine.events import Event, Failed, Finished, Pivot, Stopped
from engine.rundir import RunDir
from tests.engine.box import attend, made_run, program, started, warnings_of
from tests.run_events import events_of, step

SECRET = "T0AbCdEfGhIjKlMn"
FAILED = Failed(problem="cat<!channel>.png is gone.", remedy="Put it back; https://me:hunter2hunter2@host/ knows it.")


class Hook(ThreadingHTTPServer):
    """A web server that keeps what was posted, and answers what the test says.

    answers: one status code for each post, the last for all others; None is no answer while the test lasts.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Posts)
        self.posts: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.answers: list[int | None] = [200]
        self.location = ""
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/{SECRET}"


class Posts(BaseHTTPRequestHandler):
    server: Hook  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/json"
        self.server.posts.append(json.loads(body))
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.paths.append(f"{self.command} {self.path}")
        answer = self.server.answers[0] if len(self.server.answers) == 1 else self.server.answers.pop(0)
        if answer is None:
            self.server.is_over.wait(60)
            return
        self.send_response(answer)
        self.send_header("Location", self.server.location)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The test says what it wants to."""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setattr(webhook, "WAIT_SECONDS", 0.01)
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.is_over.set()
        server.shutdown()
        thread.join()


def run_to(run: RunDir, end: Event, before: Callable[[], None] = lambda: None) -> None:
    attend(run, started(), step(49), Pivot(step=50), step(51), before, end)


def noting(folder: Path) -> tuple[str, Path]:
    """A command that appends its words and variables to a file, a line for each time, and that file."""
    said = folder / "said"
    variables = " ".join(f"$LORATUI_{name}" for name in ("EVENT", "RUN", "STATE", "STEP", "FOLDER", "MESSAGE"))
    return str(program(folder / "bin" / "note", f'echo "$@" "{variables}" >> {said}')), said


def all_of(run: RunDir, *told: str) -> str:
    """All that the run has written and said, but for its config, which is the user's own."""
    files = (path for path in run.path.rglob("*") if path.is_file() and path != run.config_file)
    return "".join([*told, *(path.read_text() for path in files)])


def test_a_command_is_told_of_pivot_and_end_without_a_shell(tmp_path: Path) -> None:
    command, said = noting(tmp_path)
    run = made_run(tmp_path / "runs", notify_command=f"{command} '$(touch owned)' $HOME")
    run_to(run, Finished(step=100))
    [pivot, end] = said.read_text().splitlines()
    words = "$(touch owned) $HOME"
    assert pivot.startswith(f"{words} pivot cat running 50 {run.path} cat passed the pivot at step 50")
    assert end.startswith(f"{words} finished cat finished 100 {run.path} cat finished at step 100")
    assert warnings_of(run) == []


def test_a_failure_is_told_in_its_two_sentences_without_secrets(tmp_path: Path) -> None:
    command, said = noting(tmp_path)
    run_to(made_run(tmp_path / "runs", notify_command=command), FAILED)
    line = said.read_text().splitlines()[-1]
    assert "failed cat failed 51" in line and "cat<!channel>.png is gone. Put it back" in line
    assert "hunter2" not in line


def test_a_stop_is_not_told_for_whoever_asked_knows_it(tmp_path: Path) -> None:
    command, said = noting(tmp_path)
    run_to(made_run(tmp_path / "runs", notify_command=command), Stopped(step=51))
    assert [line.split()[0] for line in said.read_text().splitlines()] == ["pivot"]


def test_a_webhook_gets_what_slack_and_discord_read_and_calls_nobody(tmp_path: Path, hook: Hook) -> None:
    run = made_run(tmp_path / "runs", notify_webhook=hook.url)
    run_to(run, FAILED)
    pivot, end = hook.posts
    assert (pivot["event"], pivot["run"], pivot["state"], pivot["step"]) == ("pivot", "cat", "running", 50)
    assert end["text"].startswith("cat failed at step 51. cat&lt;!channel&gt;.png is gone.")
    assert end["content"] == end["message"] and "<!channel>" in end["content"]
    assert end["allowed_mentions"] == {"parse": []}
    assert set(end) == {"text", "content", "allowed_mentions", "event", "run", "state", "step", "message"}
    assert warnings_of(run) == []


def test_a_webhook_is_tried_again(tmp_path: Path, hook: Hook) -> None:
    hook.answers = [500, 503, 200]
    run = made_run(tmp_path / "runs", notify_webhook=hook.url)
    run_to(run, Finished(step=100))
    assert [post["event"] for post in hook.posts] == ["pivot"] * 3 + ["finished"]
    assert warnings_of(run) == []


def test_one_that_refuses_is_a_warning_without_its_address(
    tmp_path: Path, hook: Hook, capfd: pytest.CaptureFixture[str]
) -> None:
    hook.answers = [404]
    run = made_run(tmp_path / "runs", notify_webhook=hook.url)
    run_to(run, Finished(step=100), before=lambda: wait_for(lambda: bool(warnings_of(run))))
    log = capfd.readouterr().err
    assert warnings_of(run) == ["notify_webhook did not work: 127.0.0.1 answered 404."]
    assert "127.0.0.1 answered 404." in log, "after the end there is only the log"
    assert events_of(run)[-1].type == "finished" and run.status().state == "finished"
    assert len(hook.posts) == 2 * webhook.TRIES
    assert SECRET not in all_of(run, log)


def test_one_that_is_not_there_or_does_not_answer_costs_a_warning(
    tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 0.1)
    hook.answers = [None]
    run = made_run(tmp_path / "runs", notify_webhook=hook.url)
    run_to(run, Finished(step=100))
    nobody = made_run(tmp_path / "runs", "dog", notify_webhook=f"http://127.0.0.1:1/{SECRET}")
    run_to(nobody, Finished(step=100))
    log = capfd.readouterr().err
    assert "notify_webhook did not work: 127.0.0.1: timed out." in log
    assert "notify_webhook did not work: 127.0.0.1: [Errno 111] Connection refused." in log
    assert SECRET not in all_of(run, all_of(nobody, log))


def test_what_is_told_goes_to_no_other_address(tmp_path: Path, hook: Hook, capfd: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "passwords"
    secret.write_text("hunter2")
    for location in (secret.as_uri(), f"http://127.0.0.1:{hook.server_port}/elsewhere"):
        hook.answers = [302]
        hook.location, hook.paths = location, []
        run_to(made_run(tmp_path / "runs", Path(location).name, notify_webhook=hook.url), Finished(step=100))
        assert set(hook.paths) == {f"POST /services/{SECRET}"}
    assert "answered 302" in capfd.readouterr().err


def test_a_command_that_hangs_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(notifications, "COMMAND_SECONDS", 0.3)
    command = program(tmp_path / "bin" / "hang", f"sleep 600 & echo $! > {tmp_path}/pid; wait")
    run = made_run(tmp_path / "runs", notify_command=str(command))
    attend(run, started(), step(1), Finished(step=100))
    assert "notify_command did not work: it took longer than 0.3 s and was ended." in capfd.readouterr().err
    child = Path("/proc") / (tmp_path / "pid").read_text().strip() / "status"
    wait_for(lambda: not child.exists() or "zombie" in child.read_text())


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no such phone >&2; exit 3", "no such phone"),
        ("exit 3", "exit code 3"),
        ("printf 'bad \\033[2Jline' >&2; exit 1", "bad \\x1b[2Jline"),
        ("printf 'for https://me:hunter2hunter2@host/x'; exit 1", "for https://[hidden]@host/x"),
    ],
)
def test_a_command_that_fails_is_told_by_its_last_words(
    tmp_path: Path, script: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    command = program(tmp_path / "bin" / "fail", script)
    run = made_run(tmp_path / "runs", notify_command=str(command))
    run_to(run, Finished(step=100), before=lambda: wait_for(lambda: bool(warnings_of(run))))
    assert warnings_of(run) == [f"notify_command did not work: {said}."]
    assert f"notify_command did not work: {said}.\n" in capfd.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        f"ftp://host/{SECRET}",
        SECRET,
        f"https:///{SECRET}",
        f"https://me:{SECRET}@host/",
        "http://h:x/",
        f"https://host/{SECRET}\n",
    ],
)
def test_an_address_that_is_none_of_the_web_is_found_before_the_run_and_not_repeated(url: str) -> None:
    [problem] = box_problems(compose(flags={"run": {"notify_webhook": url}}).config)
    assert "notify_webhook is no address" in str(problem) and SECRET not in str(problem)


def test_an_address_of_the_web_is_fine() -> None:
    for url in ("https://hooks.slack.com/services/T/B/x", "http://127.0.0.1:8080/x?y=%7B%7D", "https://ntfy.sh/cats"):
        assert list(box_problems(compose(flags={"run": {"notify_webhook": url}}).config)) == []


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
