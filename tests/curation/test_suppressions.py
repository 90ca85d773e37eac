"""What a person said is fine stays unsaid: by the photos' content, with a reason, until they change."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from curation import CurationError, Report, exclude, open_dataset
from curation.journal import undo
from curation.lint import Selection, TrainingNeeds, lint
from curation.suppressions import read_suppressions, remove, suppress

NEEDS = TrainingNeeds(256)


@pytest.fixture
def blurred(photos: Path) -> Path:
    """Four photos, the cat and the coffee out of focus."""
    for name in ("cat.png", "coffee.png"):
        Image.open(photos / name).filter(ImageFilter.GaussianBlur(4)).save(photos / name)
    return photos


def linted(folder: Path, *codes: str) -> Report:
    return lint(open_dataset(folder), "object", NEEDS, Selection(select=codes))


def found(report: Report) -> list[tuple[str, ...]]:
    return [finding.photos for finding in report.findings]


def test_a_suppressed_finding_is_set_apart_with_its_reason(blurred: Path) -> None:
    assert found(linted(blurred, "IMG002")) == [("cat.png",), ("coffee.png",)]
    suppress(open_dataset(blurred), "img002", ["cat.png"], "a foggy morning")
    report = linted(blurred, "IMG002")
    assert found(report) == [("coffee.png",)]
    assert [(one.finding.photos, one.reason) for one in report.suppressed] == [(("cat.png",), "a foggy morning")]
    assert report.unused_suppressions == ()


def test_it_survives_a_new_name_and_ends_with_new_content(blurred: Path) -> None:
    suppress(open_dataset(blurred), "IMG002", ["cat.png"], "fog")
    (blurred / "cat.png").rename(blurred / "renamed.png")
    assert found(linted(blurred, "IMG002")) == [("coffee.png",)]
    Image.open(blurred / "renamed.png").rotate(90, expand=True).save(blurred / "renamed.png")
    report = linted(blurred, "IMG002")
    assert ("renamed.png",) in found(report)
    assert [one.reason for one in report.unused_suppressions] == ["fog"]


def test_a_group_is_suppressed_with_all_its_photos_and_with_fewer_but_not_with_more(photos: Path) -> None:
    for name in ("1.png", "2.png"):
        shutil.copy(photos / "cat.png", photos / name)
    # Three files of the same pixels, and of different bytes, so that each counts on its own.
    for name, level in (("1.png", 1), ("2.png", 2)):
        Image.open(photos / "cat.png").save(photos / name, compress_level=level)
    suppress(open_dataset(photos), "DUP001", ["1.png", "cat.png"], "on purpose")
    assert found(linted(photos, "DUP001")) == [("1.png", "2.png", "cat.png")]
    (photos / "2.png").unlink()
    assert found(linted(photos, "DUP001")) == []


def test_the_whole_set_is_suppressed_by_the_code_alone(photos: Path) -> None:
    suppress(open_dataset(photos), "SET002", [], "four are enough")
    assert found(linted(photos, "SET002")) == []
    suppress(open_dataset(photos), "CAP001", [], "this names photos, so it does not match")
    report = linted(photos, "CAP001")
    assert found(report) != [] and len(report.unused_suppressions) == 1


def test_only_a_rule_that_had_its_say_finds_a_suppression_unused(photos: Path) -> None:
    suppress(open_dataset(photos), "FIL002", ["cat.png"], "a scan")
    suppress(open_dataset(photos), "FAC004", ["cat.png"], "her sister")
    assert [one.code for one in linted(photos, "FIL002").unused_suppressions] == ["FIL002"]
    assert linted(photos, "DUP001").unused_suppressions == ()
    assert lint(open_dataset(photos), "person", NEEDS, Selection(select=("FAC004",))).unused_suppressions == ()
    exclude(open_dataset(photos), {"cat.png": "not now"})
    assert linted(photos, "FIL002").unused_suppressions == ()


def test_a_second_word_on_the_same_photos_replaces_the_first(photos: Path) -> None:
    for reason in ("one", "two"):
        suppress(open_dataset(photos), "IMG002", ["cat.png"], reason)
    assert [one.reason for one in read_suppressions(photos)] == ["two"]


def test_they_are_taken_back_by_rule_and_photo_and_undone(photos: Path) -> None:
    for name in ("cat.png", "coffee.png"):
        suppress(open_dataset(photos), "IMG002", [name], name)
    suppress(open_dataset(photos), "SET002", [], "few")
    assert [one.reason for one in remove(open_dataset(photos), "IMG002", ["cat.png"])] == ["cat.png"]
    assert [one.reason for one in read_suppressions(photos)] == ["coffee.png", "few"]
    undo(photos)
    assert [one.reason for one in read_suppressions(photos)] == ["cat.png", "coffee.png", "few"]
    for _ in range(3):
        undo(photos)
    assert read_suppressions(photos) == ()
    assert not (photos / ".loratui" / "suppressions.json").exists()


def test_a_damaged_photo_and_a_file_that_is_no_photo_are_suppressed_by_their_bytes(photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"not a photo")
    suppress(open_dataset(photos), "FIL001", ["broken.jpg"], "waiting for the original")
    assert found(linted(photos, "FIL001")) == []
    suppress(open_dataset(photos), "SET002", [".loratui/suppressions.json"], "any file will do")


@pytest.mark.parametrize(
    ("code", "name", "reason", "said"),
    [
        ("IMG02", "cat.png", "x", "Did you mean IMG002"),
        ("IMG002", "dog.png", "x", "no file"),
        ("IMG002", "../photos/cat.png", "x", "no file"),
        ("IMG002", "/etc/hostname", "x", "no file"),
        ("IMG002", "\x00", "x", "no file"),
        ("IMG002", "cat.png", "  ", "needs a reason"),
    ],
)
def test_what_cannot_be_suppressed_is_refused(photos: Path, code: str, name: str, reason: str, said: str) -> None:
    with pytest.raises(CurationError, match=said):
        suppress(open_dataset(photos), code, [name], reason)
    assert not (photos / ".loratui").exists()


def test_taking_back_what_is_not_there_is_refused(photos: Path) -> None:
    with pytest.raises(CurationError, match="suppressed"):
        remove(open_dataset(photos), "IMG002")


@pytest.mark.parametrize("content", ["{", "[]", '{"suppressions": 3}', '{"suppressions": [{"code": "A"}]}', "\xff"])
def test_a_broken_list_is_told_and_never_overwritten(photos: Path, content: str) -> None:
    (photos / ".loratui").mkdir()
    (path := photos / ".loratui" / "suppressions.json").write_bytes(content.encode("latin-1"))
    for attempt in (lambda: linted(photos), lambda: suppress(open_dataset(photos), "IMG002", ["cat.png"], "x")):
        with pytest.raises(CurationError, match="cannot be read"):
            attempt()
    assert path.read_bytes() == content.encode("latin-1")


def test_names_and_reasons_are_kept_as_they_are(photos: Path) -> None:
    name, reason = "[b]\u202e👩‍🚀\n.png", "<i>\x1b[31m\u202e"
    (photos / "cat.png").rename(photos / name)
    suppress(open_dataset(photos), "IMG002", [name], reason)
    (stored,) = read_suppressions(photos)
    assert (list(stored.photos), stored.reason) == ([name], reason)
    json.loads((photos / ".loratui" / "suppressions.json").read_text("ascii"))
