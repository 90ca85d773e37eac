"""REG rules: class images that show the subject, are too small or too few, and where they come from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from curation import Finding, Kind, Report, open_dataset
from curation.faces import Ability, Face
from curation.lint import TrainingNeeds, lint

LoadSample = Callable[..., Image.Image]
Found = Callable[[Report, str], list[Finding]]


@pytest.fixture
def class_images(tmp_path: Path, sample: LoadSample) -> Path:
    """Two photographs that the set does not hold, and that no rule minds."""
    folder = tmp_path / "class"
    folder.mkdir()
    for name in ("retina", "hubble_deep_field"):
        sample(name).resize((500, 500)).save(folder / f"{name}.png")
    return folder


def lint_with(photos: Path, class_images: Path | None, count: int = 2, kind: Kind = "object") -> Report:
    return lint(open_dataset(photos), kind, TrainingNeeds(256, class_data_dir=class_images, num_class_images=count))


def about_class_images(report: Report) -> list[str]:
    return [finding.code for finding in report.findings if finding.code.startswith("REG")]


def test_nothing_is_said_without_prior_preservation_and_of_good_class_images(photos: Path, class_images: Path) -> None:
    assert not about_class_images(lint_with(photos, None, 0))
    assert not about_class_images(lint_with(photos, class_images))


@pytest.mark.parametrize("change", ["same", "mirrored", "compressed"])
def test_reg001_a_class_image_that_is_a_version_of_a_photo(
    photos: Path, class_images: Path, sample: LoadSample, found: Found, change: str
) -> None:
    image = ImageOps.mirror(sample("cat")) if change == "mirrored" else sample("cat")
    image.save(class_images / ("copy.jpg" if change == "compressed" else "copy.png"), quality=60)
    report = lint_with(photos, class_images, 3)
    (finding,) = found(report, "REG001")
    assert finding.severity == "error"
    assert "cat.png" in finding.message
    assert "copy" in finding.message


@dataclass(frozen=True)
class OneFaceEach:
    """Sees one face in every photo; reddish photos have one person's, others another's."""

    name: str = "stub"
    abilities: frozenset[Ability] = frozenset({"profiles", "identity"})

    def find(self, rgb: np.ndarray) -> tuple[Face, ...]:
        embedding = np.zeros(512, "<f2")
        embedding[0 if rgb[..., 0].mean() > rgb[..., 2].mean() else 1] = 1
        return (Face(0.2, 0.2, 0.5, 0.5, 0.9, embedding=embedding.tobytes()),)


def test_reg001_a_class_image_with_the_subjects_face(tmp_path: Path, sample: LoadSample, found: Found) -> None:
    photos, images = tmp_path / "photos", tmp_path / "class"
    photos.mkdir()
    images.mkdir()
    ImageOps.colorize(sample("cat").convert("L"), "black", "red").save(photos / "her.png")
    ImageOps.colorize(sample("coffee").convert("L"), "black", "red").save(images / "her-again.png")
    ImageOps.colorize(sample("rocket").convert("L"), "black", "blue").save(images / "somebody.png")
    needs = TrainingNeeds(256, class_data_dir=images, num_class_images=2)
    (finding,) = found(lint(open_dataset(photos), "person", needs, detector=OneFaceEach()), "REG001")
    assert "her-again.png" in finding.message
    assert finding.value == 1.0


def test_reg001_faces_are_skipped_and_not_passed_without_a_face_pack(photos: Path, class_images: Path) -> None:
    report = lint_with(photos, class_images, kind="person")
    assert "REG001" in {skipped.code for skipped in report.skipped}
    assert "REG001" not in {skipped.code for skipped in lint_with(photos, class_images).skipped}


def test_reg002_class_images_that_are_small_or_broken(
    photos: Path, class_images: Path, sample: LoadSample, found: Found
) -> None:
    sample("coffee").resize((120, 90)).save(class_images / "small.png")
    (class_images / "broken.jpg").write_text("")
    broken, small = found(lint_with(photos, class_images, 2), "REG002")
    assert "broken.jpg" in broken.message
    assert (small.value, small.threshold) == (90, 256)
    assert "1 of 3" in small.message


def test_reg003_fewer_class_images_than_asked_for(photos: Path, class_images: Path, found: Found) -> None:
    (finding,) = found(lint_with(photos, class_images, 100), "REG003")
    assert (finding.value, finding.threshold, finding.severity) == (2, 100, "info")
    (finding,) = found(lint_with(photos, class_images / "not-there-yet", 100), "REG003")
    assert finding.value == 0


def test_reg004_a_note_where_all_class_images_would_be_generated(photos: Path, found: Found) -> None:
    (finding,) = found(lint_with(photos, None, 100), "REG004")
    assert finding.severity == "info"
    assert "reduce resemblance" in finding.message
