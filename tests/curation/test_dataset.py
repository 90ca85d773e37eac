"""A folder of photos is read whole, and nothing that is written to it loses anything."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation import CurationError, exclude, include, open_dataset, save_captions
from curation.facts.store import read_facts
from curation.journal import history, undo

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
EVIL = 'A [bold]cat[/], "quoted"\r\nsecond line\x1b[31m\u2028\u202e\0 👩‍🚀,'


def captions(root: Path, column: str = "prompt") -> dict[str, str | None]:
    return {photo.name: photo.caption for photo in open_dataset(root, column).photos}


def test_every_candidate_file_is_listed_by_name_readable_or_not(photos: Path) -> None:
    (photos / "more").mkdir()
    (photos / "more" / "broken.JPG").write_text("not a photo")
    (photos / ".hidden").mkdir()
    (photos / ".hidden" / "cat.png").write_bytes(b"")
    (photos / "._cat.png").write_bytes(b"")
    (photos / "notes.pdf").write_bytes(b"")

    names = [photo.name for photo in open_dataset(photos).photos]

    assert names == ["astronaut.png", "cat.png", "coffee.png", "more/broken.JPG", "rocket.png"]


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_a_folder_that_cannot_be_used_is_refused_in_two_sentences(tmp_path: Path, kind: str) -> None:
    root = tmp_path / kind
    if kind == "file":
        root.write_text("")
    if kind == "empty":
        root.mkdir()
    with pytest.raises(CurationError) as refused:
        open_dataset(root)
    assert kind in refused.value.problem
    assert refused.value.remedy


def test_a_caption_comes_from_the_metadata_else_from_the_sidecar(photos: Path) -> None:
    (photos / "metadata.jsonl").write_text('{"file_name": "cat.png", "prompt": "from metadata"}\n')
    (photos / "cat.txt").write_text("from sidecar")
    (photos / "rocket.txt").write_text("a rocket\n")

    assert captions(photos) == {
        "astronaut.png": None,
        "cat.png": "from metadata",
        "coffee.png": None,
        "rocket.png": "a rocket",
    }


@pytest.mark.parametrize("name", ["../cat.png", "/etc/cat.png", "a/../../cat.png"])
def test_metadata_cannot_point_outside_the_folder(photos: Path, name: str) -> None:
    (photos / "metadata.jsonl").write_text(json.dumps({"file_name": name, "prompt": "x"}) + "\n")
    with pytest.raises(CurationError, match="line 1"):
        open_dataset(photos)


def test_broken_metadata_is_refused_with_its_line(photos: Path) -> None:
    (photos / "metadata.jsonl").write_text('{"file_name": "cat.png"}\n{"file_name": \n')
    with pytest.raises(CurationError, match="line 2"):
        open_dataset(photos)


def test_saving_keeps_unknown_columns_rows_order_and_blank_lines(photos: Path) -> None:
    lines = [
        '{"split":"a","file_name":"rocket.png","prompt":"old","score":1.10}',
        "",
        '{"file_name": "gone.png", "prompt": "its photo is not here"}',
        '{"file_name": "./cat.png", "prompt": "c"}',
    ]
    (photos / "metadata.jsonl").write_text("\r\n".join(lines))

    save_captions(open_dataset(photos), {"cat.png": "new", "coffee.png": "added"})

    written = (photos / "metadata.jsonl").read_bytes().decode().split("\r\n")
    assert written[:3] == lines[:3]
    assert json.loads(written[3]) == {"file_name": "./cat.png", "prompt": "new"}
    assert json.loads(written[4]) == {"file_name": "coffee.png", "prompt": "added"}


def test_saving_to_csv_keeps_its_other_cells(photos: Path) -> None:
    rows = 'file_name,license,prompt\nrocket.png,"CC0, mostly",r,extra\nother.png,x,"two\nlines"\ncat.png,y,c\n'
    (photos / "metadata.csv").write_text(rows)

    save_captions(open_dataset(photos), {"cat.png": EVIL, "coffee.png": "added"})

    text = (photos / "metadata.csv").read_bytes().decode()
    assert text.startswith(rows.removesuffix("cat.png,y,c\n"))
    assert not (photos / "metadata.jsonl").exists()
    assert captions(photos) == {
        "astronaut.png": None,
        "cat.png": EVIL,
        "coffee.png": "added",
        "rocket.png": "r",
    }


def test_an_edit_leaves_the_rows_other_cells_as_they_are_written(photos: Path) -> None:
    (photos / "metadata.csv").write_bytes(
        b'"file_name","prompt","id"\r\n"cat.png","c","007"\r\nrocket.png,r, x "y"\r\n'
    )
    save_captions(open_dataset(photos), {"cat.png": "new", "rocket.png": 'a, "b"'})
    assert (photos / "metadata.csv").read_bytes() == (
        b'"file_name","prompt","id"\r\n"cat.png",new,"007"\r\nrocket.png,"a, ""b""", x "y"\r\n'
    )


