"""How large the result is to be, and in which tiles it is made: arithmetic and refusals only."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size

MAX_SIDE = 16_384       # pixels
MAX_PIXELS = 8192 * 8192
FACTORS = (1.0, 8.0)
TILES = (32, 2048)


@dataclass(frozen=True)
class Target:
    """By factor (1 to 8), or an exact size; of that, one side 0 keeps the aspect.

    crop: when both sides are given, True covers the size and cuts the centre out, False stretches.
    """

    scale: float = 2.0
    width: int = 0
    height: int = 0
    crop: bool = True

    def sizes(self, source: Size) -> tuple[Size, Size]:
        """(what the picture is scaled to, what is cut out of its centre). Raises FieldError (A13)."""
        if not (self.width or self.height):
            if not FACTORS[0] <= self.scale <= FACTORS[1]:
                raise FieldError("Upscale by", self.scale, "outside the range", "1-8")
            return (scaled := _checked(source, self.scale, self.scale)), scaled
        for label, side in (("Width", self.width), ("Height", self.height)):
            if not 0 <= side <= MAX_SIDE:
                raise FieldError(label, side, "outside the range", f"1-{MAX_SIDE}, or 0 to keep the aspect")
        across = (self.width or self.height * source.width / source.height) / source.width
        down = (self.height or self.width * source.height / source.width) / source.height
        if not (self.width and self.height):
            across = down = max(across, down) if across != down else across
            return (scaled := _checked(source, across, down)), scaled
        final = _checked(source, across, down)
        if not self.crop:
            return final, final
        cover = max(across, down)
        whole = _checked(source, cover, cover)
        return Size(max(whole.width, final.width), max(whole.height, final.height)), final


@dataclass(frozen=True)
class Tiling:
    """tile: pixels of the source a side, 0 chooses from memory. overlap: pixels of the source that neighbours share."""

    tile: int = 0
    overlap: int = 32

    def check(self) -> None:
        """Raises FieldError (A14)."""
        if self.tile and not TILES[0] <= self.tile <= TILES[1]:
            raise FieldError("Tile size", self.tile, "outside the range", f"0 (automatic) or {TILES[0]}-{TILES[1]}")
        if self.overlap < 0:
            raise FieldError("Tile overlap", self.overlap, "is negative", f"0-{TILES[0]} or below half the tile")
        if self.overlap > (self.tile or 2 * TILES[0]) // 2:
            raise FieldError("Tile overlap", self.overlap, f"more than half of the tile ({self.tile or 'automatic'})",
                             f"0-{(self.tile or 2 * TILES[0]) // 2}", "Choose a larger tile or a smaller overlap")


def _checked(source: Size, across: float, down: float) -> Size:
    size = Size(max(1, round(source.width * across)), max(1, round(source.height * down)))
    if max(size) > MAX_SIDE or size.pixels > MAX_PIXELS:
        raise FieldError("Size", f"{size}", "too large to be made",
                         f"up to {MAX_SIDE} a side and {MAX_PIXELS / 1e6:.0f} megapixels", "Choose a smaller factor")
    return size
