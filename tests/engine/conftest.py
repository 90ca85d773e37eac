"""The tiny SDXL, built once for all tests of the engine, and what is made of it."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with a tiny random SDXL: read only."""
    from engine.tiny import build_tiny_sdxl

    folder = tmp_path_factory.mktemp("models") / "tiny-sdxl"
    build_tiny_sdxl(folder)
    return folder