def test_an_empty_cell_does_not_hide_the_caption_file(photos: Path) -> None:
    (photos / "metadata.csv").write_text("file_name,prompt,score\ncat.png,,1\nrocket.png,r,2\n")
    (photos / "cat.txt").write_text("a cat\n")
    assert captions(photos)["cat.png"] == "a cat"
    assert open_dataset(photos).disagreeing == ()


def test_a_csv_without_the_caption_column_gains_it(photos: Path) -> None:
    (photos / "metadata.csv").write_text("file_name,text\ncat.png,old\nrocket.png,other")
    save_captions(open_dataset(photos), {"cat.png": "new"})
    assert (photos / "metadata.csv").read_text() == "file_name,text,prompt\ncat.png,old,new\nrocket.png,other"


@pytest.mark.parametrize("start", [None, ("metadata.jsonl", ""), ("metadata.csv", "file_name,prompt\n")])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.fixed_dictionaries({"cat.png": ANY_TEXT, "rocket.png": ANY_TEXT}))
def test_any_caption_comes_back_exactly(photos: Path, start: tuple[str, str] | None, texts: dict[str, str]) -> None:
    for name in ("metadata.jsonl", "metadata.csv"):
        (photos / name).unlink(missing_ok=True)
    if start:
        (photos / start[0]).write_text(start[1])
    saved = save_captions(open_dataset(photos), texts)
    no_text = None if start and start[0] == "metadata.csv" else ""  # an empty cell of a CSV is no caption
    assert {name: captions(photos)[name] for name in texts} == {name: text or no_text for name, text in texts.items()}
    assert saved == open_dataset(photos)


def test_saving_what_is_there_already_writes_nothing(photos: Path) -> None:
    path = photos / "metadata.jsonl"
    path.write_text('{"prompt":"c","file_name":"cat.png"}')
    save_captions(open_dataset(photos), {"cat.png": "c"})
    assert path.read_text() == '{"prompt":"c","file_name":"cat.png"}'


@pytest.mark.parametrize("before", [None, '{"file_name": "cat.png", "prompt": "mine"}\n'])
def test_a_file_that_someone_else_changed_is_not_overwritten(photos: Path, before: str | None) -> None:
    path = photos / "metadata.jsonl"
    if before:
        path.write_text(before)
    dataset = open_dataset(photos)
    theirs = '{"file_name": "cat.png", "prompt": "theirs"}\n'
    path.write_text(theirs)

    with pytest.raises(CurationError, match="changed by another program"):
        save_captions(dataset, {"cat.png": "ours"})

    assert path.read_text() == theirs


# Caption files beside the photos.


@pytest.mark.parametrize(
    "before", ["old", "old\n", "old\r\nsecond\r\n", "\ufeffold\r\n", "old\n\n third\n", "old\rsecond", ""]
)
def test_saving_edits_the_first_line_of_the_caption_file_and_nothing_else(photos: Path, before: str) -> None:
    (photos / "cat.txt").write_bytes(before.encode())
    dataset = open_dataset(photos)
    assert captions(photos)["cat.png"] == ("old" if before else "")

    save_captions(dataset, {"cat.png": "new"})

    assert (photos / "cat.txt").read_bytes() == (before.replace("old", "new") or "new").encode()
    assert not (photos / "metadata.jsonl").exists()


def test_further_lines_are_shown_and_kept(photos: Path) -> None:
    (photos / "cat.txt").write_text("first\nsecond\nthird\n")
    photo = save_captions(open_dataset(photos), {"cat.png": "new"}).photos[1]
    assert (photo.caption, photo.more_captions) == ("new", ("second", "third"))


def test_a_folder_with_caption_files_gets_more_of_them(photos: Path) -> None:
    (photos / "cat.txt").write_text("a cat")
    save_captions(open_dataset(photos), {"rocket.png": "a rocket"})
    assert (photos / "rocket.txt").read_bytes() == b"a rocket\n"
    assert captions(photos)["rocket.png"] == "a rocket"


