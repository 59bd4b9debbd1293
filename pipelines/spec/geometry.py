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
