"""A lint measures each photo once, judges what training would use, and stands a folder it cannot write."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from curation import CurationError, Finding, Report, exclude, open_dataset
from curation.checks import RULES
from curation.facts.store import read_facts
from curation.lint import Selection, TrainingNeeds, lint
from curation.suppressions import suppress


def test_an_unchanged_photo_is_not_measured_again(photos: Path) -> None:
    first = lint(open_dataset(photos))
    (photos / "cat.png").touch()
    told: list[tuple[int, int]] = []

    second = lint(open_dataset(photos), on_progress=lambda done, total: told.append((done, total)))

    assert told == [(3, 4), (4, 4)]
    assert second == first


def test_other_thresholds_and_kinds_use_the_same_facts(photos: Path) -> None:
    lint(open_dataset(photos), "person")
    told: list[tuple[int, int]] = []
    lint(open_dataset(photos), "style", TrainingNeeds(2048), on_progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 4)]


def test_faces_are_looked_for_only_when_they_matter(photos: Path) -> None:
    lint(open_dataset(photos), "object")
    assert {stored.facts.faces for stored in read_facts(photos).values()} == {None}
    lint(open_dataset(photos), "person")
    assert all(stored.facts.faces is not None for stored in read_facts(photos).values())


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 3, "name": "cat.png"}', '{"version": 0}', "\n\n", "\0"])
def test_spoiled_facts_are_measured_anew(photos: Path, content: str) -> None:
    expected = lint(open_dataset(photos))
    stored = photos / ".loratui" / "facts.jsonl"
    stored.write_text(content + "\n" + stored.read_text().replace('"tones":{', '"tones":{"spoiled":1,'))
    assert lint(open_dataset(photos)) == expected


def test_a_flipped_bit_in_the_facts_is_noticed(photos: Path) -> None:
    expected = lint(open_dataset(photos))
    stored = photos / ".loratui" / "facts.jsonl"
    stored.write_bytes(stored.read_bytes().replace(b'"width":512', b'"width":112'))
    assert lint(open_dataset(photos)) == expected


def test_a_line_cut_short_loses_only_itself(photos: Path) -> None:
    lint(open_dataset(photos))
    stored = photos / ".loratui" / "facts.jsonl"
    stored.write_bytes(stored.read_bytes()[:-20])
    (photos / "cat.png").touch()
    lint(open_dataset(photos))
    assert set(read_facts(photos)) == {"astronaut.png", "cat.png", "coffee.png", "rocket.png"}


def test_a_folder_where_nothing_can_be_written_is_still_judged(photos: Path) -> None:
    (photos / ".loratui").write_text("a file where the folder would be")
    assert lint(open_dataset(photos)).photos == 4


def test_an_interrupted_lint_keeps_what_it_measured(photos: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lint(open_dataset(photos), on_progress=interrupt)
    assert len(read_facts(photos)) == 2


def test_excluded_photos_are_counted_and_not_judged(photos: Path) -> None:
    (photos / "broken.jpg").write_text("")
    report = lint(exclude(open_dataset(photos), {"broken.jpg": "empty"}), selection=Selection(ignore=("IMG",)))
    assert report.photos == 5
    assert report.verdict == "ready"


def test_rules_are_left_out_by_code_and_by_family(photos: Path, lint_folder: Callable[..., Report]) -> None:
    codes = {
        finding.code
        for finding in lint(
            open_dataset(photos),
            selection=Selection(
                ignore=(
                    "SET002",
                    "img",
                    "FAC",
                )
            ),
        ).findings
    }
    assert codes == {"CAP001"}


def test_leaving_out_a_rule_that_does_not_exist_is_refused(photos: Path) -> None:
    with pytest.raises(CurationError, match="SET02"):
        lint(open_dataset(photos), selection=Selection(ignore=("SET02",)))


def test_findings_come_worst_first(photos: Path) -> None:
    Image.open(photos / "cat.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(photos / "flip.png")
    (photos / "broken.jpg").write_text("")
    severities = [finding.severity for finding in lint(open_dataset(photos)).findings]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert set(severities) == {"error", "warning", "info"}


@pytest.mark.parametrize("position", range(0, 4000, 400))
def test_damaged_bytes_never_end_a_lint(folder: Path, position: int) -> None:
    image = Image.effect_noise((64, 64), 60).convert("RGB")
    for suffix in ("jpg", "png", "webp", "gif", "tiff"):
        image.save(folder / f"photo.{suffix}")
        content = bytearray((folder / f"photo.{suffix}").read_bytes())
        content[position % len(content)] ^= 0xFF
        content[(position * 7) % len(content)] ^= 0x55
        (folder / f"photo.{suffix}").write_bytes(content)
    assert lint(open_dataset(folder)).photos == 5


def test_a_photo_that_vanishes_is_a_finding(photos: Path) -> None:
    dataset = open_dataset(photos)
    (photos / "cat.png").unlink()
    assert [finding.code for finding in lint(dataset).findings if finding.severity == "error"] == ["FIL001"]


@pytest.mark.parametrize("size", [(5000, 1), (1, 3000), (7, 1024), (1, 1)])
def test_a_photo_thinner_than_a_tile_is_judged(folder: Path, size: tuple[int, int]) -> None:
    Image.effect_noise(size, 60).convert("RGB").save(folder / "thin.png")
    assert "IMG001" in {finding.code for finding in lint(open_dataset(folder)).findings}


def test_what_would_never_end_is_named_and_not_read(photos: Path) -> None:
    os.mkfifo(photos / "pipe.jpg")
    (photos / "device.jpg").symlink_to("/dev/zero")
    with (photos / "huge.jpg").open("wb") as huge:
        huge.truncate(1 << 40)  # sparse: a terabyte that takes no room

    unreadable = [finding for finding in lint(open_dataset(photos)).findings if finding.code == "FIL001"]

    assert [(finding.photos, finding.message) for finding in unreadable] == [
        (("device.jpg",), "It cannot be read: the file cannot be opened (not a regular file)."),
        (("huge.jpg",), "It cannot be read: the file cannot be opened (File too large)."),
        (("pipe.jpg",), "It cannot be read: the file cannot be opened (not a regular file)."),
    ]


def test_a_file_that_could_not_be_opened_is_tried_again(photos: Path) -> None:
    (photos / "device.jpg").symlink_to("/dev/zero")
    lint(open_dataset(photos))
    assert set(read_facts(photos)) == {"astronaut.png", "cat.png", "coffee.png", "rocket.png"}


@pytest.fixture
def faulty(photos: Path) -> Path:
    """The four photographs, and one with each of several faults that show in a photo alone."""
    with Image.open(photos / "cat.png") as cat:
        ImageOps.expand(cat, 60).save(photos / "framed.png")
        cat.convert("CMYK").save(photos / "printed.jpg", quality=30)
        cat.resize((40, 30)).save(photos / "stamp.png")
        cat.filter(ImageFilter.GaussianBlur(6)).save(photos / "blurred.png")
        cat.convert("RGBA").save(photos / "named.jpg", "PNG")
        ImageEnhance.Brightness(cat).enhance(0.12).save(photos / "night.png")
    (photos / "cut.png").write_bytes((photos / "cat.png").read_bytes()[:5000])
    return photos


def test_rules_that_judge_alone_say_of_a_set_what_they_say_of_each_photo(faulty: Path) -> None:
    alone = Selection(select=tuple(code for code, rule in RULES.items() if rule.judges_alone))
    dataset, needs = open_dataset(faulty), TrainingNeeds(256)
    names = [photo.name for photo in dataset.photos]

    one_by_one: list[Finding] = []
    for name in names:
        others = exclude(dataset, {other: "not now" for other in names if other != name})
        one_by_one += lint(others, "person", needs, alone).findings
        (faulty / ".loratui" / "exclusions.json").unlink()

    together = lint(dataset, "person", needs, alone).findings
    assert {"IMG001", "IMG007", "FIL001"} < {finding.code for finding in together}
    assert sorted(together, key=repr) == sorted(one_by_one, key=repr)


def test_findings_on_single_photos_are_told_while_the_others_are_measured(faulty: Path) -> None:
    told: list[Finding] = []
    measured_then = []
    done = 0

    def on_progress(measured: int, total: int) -> None:
        nonlocal done
        done = measured

    def on_findings(findings: Sequence[Finding]) -> None:
        measured_then.append(done)
        told.extend(findings)

    suppress(open_dataset(faulty), "IMG001", ["stamp.png"], "it is all there is")
    first = lint(open_dataset(faulty), on_progress=on_progress, on_findings=on_findings)
    assert told and measured_then[0] < len(open_dataset(faulty).photos)
    assert set(told) <= set(first.findings)

    told.clear()
    again = lint(open_dataset(faulty), on_findings=on_findings)
    assert set(told) == {finding for finding in again.findings if RULES[finding.code].judges_alone}
    assert again == first
