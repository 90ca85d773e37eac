"""Ways to plant a fault into real photographs, and to lint the result."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from curation import Finding, Kind, Report, open_dataset
from curation.lint import TrainingNeeds, lint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to put photos in."""
    made = tmp_path / "set"
    made.mkdir()
    return made


@pytest.fixture
def sample() -> Callable[..., Image.Image]:
    """A public-domain photograph by its name in scikit-image, cut to a 4:3 shape of `width` pixels if one is given."""

    def load(name: str, width: int | None = None) -> Image.Image:
        image = Image.fromarray(getattr(data, name)()).convert("RGB")
        if width is None:
            return image
        return image.resize((width, width * 3 // 4), Image.Resampling.LANCZOS)

    return load


@pytest.fixture
def lint_folder() -> Callable[..., Report]:
    """Lint a folder as it is now."""

    def run(folder: Path, kind: Kind = "object", resolution: int = 256, triggers: tuple[str, ...] = ()) -> Report:
        return lint(open_dataset(folder), kind, TrainingNeeds(resolution, triggers))

    return run


@pytest.fixture
def found() -> Callable[[Report, str], list[Finding]]:
    """The findings of one rule."""

    def of_rule(report: Report, code: str) -> list[Finding]:
        return [finding for finding in report.findings if finding.code == code]

    return of_rule
