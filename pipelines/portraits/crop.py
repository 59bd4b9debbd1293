"""Crop boxes round faces: arithmetic only, in pixels of the upright photo."""

from __future__ import annotations

from typing import NamedTuple

from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size

SMALLEST = 32       # pixels; a face smaller than this tells the encoder nothing
MARGIN = 0.6        # of the face's longer side, on every side: hair, chin and shoulders are part of a likeness


class Box(NamedTuple):
    """left, top: first pixel inside; width, height in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """As Pillow crops: left, top, right, bottom."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    @property
    def area(self) -> int:
        return self.width * self.height


def whole(size: Size) -> Box:
    """The largest square in the middle, a little above it in a tall photo: heads are up."""
    side = min(size)
    return Box((size.width - side) // 2, (size.height - side) // 4, side, side)


def around(face: Box, size: Size, margin: float = MARGIN) -> Box:
    """The square round `face` with its margin, pushed back into the photo; smaller where the photo is."""
    side = min(round(max(face.width, face.height) * (1 + 2 * margin)), *size)
    left = face.left + (face.width - side) // 2
    top = face.top + (face.height - side) // 2
    return Box(_inside(left, side, size.width), _inside(top, side, size.height), side, side)


def by_hand(box: Box, size: Size) -> Box:
    """The user's own crop, cut to the photo. Raises FieldError when nothing of use is left."""
    left, top, right, bottom = box.corners
    left, top, right, bottom = max(0, left), max(0, top), min(size.width, right), min(size.height, bottom)
    if right - left < SMALLEST or bottom - top < SMALLEST:
        raise FieldError("Crop", f"{max(0, right - left)}×{max(0, bottom - top)}", "too small to show a face",
                         f"{SMALLEST}×{SMALLEST} or more, inside {size}")
    return Box(left, top, right - left, bottom - top)


def _inside(start: int, length: int, limit: int) -> int:
    return max(0, min(start, limit - length))
