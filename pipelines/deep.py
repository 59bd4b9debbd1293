"""A picture with 16 bits a channel: numpy behind the few things that are asked of a picture. Pillow has no such mode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

BAND = 256      # rows that are converted at once, so that a large picture is not held twice


@dataclass(frozen=True, eq=False)
class Deep:
    """`pixels`: uint16 (height, width, 3 or 4), sRGB, alpha not multiplied in."""

    pixels: np.ndarray

    @classmethod
    def of(cls, picture: Image.Image) -> Deep:
        """The same colours: 0-255 becomes 0-65535."""
        return cls(np.asarray(picture, dtype=np.uint8).astype(np.uint16) * 257)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), as Pillow has it."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def mode(self) -> str:
        return "RGBA" if self.pixels.shape[2] == 4 else "RGB"

    @property
    def levels(self) -> int:
        """Bits a channel that are really used: 8 when every value is one of 256."""
        return 16 if any((rows % 257).any() for rows in self.bands()) else 8

    def bands(self) -> Iterator[np.ndarray]:
        """The rows in order, `BAND` at a time."""
        for top in range(0, len(self.pixels), BAND):
            yield self.pixels[top:top + BAND]

    def shallow(self) -> Image.Image:
        """Rounded to 8 bits, as every screen shows it."""
        rows = [((band.astype(np.uint32) + 128) // 257).astype(np.uint8) for band in self.bands()]
        return Image.fromarray(np.concatenate(rows))


Picture = Image.Image | Deep


def shallow(picture: Picture) -> Image.Image:
    """`picture` with 8 bits a channel."""
    return picture.shallow() if isinstance(picture, Deep) else picture