def test_where_there_are_both_they_are_kept_in_step(photos: Path) -> None:
    (photos / "metadata.csv").write_text("file_name,prompt\ncat.png,a cat\n")
    (photos / "cat.txt").write_text("an older cat\n")
    save_captions(open_dataset(photos), {"cat.png": "new", "rocket.png": "a rocket"})
    assert (photos / "cat.txt").read_text() == "new\n"
    assert not (photos / "rocket.txt").exists()
    assert captions(photos)["cat.png"] == "new"

    undo(photos)
    assert (photos / "cat.txt").read_text() == "an older cat\n"
    assert captions(photos)["cat.png"] == "a cat"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.fixed_dictionaries({"cat.png": ANY_TEXT, "rocket.png": ANY_TEXT}), mark=st.sampled_from(["", "\ufeff"]))
def test_any_caption_of_one_line_comes_back_exactly_from_its_file(
    photos: Path, texts: dict[str, str], mark: str
) -> None:
    (photos / "cat.txt").write_text(mark + "old\nmore\n")
    (photos / "rocket.txt").unlink(missing_ok=True)
    lines = {name: text.replace("\n", " ").replace("\r", " ") for name, text in texts.items()}
    save_captions(open_dataset(photos), lines)
    assert {name: caption for name, caption in captions(photos).items() if name in texts} == lines
    assert open_dataset(photos).photos[1].more_captions == ("more",)


@pytest.mark.parametrize("metadata", [None, '{"file_name": "cat.png", "prompt": "a cat"}\n'])
def test_a_line_break_is_not_put_into_a_file_of_one_caption_a_line(photos: Path, metadata: str | None) -> None:
    (photos / "cat.txt").write_text("a cat")
    if metadata:
        (photos / "metadata.jsonl").write_text(metadata)
    with pytest.raises(CurationError, match="line break"):
        save_captions(open_dataset(photos), {"cat.png": "two\nlines"})
    assert (photos / "cat.txt").read_text() == "a cat"
    assert (photos / "metadata.jsonl").exists() == bool(metadata)


@pytest.mark.parametrize("content", ["a café".encode("latin-1"), "a cat".encode("utf-16"), b"\xff\xfe"])
def test_a_file_in_another_encoding_is_told_and_never_written_over(photos: Path, content: bytes) -> None:
    (photos / "cat.txt").write_bytes(content)
    dataset = open_dataset(photos)
    assert dataset.photos[1].caption is None
    assert dataset.sidecars["cat.png"].fault == ("not UTF-8 text" if content.startswith(b"a") else "UTF-16")
    with pytest.raises(CurationError, match=r"cat\.txt"):
        save_captions(dataset, {"cat.png": "ours", "rocket.png": "ours"})
    assert (photos / "cat.txt").read_bytes() == content
    assert not (photos / "rocket.txt").exists()


@pytest.mark.parametrize("theirs", ["theirs", None])
def test_a_caption_file_that_someone_else_changed_is_not_overwritten(photos: Path, theirs: str | None) -> None:
    (photos / "cat.txt").write_text("mine")
    dataset = open_dataset(photos)
    (photos / "cat.txt").unlink() if theirs is None else (photos / "cat.txt").write_text(theirs)
    with pytest.raises(CurationError, match=r"cat\.txt was changed by another program"):
        save_captions(dataset, {"cat.png": "ours", "rocket.png": "ours"})
    assert (photos / "cat.txt").exists() == (theirs is not None)
    assert not (photos / "rocket.txt").exists()


def test_a_metadata_file_that_came_meanwhile_is_not_talked_past(photos: Path) -> None:
    (photos / "cat.txt").write_text("mine")
    dataset = open_dataset(photos)
    (photos / "metadata.jsonl").write_text('{"file_name": "cat.png", "prompt": "theirs"}\n')
    with pytest.raises(CurationError, match=r"metadata\.jsonl was changed"):
        save_captions(dataset, {"cat.png": "ours"})
    assert (photos / "cat.txt").read_text() == "mine"


def test_photos_that_share_a_caption_file_are_captioned_together_or_not(photos: Path) -> None:
    (photos / "rocket.png").rename(photos / "cat.jpg")
    (photos / "cat.txt").write_text("a cat")
    with pytest.raises(CurationError, match=r"cat\.jpg and cat\.png share"):
        save_captions(open_dataset(photos), {"cat.png": "ours"})
    assert (photos / "cat.txt").read_text() == "a cat"
    save_captions(open_dataset(photos), {"cat.png": "ours", "cat.jpg": "ours"})
    assert (photos / "cat.txt").read_text() == "ours"


