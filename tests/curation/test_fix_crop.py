"""A photo is cropped to its subject only where that mends what was found, and keeps enough pixels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from curation import CurationError, Finding, Report, open_dataset
from curation.checks import RULES
from curation.checks.rule import SUBJECT, Rule
from curation.fixes import apply_fixes, plan_fixes
from curation.fixes.crop import subject_crop
from curation.lint import Selection, lint
from curation.needs import TrainingNeeds
from curation.photo import load_rgb
from curation.report import Region, Severity

SIZE = (4000, 3000)


def region(label: str, left: float, top: float, width: float, height: float, photo: str = "a.png") -> Region:
    return Region(photo, label, left, top, width, height)


def finding(*regions: Region, value: float = 2, threshold: float = 1, severity: Severity = "warning") -> Finding:
    return Finding("FAC001", "other-faces", severity, ("a.png",), value, threshold, "2 faces.", None, regions)


def test_the_crop_is_the_subject_with_a_margin_around() -> None:
    face = region(SUBJECT, 0.4, 0.4, 0.1, 0.2)  # 400 x 600 pixels from (1600, 1200)
    box = subject_crop([finding(face)], "a.png", SIZE, resolution=1024)
    assert box == (900, 600, 2700, 2400)


def test_a_small_subject_is_cropped_to_the_training_resolution_and_no_smaller() -> None:
    far = finding(region(SUBJECT, 0.9, 0.0, 0.025, 0.033), value=0.033, threshold=0.0625)
    box = subject_crop([far], "a.png", SIZE, resolution=1024)
    assert box is not None
    assert box.size == (1024, 1024)
    assert (box.top, box.right) == (0, 4000), "it stays inside the photo"


def test_a_crop_that_leaves_the_subject_too_small_is_not_made() -> None:
    far = finding(region(SUBJECT, 0.5, 0.5, 0.01, 0.01), value=0.01, threshold=0.0625)
    assert subject_crop([far], "a.png", SIZE, resolution=1024) is None


def test_another_face_is_left_outside_by_moving_the_crop() -> None:
    mine, other = region(SUBJECT, 0.3, 0.3, 0.1, 0.1), region("face", 0.42, 0.3, 0.1, 0.1)
    box = subject_crop([finding(mine, other)], "a.png", SIZE, resolution=600)
    assert box is not None
    assert box.left < 1200 and 1600 <= box.right <= 1680


def test_a_crop_that_cannot_leave_the_other_face_outside_is_not_made() -> None:
    mine, other = region(SUBJECT, 0.3, 0.3, 0.1, 0.1), region("face", 0.35, 0.3, 0.1, 0.1)
    assert subject_crop([finding(mine, other)], "a.png", SIZE, resolution=600) is None


@pytest.mark.parametrize("regions", [(), (region("face", 0.1, 0.1, 0.1, 0.1),)])
def test_without_knowing_the_subject_nothing_is_cropped(regions: tuple[Region, ...]) -> None:
    assert subject_crop([finding(*regions)], "a.png", SIZE, resolution=600) is None


boxes = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3))


@given(boxes, boxes, st.tuples(st.integers(1, 5000), st.integers(1, 5000)), st.integers(64, 2048))
def test_any_crop_lies_in_the_photo_around_the_subject_beside_the_others(
    mine: tuple[float, float, float, float],
    other: tuple[float, float, float, float],
    size: tuple[int, int],
    resolution: int,
) -> None:
    box = subject_crop([finding(region(SUBJECT, *mine), region("face", *other))], "a.png", size, resolution)
    if box is None:
        return
    assert 0 <= box.left < box.right <= size[0]
    assert 0 <= box.top < box.bottom <= size[1]
    assert box.size[0] == box.size[1] >= min(resolution, *size)
    left, top, width, height = mine
    assert box.left <= left * size[0] + 1 and box.right >= min(size[0], (left + width) * size[0]) - 1
    assert box.top <= top * size[1] + 1 and box.bottom >= min(size[1], (top + height) * size[1]) - 1


@pytest.fixture
def croppable(monkeypatch: pytest.MonkeyPatch) -> Rule:
    """A rule that is mended by a crop."""
    rule = RULES["FAC001"]
    monkeypatch.setattr(type(rule), "mend", "crop")
    return rule


@pytest.fixture
def far(folder: Path, sample: Callable[..., Image.Image]) -> Path:
    sample("coffee", 1600).save(folder / "a.png")
    (folder / "a.txt").write_text("a cup\n")
    return folder


def report(*findings: Finding) -> Report:
    return Report("set", 1, findings, ())


def test_an_unsafe_fix_writes_the_crop_into_the_copy(croppable: Rule, far: Path) -> None:
    before = (far / "a.png").read_bytes()
    dataset = open_dataset(far)
    found = report(finding(region(SUBJECT, 0.4, 0.4, 0.1, 0.1), region("face", 0.9, 0.9, 0.05, 0.05)))
    needs = TrainingNeeds(resolution=512)

    assert plan_fixes(dataset, found, unsafe=False, needs=needs) == ()
    (fix,) = plan_fixes(dataset, found, unsafe=True, needs=needs)
    copy = apply_fixes(dataset, (fix,)).copy

    assert (fix.action, fix.safe) == ("crop", False)
    with Image.open(copy.root / "a.png") as image:
        assert image.size == (512, 512)
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(far / "a.png").crop(fix.box)))
    assert copy.photos[0].caption == "a cup"
    assert (far / "a.png").read_bytes() == before
    assert [photo.excluded for photo in open_dataset(far).photos] == [None]


@pytest.mark.parametrize(("severity", "actions"), [("warning", ["exclude"]), ("info", [])])
def test_a_photo_that_no_crop_mends_is_left_out_unless_it_is_a_note(
    croppable: Rule, far: Path, severity: Severity, actions: list[str]
) -> None:
    found = report(finding(region(SUBJECT, 0.4, 0.4, 0.1, 0.1), region("face", 0.45, 0.4, 0.1, 0.1), severity=severity))
    fixes = plan_fixes(open_dataset(far), found, unsafe=True, needs=TrainingNeeds(resolution=512))
    assert [fix.action for fix in fixes] == actions


def test_about_a_note_nothing_is_cropped(croppable: Rule, far: Path) -> None:
    found = report(finding(region(SUBJECT, 0.4, 0.4, 0.1, 0.1), severity="info"))
    assert plan_fixes(open_dataset(far), found, unsafe=True, needs=TrainingNeeds(resolution=512)) == ()


def test_a_subject_that_no_square_holds_is_not_cropped() -> None:
    wide = region(SUBJECT, 0.05, 0.4, 0.9, 0.2)  # 3600 of 3000 pixels
    assert subject_crop([finding(wide)], "a.png", SIZE, resolution=1024) is None


def test_a_distant_face_is_found_cropped_and_near_then(folder: Path, sample: Callable[..., Image.Image]) -> None:
    field = sample("coffee", 3000).filter(ImageFilter.GaussianBlur(30))
    portrait = sample("astronaut")
    field.paste(portrait.crop((130, 0, 330, 260)), (700, 900))  # her face has some 100 pixels of 2250
    field.save(folder / "far.png")
    dataset, needs = open_dataset(folder), TrainingNeeds(resolution=512)
    selection = Selection(select=("FAC003",), severity={"FAC003": "warning"})
    found = lint(dataset, "person", needs, selection)
    fixes = plan_fixes(dataset, found, unsafe=True, needs=needs)
    assert [(fix.code, fix.action) for fix in fixes] == [("FAC003", "crop")]

    copy = apply_fixes(dataset, fixes).copy

    assert load_rgb(copy.photos[0].path).size == (512, 512)
    assert lint(copy, "person", needs, selection).findings == ()


def test_a_photo_that_is_gone_since_the_report_is_told(croppable: Rule, far: Path) -> None:
    dataset = open_dataset(far)
    (far / "a.png").unlink()
    with pytest.raises(CurationError, match=r"a\.png cannot be read"):
        plan_fixes(dataset, report(finding(region(SUBJECT, 0.4, 0.4, 0.1, 0.1))), unsafe=True)
