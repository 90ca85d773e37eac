"""`loratui caption list` and `set`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from curation import CurationError, open_dataset
from loratui.cli import app


def caption(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["caption", *map(str, arguments)], catch_exceptions=False)


def captions(photos: Path) -> dict[str, str | None]:
    return {photo.name.removesuffix(".png"): photo.caption for photo in open_dataset(photos).photos}


def test_list_shows_every_photo_with_its_caption_safely(photos: Path) -> None:
    (photos / "cat.txt").write_text("a [red]cat\x1b[31m")
    assert caption("list", photos).stdout.splitlines() == [
        "astronaut.png: -",
        r"cat.png: a [red]cat\x1b[31m",
        "coffee.png: -",
        "rocket.png: -",
    ]


def test_list_as_json(photos: Path) -> None:
    (photos / "cat.txt").write_text("a cat\x1b")
    listed = json.loads(caption("list", photos, "--format", "json").stdout)
    assert listed["version"] == 1
    assert listed["photos"][1] == {"photo": "cat.png", "caption": "a cat\x1b", "excluded": None}


def test_set_captions_the_named_photos(photos: Path) -> None:
    result = caption("set", photos, "TOK", "--photo", "cat.png", "--photo", "rocket.png")
    assert captions(photos) == {"astronaut": None, "cat": "TOK", "coffee": None, "rocket": "TOK"}
    assert result.stdout == ""
    assert "Captioned 2 of 4 photos." in result.stderr


def test_set_empty_never_overwrites_a_caption(photos: Path) -> None:
    (photos / "cat.txt").write_text("mine")
    (photos / "rocket.txt").write_text(" ")
    caption("set", photos, "TOK", "--empty")
    assert captions(photos) == {"astronaut": "TOK", "cat": "mine", "coffee": "TOK", "rocket": "TOK"}


def test_set_all_replaces_every_caption(photos: Path) -> None:
    (photos / "cat.txt").write_text("mine")
    caption("set", photos, "TOK", "--all")
    assert set(captions(photos).values()) == {"TOK"}


@pytest.mark.parametrize("choice", [[], ["--all", "--empty"], ["--all", "--photo", "cat.png"]])
def test_set_wants_one_choice_of_photos(photos: Path, choice: list[str]) -> None:
    assert caption("set", photos, "TOK", *choice).exit_code == 2
    assert set(captions(photos).values()) == {None}


def test_an_unknown_photo_is_a_stated_error(photos: Path) -> None:
    with pytest.raises(CurationError, match=r"dog\.png"):
        caption("set", photos, "TOK", "--photo", "dog.png")
