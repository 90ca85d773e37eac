"""Boxes of pixels: which part of a photo goes into the copy."""

from typing import NamedTuple


class Box(NamedTuple):
    """A part of an upright photo, in pixels; right and bottom are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    def meets(self, other: "Box") -> bool:
        """Whether the boxes share a pixel."""
        shared = self.within(other)
        return shared.left < shared.right and shared.top < shared.bottom

    def within(self, other: "Box") -> "Box":
        """What the boxes share; of no size, or a negative one, when that is nothing."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )
