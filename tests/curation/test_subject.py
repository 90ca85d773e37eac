"""The subject's size is an estimate, which says how sure it is; rules judge by none that is not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage import data

from curation import open_dataset
from curation.facts.pixels import Pixels
from curation.lint import Selection, TrainingNeeds, lint
from curation.subject import SURE, measure_subject


def cut_out(area: float, at: tuple[float, float] = (0.5, 0.5), size: tuple[int, int] = (900, 900)) -> Image.Image:
    """A round piece of the cat's fur on grass, of this share of the picture."""
    grass = Image.fromarray((data.grass()[..., None] * np.array([0.7, 1.0, 0.6])).astype(np.uint8)).resize(size)
    fur = Image.fromarray(data.chelsea()).crop((120, 60, 330, 260)).resize(size)
    mask = Image.new("L", size)
    radius = np.sqrt(area * size[0] * size[1] / np.pi)
    x, y = at[0] * size[0], at[1] * size[1]
    ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    grass.paste(fur, mask=mask)
    return grass


@pytest.mark.parametrize("area", [0.01, 0.05, 0.2])
def test_a_clear_subject_is_measured_where_it_is(area: float) -> None:
    facts = measure_subject(Pixels(cut_out(area, at=(0.4, 0.6))))
    assert facts.confidence >= SURE
    assert area / 1.5 < facts.area < area * 1.5
    assert facts.left + facts.width / 2 == pytest.approx(0.4, abs=0.05)
    assert facts.top + facts.height / 2 == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize("picture", [Image.new("RGB", (300, 200), "grey"), Image.new("RGB", (1, 1))])
def test_a_picture_without_a_subject_gives_no_sure_estimate(picture: Image.Image) -> None:
    assert measure_subject(Pixels(picture)).confidence < SURE


def test_the_same_picture_gives_the_same_estimate() -> None:
    assert measure_subject(Pixels(cut_out(0.03))) == measure_subject(Pixels(cut_out(0.03)))


def test_fac003_notes_a_distant_object_and_skips_what_is_not_clear(
    folder: Path, sample: Callable[..., Image.Image]
) -> None:
    cut_out(0.004).save(folder / "far.png")
    cut_out(0.2).save(folder / "near.png")
    Image.effect_noise((300, 300), 50).convert("RGB").save(folder / "noise.png")
    report = lint(open_dataset(folder), "object", selection=Selection(select=("FAC",)))
    (finding,) = [finding for finding in report.findings if finding.code == "FAC003"]
    assert finding.photos == ("far.png",) and finding.severity == "info" and finding.regions[0].width < 0.2
    assert {one.code for one in report.skipped} == {"FAC003", "FAC009"}


def test_fac009_notes_an_object_that_the_crop_cuts(folder: Path) -> None:
    cut_out(0.05, at=(0.24, 0.5), size=(900, 600)).save(folder / "side.png")
    cut_out(0.05, at=(0.5, 0.5), size=(900, 600)).save(folder / "middle.png")
    for center_crop in (True, False):
        needs = TrainingNeeds(center_crop=center_crop)
        report = lint(open_dataset(folder), "object", needs, Selection(select=("FAC009",)))
        assert [(finding.photos, finding.severity) for finding in report.findings] == [(("side.png",), "info")]


def test_no_dreambooth_photo_is_called_distant(dreambooth: Callable[[str], Path], tmp_path: Path) -> None:
    for subject in ("backpack", "can", "colorful_sneaker", "dog", "dog5", "red_cartoon"):
        for path in dreambooth(subject).glob("*.jpg"):
            (tmp_path / f"{subject}-{path.name}").symlink_to(path)
    report = lint(open_dataset(tmp_path), "object", selection=Selection(select=("FAC003", "FAC009")))
    assert report.findings == ()


def test_a_style_has_no_subject(photos: Path) -> None:
    report = lint(open_dataset(photos), "style")
    assert not [one.code for one in (*report.findings, *report.skipped) if one.code.startswith("FAC")]
