"""What tests of every package share: real photos, and the place of larger sets where they are at hand."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

# The tests run side by side, and the tiny model gains nothing from a second thread; torch reads this when imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def sample_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four clean photographs, public-domain samples of scikit-image, larger than 256 px: read only."""
    folder = tmp_path_factory.mktemp("sample-photos")
    for name in ("astronaut", "cat", "coffee", "rocket"):
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def photos(sample_photos: Path, tmp_path: Path) -> Path:
    """A copy of the four photographs for the test alone."""
    return shutil.copytree(sample_photos, tmp_path / "photos")


@pytest.fixture
def dreambooth() -> Callable[[str], Path]:
    """The folder of one subject of the DreamBooth photographs; skips where they are not at hand."""

    def subject(name: str) -> Path:
        folder = SHARED_DATA / "dreambooth" / name
        if not folder.is_dir():
            pytest.skip("needs the DreamBooth photographs beside the repository")
        return folder

    return subject


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with a tiny random SDXL: read only."""
    from engine.models.tiny import build_tiny_sdxl

    folder = tmp_path_factory.mktemp("models") / "tiny-sdxl"
    build_tiny_sdxl(folder)
    return folder
