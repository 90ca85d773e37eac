"""`loratui caption`: captions are listed, edited one and all, shown before and undone after."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from curation import CurationError, open_dataset, save_captions
from loratui.command_line import app


def caption(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["caption", *map(str, arguments)], catch_exceptions=False)


def captions(photos: Path) -> dict[str, str | None]:
    return {photo.name.removesuffix(".png"): photo.caption for photo in open_dataset(photos).photos}


def test_list_shows_every_photo_with_its_caption_safely(photos: Path) -> None:
    (photos / "cat.txt").write_text("a [red]cat\x1b[31m")
    (photos / "rocket.txt").write_text("a rocket\na red rocket\n")
    assert caption("list", photos).stdout.splitlines() == [
        "astronaut.png: -",
        r"cat.png: a [red]cat\x1b[31m",
        "coffee.png: -",
        "rocket.png: a rocket  (+1 in its file)",
    ]


def test_list_as_json(photos: Path) -> None:
    (photos / "cat.txt").write_text("a cat\x1b")
    listed = json.loads(caption("list", photos, "--format", "json").stdout)
    assert listed["version"] == 1
    assert listed["photos"][1] == {
        "photo": "cat.png",
        "caption": "a cat\x1b",
        "more_captions": [],
        "excluded": None,
    }


def test_set_captions_the_named_photos(photos: Path) -> None:
    result = caption("set", photos, "TOK", "--photo", "cat.png", "--photo", "rocket.png")
    assert captions(photos) == {"astronaut": None, "cat": "TOK", "coffee": None, "rocket": "TOK"}
    assert result.stdout == ""
    assert "Changed 2 of 4 captions." in result.stderr


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
def test_set_wants_a_choice_of_photos(photos: Path, choice: list[str]) -> None:
    assert caption("set", photos, "TOK", *choice).exit_code == 2
    assert set(captions(photos).values()) == {None}


def test_an_unknown_photo_is_a_stated_error(photos: Path) -> None:
    with pytest.raises(CurationError, match=r"dog\.png"):
        caption("set", photos, "TOK", "--photo", "dog.png")


EDITS = {
    ("replace", "a cat", "a TOK cat"): "a TOK cat, red, red",
    ("replace", r"(\w+), red", r"\1 in \1", "--regex"): "a cat in cat, red",
    ("remove", "red"): "a cat, ,",
    ("remove", "red", "--tag"): "a cat",
    ("prefix", "TOK, "): "TOK, a cat, red, red",
    ("suffix", " [/b]"): "a cat, red, red [/b]",
    ("first", "red"): "red, a cat",
    ("sort", "--keep", "1"): "a cat, red, red",
    ("dedupe",): "a cat, red",
    ("trigger", "TOK", "--class-noun", "cat"): "a TOK cat, red, red",
    ("template", "{trigger} {lookalike}: {caption}", "--trigger", "TOK", "--lookalike", "Tom"): (
        "TOK Tom: a cat, red, red"
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_shown_first_then_made_then_undone(photos: Path, edit: tuple[str, ...]) -> None:
    before, after = "a cat, red, red", EDITS[edit]
    (photos / "cat.txt").write_text(before)
    command, *rest = edit

    shown = caption(command, photos, *rest, "--dry-run", "--photo", "c*.png", "--match", "cat")
    diff = [f"-{before}", f"+{after}"] if before != after else []
    assert shown.stdout.splitlines()[2:] == diff
    assert captions(photos)["cat"] == before
    assert not (photos / ".loratui").exists()

    caption(command, photos, *rest, "--photo", "cat.png")
    assert captions(photos) == {"astronaut": None, "cat": after, "coffee": None, "rocket": None}
    if before != after:
        undone = CliRunner().invoke(app, ["undo", str(photos)])
        assert undone.stderr.startswith("Took back: ") and " in cat.png." in undone.stderr
    assert captions(photos)["cat"] == before


def test_a_diff_is_printed_safely(photos: Path) -> None:
    (photos / "cat.png").rename(photos / "c\x1b[31mat.png")
    (photos / "c\x1b[31mat.txt").write_text("a [red]cat\u202e 👩\u200d🚀")
    shown = caption("suffix", photos, "[/]\x07", "--match", "cat", "--dry-run")
    assert shown.stdout.splitlines() == [
        r"--- c\x1b[31mat.png",
        r"+++ c\x1b[31mat.png",
        "-a [red]cat\\u202e 👩\u200d🚀",
        "+a [red]cat\\u202e 👩\u200d🚀[/]\\x07",
    ]


def test_what_was_printed_safely_is_saved_unchanged(photos: Path) -> None:
    evil = "a [red]cat\u202e 👩\u200d🚀\x07\u2028\x1b[31m"
    (photos / "cat.txt").write_text(evil)
    caption("prefix", photos, "[b]", "--photo", "cat.png")
    assert (photos / "cat.txt").read_bytes() == f"[b]{evil}".encode()


def test_bad_expressions_templates_and_words_are_stated_errors(photos: Path) -> None:
    for edit in (["replace", "(", "x", "--regex"], ["template", "{name}"], ["template", "{trigger}"], ["dedupe"]):
        with pytest.raises(CurationError):
            caption(edit[0], photos, *edit[1:], *(["--match", "["] if edit == ["dedupe"] else []))


def test_sync_writes_the_metadata_into_the_files_that_disagree(photos: Path) -> None:
    (photos / "metadata.jsonl").write_text('{"file_name": "cat.png", "prompt": "a cat"}\n')
    (photos / "cat.txt").write_text("a dog\nanother\n")
    (photos / "rocket.txt").write_text("a rocket")
    assert "Wrote 1 of 2" in caption("sync", photos).stderr
    assert (photos / "cat.txt").read_text() == "a cat\nanother\n"
    assert "Wrote 0 of 2" in caption("sync", photos).stderr


def test_sync_is_shown_first_and_blanks_no_caption_file(photos: Path) -> None:
    (photos / "metadata.jsonl").write_text(
        '{"file_name": "cat.png", "prompt": "a cat"}\n{"file_name": "rocket.png", "prompt": ""}\n'
    )
    (photos / "cat.txt").write_text("a dog\nanother\n")
    (photos / "rocket.txt").write_text("a rocket")
    shown = caption("sync", photos, "--dry-run")
    assert shown.stdout.splitlines() == ["--- cat.txt", "+++ cat.txt", "-a dog", "+a cat"]
    assert "Would write 1 of 2" in shown.stderr
    assert (photos / "cat.txt").read_text() == "a dog\nanother\n"
    caption("sync", photos)
    assert (photos / "cat.txt").read_text() == "a cat\nanother\n"
    assert (photos / "rocket.txt").read_text() == "a rocket"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def test_history_lists_what_undo_and_redo_walk_along(photos: Path) -> None:
    caption("set", photos, "one", "--all")
    caption("set", photos, "two \x1b", "--photo", "cat.png")
    run("undo", photos)
    assert captions(photos)["cat"] == "one"
    lines = run("history", photos).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2"]
    assert "done     Set in 4 captions  (metadata.jsonl)" in lines[0]
    assert "undone   Set in cat.png  (metadata.jsonl)" in lines[1]

    assert "Made again: Set in cat.png." in run("redo", photos).stderr
    entries = json.loads(run("history", photos, "--format", "json").stdout)["entries"]
    assert [(entry["state"], entry["files"]) for entry in entries] == [("done", ["metadata.jsonl"])] * 2

    run("undo", photos)
    run("undo", photos)
    assert not (photos / "metadata.jsonl").exists()
    with pytest.raises(CurationError, match="nothing to undo"):
        run("undo", photos)


@pytest.mark.parametrize("command", ["undo", "redo", "history"])
def test_a_folder_that_is_not_there_is_refused_and_not_made(tmp_path: Path, command: str) -> None:
    with pytest.raises(CurationError, match="There is no folder"):
        run(command, tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("command", [["caption", "list"], ["undo"], ["exclude"], ["suppress"]])
def test_an_empty_name_is_not_the_folder_one_stands_in(
    photos: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(photos)
    more = {"exclude": ["cat.png", "--reason", "x"], "suppress": ["--list"]}.get(command[0], [])
    assert run(*command, "", *more).exit_code == 2
    assert not (photos / ".loratui").exists()


def test_undo_leaves_nothing_in_a_folder_that_was_never_written(photos: Path) -> None:
    before = sorted(photos.iterdir())
    with pytest.raises(CurationError, match="nothing to undo"):
        run("undo", photos)
    assert sorted(photos.iterdir()) == before


def test_every_command_tells_how_it_is_used() -> None:
    told = caption("--help").stdout
    for command in {edit[0] for edit in EDITS} | {"list", "set", "auto", "sync"}:
        assert command in told
        assert "Usage" in caption(command, "--help").stdout


def test_tags_and_words_are_counted(photos: Path) -> None:
    save_captions(open_dataset(photos), {"cat.png": "TOK, red sofa", "coffee.png": "a red cup, TOK"})
    assert caption("tags", photos).stdout.splitlines() == ["     2  TOK", "     1  a red cup", "     1  red sofa"]
    words = json.loads(caption("tags", photos, "--words", "--format", "json").stdout)
    assert words["photos"] == 4
    assert words["frequencies"][:2] == [{"text": "red", "captions": 2}, {"text": "TOK", "captions": 2}]
