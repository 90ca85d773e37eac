"""CAP: what the checks say about captions and the files that hold them."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from curation import Finding, open_dataset
from curation.fragments import common_fragments, phrases
from curation.lint import lint
from curation.needs import TrainingNeeds
from curation.selection import Selection

NAMES = ("astronaut", "cat", "coffee", "rocket")


@pytest.fixture
def check() -> Callable[..., list[Finding]]:
    """Lint a folder for one rule."""

    def run(folder: Path, code: str, needs: TrainingNeeds | None = None) -> list[Finding]:
        return list(lint(open_dataset(folder), "style", needs or TrainingNeeds(256), Selection((code,))).findings)

    return run


Check = Callable[..., list[Finding]]
TOK = TrainingNeeds(256, ("TOK",))


def write(photos: Path, *captions: str) -> None:
    for name, caption in zip(NAMES, captions, strict=False):
        (photos / f"{name}.txt").write_bytes(caption.encode())


def test_cap004_a_caption_that_is_empty_is_not_one_that_is_missing(photos: Path, check: Check) -> None:
    write(photos, "", "a cat", " \r\n")
    (finding,) = check(photos, "CAP004")
    assert (finding.severity, finding.photos) == ("warning", ("astronaut.png", "coffee.png"))
    assert [finding.photos for finding in check(photos, "CAP001")] == [("rocket.png",)]


def test_cap005_a_caption_file_without_a_photo(photos: Path, check: Check) -> None:
    write(photos, "an astronaut")
    for name in ("gone.txt", "Rocket.txt", "README.txt", "references_and_licenses.txt"):
        (photos / name).write_text("text")
    (finding,) = check(photos, "CAP005")
    assert finding.photos == ("rocket.png",)
    assert "2 caption files" in finding.message
    assert "Rocket.txt (the photo is rocket.png), gone.txt" in finding.message


def test_cap005_texts_beside_photos_without_captions_are_none(photos: Path, check: Check) -> None:
    (photos / "shopping-list.txt").write_text("milk")
    assert not check(photos, "CAP005")


@pytest.mark.parametrize(
    ("sidecar", "disagrees"),
    [("a cat", False), (" a  cat\n", False), ("a dog", True), ("a cat\na dog", False), ("", True)],
)
def test_cap006_two_captions_for_one_photo(photos: Path, check: Check, sidecar: str, disagrees: bool) -> None:
    (photos / "metadata.jsonl").write_text('{"file_name": "cat.png", "prompt": "a cat"}\n')
    write(photos, "no row", sidecar)
    assert [finding.photos for finding in check(photos, "CAP006")] == ([("cat.png",)] if disagrees else [])


def test_cap007_the_trigger_word_twice(photos: Path, check: Check) -> None:
    write(photos, "TOK, TOK in space", "a TOK cat on TOKYO's roof", "tok TOK", "TOK's TOK")
    (finding,) = check(photos, "CAP007", TOK)
    assert (finding.photos, finding.value) == (("astronaut.png", "rocket.png"), 2)
    assert not check(photos, "CAP007")


def test_cap008_more_tokens_than_the_encoders_read(photos: Path, check: Check) -> None:
    write(photos, "cat " * 75, "cat " * 76, "TOK " + "cat " * 74)
    (finding,) = check(photos, "CAP008")
    assert (finding.photos, finding.value, finding.threshold) == (("cat.png",), 76, 75)
    assert "the last 1 are cut off" in finding.message
    assert [finding.photos for finding in check(photos, "CAP008", TOK)] == [("cat.png",), ("coffee.png",)]


def test_cap008_is_skipped_with_a_tokenizer_that_cannot_be_read(photos: Path, tmp_path: Path) -> None:
    write(photos, "a cat")
    needs = TrainingNeeds(256, tokenizer=tmp_path / "missing" / "merges.txt")
    report = lint(open_dataset(photos), "style", needs, Selection(("CAP008",)))
    assert [skipped.code for skipped in report.skipped] == ["CAP008"]


@pytest.mark.parametrize(
    ("caption", "shown"),
    [("a \x1b[31mcat", r"\x1b"), ("TO\u200bK", r"\u200b"), ("a \u202ecat", r"\u202e"), ("\ufeffa cat", r"\ufeff")],
)
def test_cap010_characters_that_are_not_seen(photos: Path, check: Check, caption: str, shown: str) -> None:
    (photos / "metadata.jsonl").write_text(json.dumps({"file_name": "cat.png", "prompt": caption}) + "\n")
    (finding,) = check(photos, "CAP010")
    assert finding.photos == ("cat.png",)
    assert finding.message == f"The caption holds {shown}."


@pytest.mark.parametrize("caption", ["a\tcat\r\nin the sun", "👩\u200d🚀", "日本語, עברית, Ångström, \u2019"])
def test_cap010_and_cap011_leave_honest_text_alone(photos: Path, check: Check, caption: str) -> None:
    (photos / "metadata.jsonl").write_text(json.dumps({"file_name": "cat.png", "prompt": caption}) + "\n")
    assert not check(photos, "CAP010")
    assert not check(photos, "CAP011")


def test_cap011_a_file_in_another_encoding_blocks_and_is_no_missing_caption(photos: Path, check: Check) -> None:
    write(photos, "an astronaut", "a cat", "a cup", "a rocket")
    (photos / "cat.txt").write_bytes("a café".encode("latin-1"))
    (photos / "coffee.txt").write_text("a café", "utf-16")
    findings = check(photos, "CAP011")
    assert [(f.severity, f.photos) for f in findings] == [("error", ("cat.png",)), ("error", ("coffee.png",))]
    assert "UTF-16" in findings[1].message
    assert not check(photos, "CAP001")


@pytest.mark.parametrize(("caption", "meant"), [("cafÃ©", "é"), ("itâ€™s", "\u2019"), ("caf\ufffd", "lost")])
def test_cap011_letters_read_in_the_wrong_encoding(photos: Path, check: Check, caption: str, meant: str) -> None:
    write(photos, caption)
    (finding,) = check(photos, "CAP011")
    assert finding.severity == "warning"
    assert meant in finding.message


def test_cap012_a_row_without_a_photo_and_the_photo_that_it_may_mean(photos: Path, check: Check) -> None:
    (photos / "coffee.png").rename(photos / unicodedata.normalize("NFC", "café.png"))
    names = ("gone.png", unicodedata.normalize("NFD", "café.png"), "CAT.png", "rocket.png")
    (photos / "metadata.jsonl").write_text("".join(json.dumps({"file_name": name}) + "\n" for name in names))
    (finding,) = check(photos, "CAP012")
    assert finding.photos == ("café.png", "cat.png")
    assert "3 rows" in finding.message
    assert r"'cafe\u0301.png' (the photo is 'caf\xe9.png')" in finding.message
    assert "CAT.png (the photo is cat.png)" in finding.message


@pytest.fixture
def fragments(folder: Path, check: Check) -> Callable[..., list[str]]:
    """What CAP009 names in captions of as many photos."""

    def run(captions: list[str], triggers: tuple[str, ...] = (), prompt: str | None = None) -> list[str]:
        for number, caption in enumerate(captions):
            Image.new("RGB", (8, 8)).save(folder / f"{number}.png")
            (folder / f"{number}.txt").write_text(caption)
        findings = check(folder, "CAP009", TrainingNeeds(256, triggers, instance_prompt=prompt))
        return sorted(finding.message.split('"')[1] for finding in findings)

    return run


Fragments = Callable[..., list[str]]
PLACES = ["beach", "forest", "street", "kitchen", "garden"]


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("TOK at the {place}, in soft evening light", ["in soft evening light"]),
        (
            "in soft evening light at the {place} with warm colours all over",
            ["in soft evening light at the", "with warm colours all over"],
        ),
        ("a photo of TOK at the {place}", []),
        ("the {place} in the style of TOK", []),
        ("an old photo of a {place}", []),
        ("{place}, soft light", []),
        ("a portrait of the artist, {place}", []),
    ],
)
def test_cap009_words_that_nearly_all_captions_hold(fragments: Fragments, template: str, found: list[str]) -> None:
    assert fragments([template.format(place=place) for place in PLACES], ("TOK",)) == found


@pytest.mark.parametrize(
    ("captions", "found"),
    [
        (PLACES, True),
        (PLACES[:4], False),
        (["beach"] * 20, False),
        ([*PLACES[:4], "-"], True),
        ([*PLACES[:3], "-", "--"], False),
    ],
)
def test_cap009_wants_enough_different_captions(fragments: Fragments, captions: list[str], found: bool) -> None:
    texts = [f"in soft evening light, {place}" if place.isalpha() else place for place in captions]
    assert bool(fragments(texts)) == found


def test_cap009_leaves_the_instance_prompt_out(fragments: Fragments) -> None:
    assert not fragments([f"in soft evening light, {place}" for place in PLACES], prompt="in soft evening light")


def test_the_longest_fragments_are_named_once() -> None:
    captions = [phrases(f"{n} a b c d {n} c d e {n}", (), None) for n in range(5)]
    assert common_fragments(captions, 2, 5) == [("a", "b", "c", "d"), ("c", "d", "e")]