def test_texts_and_rows_without_a_photo_are_known(photos: Path) -> None:
    (photos / "more").mkdir()
    for name in ("cat.txt", "Rocket.txt", "more/gone.txt", ".hidden.txt"):
        (photos / name).write_text("a caption")
    rows = [{"file_name": "cat.png"}, {"file_name": "cafe\u0301.png"}, {"file_name": "more/gone.png"}, {"note": "x"}]
    (photos / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (photos / "coffee.png").rename(photos / "caf\u00e9.png")
    dataset = open_dataset(photos)
    assert dataset.orphaned_sidecars == ("Rocket.txt", "more/gone.txt")
    assert dataset.orphaned_rows == ("cafe\u0301.png", "more/gone.png")


def test_metadata_in_a_subfolder_is_not_taken_for_the_folders(photos: Path) -> None:
    (photos / "more").mkdir()
    (photos / "more" / "metadata.jsonl").write_text('{"file_name": "cat.png", "prompt": "another cat"}\nbroken')
    dataset = open_dataset(photos)
    assert dataset.metadata.content is None
    assert set(captions(photos).values()) == {None}


@pytest.mark.parametrize("sidecars", [True, False])
def test_every_edit_can_be_undone(photos: Path, sidecars: bool) -> None:
    if sidecars:
        (photos / "cat.txt").write_text("a cat")
    before = {path: path.read_bytes() for path in photos.iterdir()}
    include(exclude(save_captions(open_dataset(photos), {"cat.png": "x"}), {"cat.png": "y"}), ["cat.png"])
    assert [entry.summary for entry in history(photos)] == [
        f"{do} cat.png" for do in ("Caption", "Leave out", "Take back")
    ]
    for excluded in ("y", None):
        undo(photos)
        assert open_dataset(photos).photos[1].excluded == excluded
    undo(photos)
    assert {path: path.read_bytes() for path in photos.iterdir() if path.is_file()} == before


def test_a_caption_for_an_unknown_photo_is_refused(photos: Path) -> None:
    with pytest.raises(CurationError, match=r"dog\.png"):
        save_captions(open_dataset(photos), {"dog.png": "a dog"})


def test_an_excluded_photo_stays_where_it_is_and_is_not_trained_on(photos: Path) -> None:
    before = {path: path.read_bytes() for path in photos.iterdir()}

    dataset = exclude(open_dataset(photos), {"cat.png": "not her"})

    assert [photo.name for photo in dataset.trainable] == ["astronaut.png", "coffee.png", "rocket.png"]
    assert {photo.name: photo.excluded for photo in dataset.photos}["cat.png"] == "not her"
    assert all(path.read_bytes() == content for path, content in before.items())
    assert open_dataset(photos) == dataset


def test_an_excluded_photo_can_be_taken_back(photos: Path) -> None:
    both = exclude(open_dataset(photos), {"cat.png": "a", "rocket.png": "b"})
    assert [photo.name for photo in include(both, ["cat.png"]).photos if photo.excluded] == ["rocket.png"]


def test_a_broken_list_of_exclusions_is_refused_rather_than_forgotten(photos: Path) -> None:
    exclude(open_dataset(photos), {"cat.png": "a"})
    (photos / ".loratui" / "exclusions.json").write_text("{")
    with pytest.raises(CurationError, match="excluded photos"):
        open_dataset(photos)


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "cat.txt"])
def test_a_pipe_in_the_place_of_captions_is_refused_and_not_waited_for(photos: Path, name: str) -> None:
    os.mkfifo(photos / name)
    with pytest.raises(CurationError, match=f"{name} cannot be read: not a regular file"):
        open_dataset(photos)


