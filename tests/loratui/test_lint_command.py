"""`loratui lint` and `explain`: data on stdout, talk on stderr, and an exit code that a script can trust."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from curation import CurationError, open_dataset
from curation.checks import RULES
from curation.journal import undo
from loratui.command_line import app
from tests.loratui.program import COMMAND, PATIENCE_SECONDS, wait_until


def loratui(*arguments: str | Path) -> Result:
    """Run in this process; an expected failure is raised, as `main` turns it into two sentences."""
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def test_json_is_all_there_is_on_stdout(dreambooth: Callable[[str], Path], tmp_path: Path) -> None:
    photos = shutil.copytree(dreambooth("backpack"), tmp_path / "backpack")
    result = loratui("lint", photos, "--format", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (report["dataset"], report["photos"], report["verdict"]) == (str(photos), 6, "attention")
    assert {"SET001", "IMG001", "SET002"} <= {finding["code"] for finding in report["findings"]}
    assert report["actions"][0]["photos"]


@pytest.mark.parametrize(("fail_on", "exit_code"), [("error", 0), ("warning", 1), ("info", 1)])
def test_the_exit_code_follows_fail_on(photos: Path, fail_on: str, exit_code: int) -> None:
    result = loratui("lint", photos, "--fail-on", fail_on)  # small photos: warnings at 1024 px
    assert result.exit_code == exit_code
    assert "Needs attention: 4 photos, 0 errors, 4 warnings" in result.stdout


def test_errors_exit_with_1(photos: Path) -> None:
    shutil.copy(photos / "cat.png", photos / "copy.png")
    result = loratui("lint", photos)
    assert result.exit_code == 1
    assert "error DUP001 exact-duplicate" in result.stdout
    assert "Blocked" in result.stdout


def read_all(terminal: int) -> bytes:
    """What was written to a terminal whose other side is closed."""
    content = b""
    with suppress(OSError), os.fdopen(terminal, "rb", buffering=0) as file:
        while part := file.read(1 << 16):
            content += part
    return content


def codes(result: Result) -> set[str]:
    """The rules that found something, of a report in JSON."""
    return {finding["code"] for finding in json.loads(result.stdout)["findings"]}


def test_rules_are_chosen_and_left_out_by_codes_and_prefixes(photos: Path) -> None:
    def found(*options: str) -> set[str]:
        return codes(loratui("lint", photos, "--format", "json", *options))

    assert found("--select", "CAP,SET002") == {"CAP001", "SET002"}
    assert found("--select", "CAP", "--select", "SET", "--ignore", "CAP001") == {"SET002"}
    assert found("--select", "set", "--extend-select", "CAP001") == {"SET002", "CAP001"}
    assert found("--ignore", "IMG,SET,FIL,DUP,FAC,CAP,REG", "--extend-select", "CAP001") == {"CAP001"}


def test_a_command_line_goes_over_the_config(photos: Path, tmp_path: Path) -> None:
    (config := tmp_path / "lora.toml").write_text(
        '[lint]\nselect = ["CAP", "SET002"]\nignore = ["CAP"]\nfail_on = "info"\nseverity = { SET = "warning" }\n'
    )

    def run(*options: str) -> Result:
        return loratui("lint", photos, "--config", config, "--format", "json", *options)

    assert (codes(run()), run().exit_code) == ({"SET002"}, 1)
    assert json.loads(run().stdout)["verdict"] == "attention"
    assert codes(run("--extend-select", "CAP001")) == {"SET002", "CAP001"}
    assert codes(run("--select", "CAP")) == {"CAP001"}
    assert run("--fail-on", "error").exit_code == 0
    assert json.loads(run("--severity", "SET002=error").stdout)["verdict"] == "blocked"


def test_a_refused_severity_is_shown_and_not_obeyed(photos: Path) -> None:
    assert "\x1b[31m" not in loratui("lint", photos, "--severity", "\x1b[31mX=red").stderr


@pytest.mark.parametrize("severity", ["SET002", "SET002=off", "=error", "XYZ=error"])
def test_a_severity_that_says_nothing_is_refused(photos: Path, severity: str) -> None:
    try:
        assert loratui("lint", photos, "--severity", severity).exit_code == 2
    except CurationError as error:
        assert "No rule" in error.problem


def test_severities_are_given_one_by_one_or_together(photos: Path) -> None:
    result = loratui("lint", photos, "--select", "SET002,CAP001", "--severity", "SET=error,CAP001=warning")
    assert result.exit_code == 1
    assert "Blocked: 4 photos, 1 error, 1 warning, 0 info." in result.stdout


@pytest.mark.parametrize("format", ["text", "concise", "json", "github", "sarif", "html"])
def test_every_format_goes_to_stdout_or_whole_to_a_file(photos: Path, tmp_path: Path, format: str) -> None:
    printed = loratui("lint", photos, "--select", "SET002", "--format", format)
    written = loratui(
        "lint", photos, "--select", "SET002", "--format", format, "--output-file", tmp_path / "new" / "report"
    )
    assert "SET002" in printed.stdout
    assert written.stdout == ""
    assert (tmp_path / "new" / "report").read_text("utf-8") == printed.stdout
    assert "Wrote" in written.stderr


def test_a_pipe_named_as_the_output_file_is_written_to_and_stays_one(photos: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    loratui("lint", photos, "--select", "SET002", "--format", "concise", "--output-file", tmp_path / "pipe")
    assert b"SET002" in os.read(reader, 1 << 16)
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_a_folder_named_as_the_output_file_is_refused_by_its_name(photos: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "reports").mkdir()
    with pytest.raises(IsADirectoryError) as refused:
        loratui("lint", photos, "--select", "SET002", "--output-file", folder)
    assert Path(refused.value.filename) == folder


def test_statistics_count_instead_of_listing(photos: Path) -> None:
    result = loratui("lint", photos, "--select", "SET002,CAP001", "--statistics")
    assert "info  SET002  too-few-photos          1       0           0" in result.stdout
    assert "fix:" not in result.stdout and "Ready: 4 photos" in result.stdout
    counted = json.loads(loratui("lint", photos, "--select", "SET002", "--statistics", "--format", "json").stdout)
    assert counted["statistics"][0]["findings"] == 1
    assert loratui("lint", photos, "--statistics", "--format", "sarif").exit_code == 2


def test_an_interrupted_scan_says_what_is_kept_and_the_next_one_goes_on_from_there(photos: Path) -> None:
    for number in range(600):
        (photos / f"{number}.png").hardlink_to(photos / "astronaut.png")
    scan = subprocess.Popen([*COMMAND, "lint", photos], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    facts = photos / ".loratui" / "facts.jsonl"
    wait_until(lambda: facts.exists() and facts.stat().st_size > 0, "the first photo to be measured")
    scan.send_signal(signal.SIGINT)
    stdout, stderr = scan.communicate(timeout=PATIENCE_SECONDS)
    assert scan.returncode == 130
    assert stdout == ""
    assert re.fullmatch(r"Interrupted: \d+ of 604 photos are measured, which is kept.*\n", stderr)
    assert 1 <= len(facts.read_text().splitlines()) < 604


def test_a_terminal_sees_the_progress_and_no_trace_of_it_afterwards(photos: Path) -> None:
    terminal, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    scan = subprocess.Popen(
        [*COMMAND, "lint", photos, "--select", "DUP"], stdout=subprocess.PIPE, stderr=side, env=environment
    )
    os.close(side)
    assert scan.stdout is not None and b"Ready: 4 photos" in scan.stdout.read()
    assert scan.wait(PATIENCE_SECONDS) == 0
    shown = read_all(terminal).decode()
    assert "measuring photos" in shown and "4/4" in shown
    assert shown.rstrip().endswith("\x1b[2K")  # the line is erased


def test_a_config_gives_kind_resolution_trigger_column_and_ignored_rules(photos: Path, tmp_path: Path) -> None:
    (photos / "metadata.jsonl").write_text('{"file_name": "cat.png", "text": "a cat"}\n')
    config = tmp_path / "lora.toml"
    config.write_text(
        f"""
        [data]
        instance_data_dir = "{photos}"
        resolution = 128
        caption_column = "text"
        [concept]
        kind = "style"
        token_abstraction = ["CATTISH"]
        [lint]
        ignore = ["CAP001", "IMG"]
        """
    )
    report = json.loads(loratui("lint", photos, "--config", config, "--format", "json").stdout)
    assert {(f["code"], f["threshold"]) for f in report["findings"]} == {("CAP002", 0), ("SET002", 20)}
    assert "CATTISH" in report["findings"][0]["message"]


def test_fix_reports_the_folder_as_it_is_and_exits_for_the_mended_copy(photos: Path) -> None:
    (photos / "cat.png").rename(photos / "cat.jpg")
    shutil.copy(photos / "coffee.png", photos / "copy.png")

    result = loratui("lint", photos, "--ignore", "IMG", "--fix", "--unsafe-fixes", "--format", "json")

    assert json.loads(result.stdout)["verdict"] == "blocked"
    assert result.exit_code == 0
    copied = sorted(path.name for path in (photos.parent / "photos-fixed").iterdir() if path.suffix)
    assert copied == ["astronaut.png", "cat.png", "coffee.png", "rocket.png"]
    assert "left out copy.png: DUP001" in result.stderr
    assert "mended cat.jpg: FIL002" in result.stderr


def test_fix_with_nothing_to_fix_writes_nothing(photos: Path) -> None:
    result = loratui("lint", photos, "--fix")
    assert "nothing to fix" in result.stderr
    assert not (photos.parent / "photos-fixed").exists()


def test_names_and_captions_cannot_steer_the_terminal(photos: Path) -> None:
    (photos / "cat.png").rename(photos / "[bold]\x1b[31m.png")
    (photos / "metadata.jsonl").write_text(json.dumps({"file_name": "rocket.png", "prompt": "\x1b[2J"}))
    result = loratui("lint", photos, "--kind", "person")
    assert "\x1b" not in result.stdout
    assert r"[bold]\x1b[31m.png" in result.stdout


def test_a_folder_that_does_not_exist_is_a_stated_error(tmp_path: Path) -> None:
    with pytest.raises(CurationError, match="There is no folder"):
        loratui("lint", tmp_path / "nowhere")


def test_explain_tells_why_a_rule_matters_and_its_thresholds() -> None:
    result = loratui("explain", "img002")
    assert result.stdout.startswith("IMG002 blurred (warning")
    assert "blurred_below = 60" in result.stdout


def test_explain_without_a_code_lists_every_rule() -> None:
    listed = loratui("explain").stdout.splitlines()
    assert [line.split()[0] for line in listed] == sorted(RULES)
    assert "DUP001  error    exact-duplicate" in loratui("explain").stdout


def test_explain_shows_a_rule_as_the_config_has_it(tmp_path: Path) -> None:
    (config := tmp_path / "lora.toml").write_text(
        '[lint.params.IMG002]\nblurred_below = 12.5\n[lint.severity]\nIMG = "error"\n'
    )
    page = loratui("explain", "IMG002", "--config", config).stdout
    assert page.startswith("IMG002 blurred (error") and "blurred_below = 12.5" in page
    assert "IMG002  error" in loratui("explain", "--config", config).stdout


def test_a_finding_is_suppressed_listed_taken_back_and_undone(photos: Path) -> None:
    (photos / "cat.png").rename(photos / "cat.jpg")  # FIL002
    reason = "[b]the camera\x1b[31m"

    def report() -> dict:
        return json.loads(loratui("lint", photos, "--select", "FIL002", "--format", "json").stdout)

    assert len(report()["findings"]) == 1
    assert (
        "Suppressed FIL002 on cat.jpg"
        in loratui("suppress", photos, "fil002", "--photo", "cat.jpg", "--reason", reason).stderr
    )
    assert (report()["findings"], report()["suppressed"][0]["reason"]) == ([], reason)
    assert loratui("suppress", photos, "--list").stdout.startswith(r"FIL002 cat.jpg: [b]the camera\x1b[31m (20")
    (photos / "cat.jpg").rename(photos / "cat.png")
    assert report()["unused_suppressions"][0]["code"] == "FIL002"
    assert "matches nothing any more" in loratui("lint", photos, "--select", "FIL002").stdout
    assert "No longer suppressed: FIL002 on cat.jpg" in loratui("suppress", photos, "FIL002", "--remove").stderr
    assert loratui("suppress", photos, "--list").stdout == ""
    undo(photos)
    assert "cat.jpg" in loratui("suppress", photos, "--list").stdout


@pytest.mark.parametrize("options", [[], ["IMG002"], ["--list", "--remove"], ["IMG002", "--list"], ["--remove"]])
def test_suppress_is_told_what_to_do(photos: Path, options: list[str]) -> None:
    assert loratui("suppress", photos, *options).exit_code == 2


def test_photos_are_left_out_taken_back_and_undone(photos: Path) -> None:
    done = loratui("exclude", photos, "cat.png", "coffee.png", "--reason", "not him")
    assert done.stderr == "Left out 2: 2 of 4 photos train.\n"
    assert {photo.excluded for photo in open_dataset(photos).photos} == {None, "not him"}
    assert "2 photos judged and 2 left out" in loratui("lint", photos).stdout
    assert loratui("include", photos, "cat.png").stderr == "Took back 1: 3 of 4 photos train.\n"
    undo(photos)
    assert len(open_dataset(photos).trainable) == 2
    with pytest.raises(CurationError, match="There is no photo"):
        loratui("exclude", photos, "dog.png", "--reason", "x")


def test_explain_suggests_the_nearest_rule() -> None:
    with pytest.raises(CurationError, match="Did you mean DUP001"):
        loratui("explain", "DUP01")
