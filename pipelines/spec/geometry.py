"""Sizes in pixels and what may be done with them: arithmetic only."""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    """Width × height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}×{self.height}"

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def swapped(self) -> Size:
        return Size(self.height, self.width)

    def snapped(self, step: int) -> Size:
        """Both sides at the nearest multiple of `step` (at least one step)."""
        return Size(snap(self.width, step), snap(self.height, step))


def snap(value: int, step: int) -> int:
    """The multiple of `step` nearest to `value`, at least `step`; a tie goes down."""
    below = value // step * step
    return max(step, below if value - below <= step - (value - below) else below + step)


class Tile(NamedTuple):
    """A rectangle of a picture; `left`, `top` are its first pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column behind it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.top + self.height

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom), as pictures are cropped."""
        return self.left, self.top, self.right, self.bottom


def tile_plan(size: Size, tile: Size, overlap: int) -> list[Tile]:
    """Tiles that cover `size`, row by row, all of them `tile` large, neighbours sharing at least `overlap` pixels.

    They are spread evenly, so their shared strips differ by at most one pixel. A side shorter than the tile gets one
    tile of its own length. Raises ValueError when `overlap` is not below both sides of `tile` (or negative).
    """
    if not 0 <= overlap < min(tile) or min(size) < 1:
        raise ValueError(f"tiles of {tile} that share {overlap} pixels cannot cover {size}")
    columns, rows = (starts(size[axis], tile[axis], overlap) for axis in (0, 1))
    width, height = min(tile.width, size.width), min(tile.height, size.height)
    return [Tile(left, top, width, height) for top in rows for left in columns]


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """First pixels of the fewest stretches of `tile` that cover `length`, evenly spread."""
    if length <= tile:
        return [0]
    steps = -(-(length - tile) // (tile - overlap))
    return [i * (length - tile) // steps for i in range(steps + 1)]