def test_a_csv_photo_whose_name_is_not_utf8_is_refused_in_two_sentences(photos: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (photos / "cat.png").rename(photos / name)
    (photos / "metadata.csv").write_text("file_name,prompt\nrocket.png,r\n")
    with pytest.raises(CurationError, match=r"metadata\.csv cannot hold"):
        save_captions(open_dataset(photos), {name: "a cat"})
    assert (photos / "metadata.csv").read_text() == "file_name,prompt\nrocket.png,r\n"


def test_a_quoted_header_after_a_byte_order_mark_is_read(photos: Path) -> None:
    rows = '\ufeff"file_name","prompt"\r\n"cat.png","a cat"\r\n'
    (photos / "metadata.csv").write_bytes(rows.encode())
    assert captions(photos)["cat.png"] == "a cat"
    save_captions(open_dataset(photos), {"rocket.png": "r"})
    assert (photos / "metadata.csv").read_bytes().decode() == rows + "rocket.png,r\r\n"


def test_a_csv_that_gains_a_column_keeps_its_byte_order_mark(photos: Path) -> None:
    (photos / "metadata.csv").write_text("\ufefffile_name\ncat.png\n")
    save_captions(open_dataset(photos), {"cat.png": "new"})
    assert (photos / "metadata.csv").read_text() == "\ufefffile_name,prompt\ncat.png,new\n"


@pytest.mark.parametrize("header", ["file_name;prompt", "\nfile_name,prompt", "image,prompt"])
def test_a_csv_that_does_not_name_its_files_is_refused(photos: Path, header: str) -> None:
    (photos / "metadata.csv").write_text(f"{header}\ncat.png;a cat\n")
    with pytest.raises(CurationError, match="no column file_name"):
        open_dataset(photos)


def test_of_two_columns_with_one_name_the_one_that_is_read_is_written(photos: Path) -> None:
    (photos / "metadata.csv").write_text("file_name,prompt,prompt\ncat.png,first,second\n")
    assert captions(photos)["cat.png"] == "second"
    save_captions(open_dataset(photos), {"cat.png": "new"})
    assert captions(photos)["cat.png"] == "new"
    assert (photos / "metadata.csv").read_text() == "file_name,prompt,prompt\ncat.png,first,new\n"


@pytest.mark.parametrize("value", ["5", '["a", "b"]', '{"en": "a cat"}', "true"])
def test_a_caption_that_is_not_text_is_refused_rather_than_written_over(photos: Path, value: str) -> None:
    (photos / "metadata.jsonl").write_text(f'{{"file_name": "cat.png", "prompt": {value}}}\n')
    with pytest.raises(CurationError, match=r'"prompt" of cat\.png .* is not text'):
        open_dataset(photos)
    assert captions(photos, "text")["cat.png"] is None


def test_the_column_of_names_is_no_column_of_captions(photos: Path) -> None:
    (photos / "metadata.jsonl").write_text('{"file_name": "cat.png"}\n')
    with pytest.raises(CurationError, match="file_name"):
        open_dataset(photos, "file_name")


def test_names_written_on_windows_are_found(photos: Path) -> None:
    (photos / "sub").mkdir()
    (photos / "cat.png").rename(photos / "sub" / "cat.png")
    (photos / "rocket.png").rename(photos / "rock\\et.png")
    rows = [{"file_name": "sub\\cat.png", "prompt": "a cat"}, {"file_name": "rock\\et.png", "prompt": "a rocket"}]
    (photos / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert captions(photos)["sub/cat.png"] == "a cat"
    assert captions(photos)["rock\\et.png"] == "a rocket"


@pytest.mark.parametrize("name", ["exclusions", "facts"])
def test_nesting_without_end_is_not_followed(photos: Path, name: str) -> None:
    (photos / ".loratui").mkdir()
    (photos / ".loratui" / f"{name}.json").write_text("[" * 200_000)
    if name == "exclusions":
        with pytest.raises(CurationError, match="excluded photos"):
            open_dataset(photos)
    else:
        assert read_facts(photos) == {}


def test_a_path_too_long_for_any_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CurationError, match="File name too long"):
        open_dataset(tmp_path / ("x" * 300))


def test_an_edit_changes_no_other_value_of_the_row(photos: Path) -> None:
    row = '{"file_name": "cat.png", "prompt": "old", "score": 1e400, "id": 12345678901234567890.10, "k": 1, "k": 2}\n'
    (photos / "metadata.jsonl").write_text(row)
    save_captions(open_dataset(photos), {"cat.png": "new"})
    assert (photos / "metadata.jsonl").read_text() == row.replace("old", "new")


@given(row=st.dictionaries(st.text(), st.recursive(st.none() | st.floats() | st.text(), st.lists), max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_row_keeps_its_other_values(photos: Path, row: dict[str, object]) -> None:
    line = json.dumps(row | {"file_name": "cat.png", "prompt": None})
    (photos / "metadata.jsonl").write_text(line)
    save_captions(open_dataset(photos), {"cat.png": EVIL})
    written = (photos / "metadata.jsonl").read_text("utf-8")
    assert repr(json.loads(written)) == repr(json.loads(line) | {"prompt": EVIL})  # repr: NaN is not equal to itself


def test_two_metadata_files_are_refused_rather_than_one_ignored(photos: Path) -> None:
    (photos / "metadata.jsonl").write_text('{"file_name": "rocket.png", "prompt": "a rocket"}\n')
    (photos / "metadata.csv").write_text("file_name,prompt\ncat.png,a cat\n")
    with pytest.raises(CurationError, match=r"both metadata\.jsonl and metadata\.csv"):
        open_dataset(photos)


def test_a_caption_longer_than_csv_readers_expect_comes_back(photos: Path) -> None:
    (photos / "metadata.csv").write_text("file_name,prompt\n")
    save_captions(open_dataset(photos), {"cat.png": "x" * 200_000})
    assert captions(photos)["cat.png"] == "x" * 200_000
