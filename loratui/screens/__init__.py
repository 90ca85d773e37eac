"""One module for each screen, named for what the user does there."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loratui.screens.step import StepScreen

MODES = ("home", "photos", "checks", "captions", "recipe", "train", "results", "log")
"""The screens that keys lead to from anywhere, in the order of those keys."""


def screen_of(mode: str) -> "type[StepScreen]":
    """The class of a mode's screen: `HomeScreen` of `loratui.screens.home`. Imported when it is first asked for."""
    return getattr(import_module(f"loratui.screens.{mode}"), f"{mode.title()}Screen")
