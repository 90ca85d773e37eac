"""`loratui caption auto`: fills what is empty, batch by batch, and goes on where it was ended."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from curation import CurationError, open_dataset, save_captions
from curation.journal import undo
from loratui.command_line import app
from tests.curation import tiny_captioners
from tests.loratui.program import COMMAND, PATIENCE_SECONDS

NAMES = ["astronaut.png", "cat.png", "coffee.png", "rocket.png"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny BLIP."""
    return tiny_captioners.save_blip(tmp_path_factory.mktemp("model"))


@pytest.fixture
def auto(photos: Path, model: Path) -> Callable[..., Result]:
    """Runs `caption auto` on the photos."""

    def run(*options: str | Path) -> Result:
        words = ["caption", "auto", str(photos), "--model", str(model), *map(str, options)]
        return CliRunner().invoke(app, words, catch_exceptions=False)

    return run


def captions(photos: Path) -> dict[str, str | None]:
    return {photo.name: photo.caption for photo in open_dataset(photos).photos}


def test_every_photo_gets_a_caption_and_stdout_names_them(auto: Callable[..., Result], photos: Path) -> None:
    done = auto()
    assert done.exit_code == 0 and done.stdout.splitlines() == NAMES
    assert all(captions(photos).values())
    assert done.stderr.splitlines()[-1] == "Captioned 4 of 4 photos."
    again = auto()
    assert (again.exit_code, again.stdout) == (0, "")


def test_only_empty_captions_are_filled_unless_told_otherwise(auto: Callable[..., Result], photos: Path) -> None:
    save_captions(open_dataset(photos), {"cat.png": "mine", "coffee.png": " "})
    assert auto().stdout.splitlines() == ["astronaut.png", "coffee.png", "rocket.png"]
    assert captions(photos)["cat.png"] == "mine"
    assert auto("--overwrite", "--photo", "cat.png").stdout.splitlines() == ["cat.png"]
    assert captions(photos)["cat.png"] != "mine"


def test_a_photo_that_is_left_out_is_captioned_only_by_name(auto: Callable[..., Result], photos: Path) -> None:
    (photos / ".loratui").mkdir()
    (photos / ".loratui" / "exclusions.json").write_text(json.dumps({"version": 1, "excluded": {"cat.png": "no"}}))
    assert "cat.png" not in auto().stdout
    assert auto("--photo", "cat.png").stdout.splitlines() == ["cat.png"]


def test_captions_go_through_the_template(auto: Callable[..., Result], photos: Path) -> None:
    auto("--template", "a photo of {trigger} woman, {caption}", "--trigger", "TOK")
    assert all((caption or "").startswith("a photo of TOK woman, ") for caption in captions(photos).values())


@pytest.mark.parametrize("template", ["a photo of TOK", "{{caption}}"])
def test_a_template_without_a_place_for_the_caption_is_refused(
    auto: Callable[..., Result], photos: Path, template: str
) -> None:
    assert auto("--template", template).exit_code == 2
    assert not any(captions(photos).values())


def test_a_template_with_a_field_that_there_is_not_is_refused(auto: Callable[..., Result]) -> None:
    with pytest.raises(CurationError, match="no field"):
        auto("--template", "{photo}, {caption}")


def test_a_dry_run_prints_a_diff_and_saves_nothing(auto: Callable[..., Result], photos: Path) -> None:
    save_captions(open_dataset(photos), {"cat.png": "mine"})
    done = auto("--dry-run", "--overwrite", "--photo", "cat.png", "--template", "TOK, {caption}")
    assert done.stdout.splitlines()[:3] == ["--- cat.png", "+++ cat.png", "-mine"]
    assert done.stdout.splitlines()[3].startswith("+TOK, ")
    assert captions(photos)["cat.png"] == "mine"


def test_a_photo_that_does_not_decode_is_told_and_the_others_are_captioned(
    auto: Callable[..., Result], photos: Path
) -> None:
    (photos / "broken\x1b.png").write_bytes(b"no image")
    done = auto()
    assert done.exit_code == 1 and done.stdout.splitlines() == NAMES
    assert r"Passed over broken\x1b.png" in done.stderr


def test_each_batch_is_undone_like_any_edit(auto: Callable[..., Result], photos: Path) -> None:
    auto("--batch-size", "3")
    assert undo(photos).summary.startswith("Caption with ")
    assert [name for name, caption in captions(photos).items() if caption] == NAMES[:3]


@pytest.fixture
def many(photos: Path) -> Path:
    """Sixty photos, so that there is time to end the program among them."""
    for number in range(14):
        for name in NAMES:
            os.link(photos / name, photos / f"{number:02d}-{name}")
    return photos


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_was_captioned_before_the_end_stays_and_the_rest_follows(
    many: Path, model: Path, number: signal.Signals
) -> None:
    words = [*COMMAND, "caption", "auto", many, "--model", model, "--batch-size", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout and running.stderr
        first = [running.stdout.readline().strip() for _ in range(3)]
        running.send_signal(number)
        rest, errors = running.communicate(timeout=PATIENCE_SECONDS)
    before = {name: caption for name, caption in captions(many).items() if caption}
    assert set(before) >= {*first, *rest.split()} and len(before) < 60
    if number == signal.SIGINT:
        assert running.returncode == 130 and "goes on with the others" in errors, errors
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    after = captions(many)
    assert all(after.values()) and before.items() <= after.items(), done.stderr
    assert sorted(done.stdout.split()) == sorted(after.keys() - before.keys())


def test_a_program_is_told_what_goes_on_line_by_line(auto: Callable[..., Result], photos: Path) -> None:
    (photos / "broken.png").write_bytes(b"no image")
    done = auto("--json", "--batch-size", "3")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["event"], each["total"]) for each in events] == [
        ("loading", 5),
        ("batch", 5),
        ("batch", 5),
        ("ended", 5),
    ]
    assert [each["done"] for each in events if each["event"] == "batch"] == [3, 5]
    assert [*events[1]["captioned"], *events[2]["captioned"]] == NAMES
    assert list(events[1]["passed_over"] | events[2]["passed_over"]) == ["broken.png"]
    assert events[-1]["captioned"] == 4 and done.exit_code == 1
    assert json.loads(auto("--json", "--photo", "cat.png").stdout) == {"event": "ended", "captioned": 0, "total": 0}
