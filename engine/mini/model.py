"""Where the mini model lies: beside this file, as package data."""

from pathlib import Path

MINI = Path(__file__).parent / "sdxl"
