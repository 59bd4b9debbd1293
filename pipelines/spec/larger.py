"""How large a second pass or a tiled upscale comes out: by factor, or by an exact size with a crop. Arithmetic only."""

from __future__ import annotations

import math
from typing import NamedTuple

from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size
from pipelines.spec.parts import Hires, Tiled

HIRES_SIDE = 8192       # px: all of it is painted at once
TILED_SIDE = 16_384     # px: it is painted in tiles
TILED_PIXELS = 8192 * 8192


class Larger(NamedTuple):
    """`whole` is what the picture is enlarged to, `final` what is cut out of its middle (as large, unless it is cropped)."""

    whole: Size
    final: Size

    @property
    def box(self) -> tuple[int, int, int, int]:
        """`final` within `whole`: left, top, right, bottom."""
        left, top = (self.whole.width - self.final.width) // 2, (self.whole.height - self.final.height) // 2
        return left, top, left + self.final.width, top + self.final.height


def larger(first: Size, wanted: Hires | Tiled, step: int = 1) -> Larger:
    """The sizes that `wanted` makes of a picture of `first` pixels; all sides multiples of `step`.

    No width and height: `scale`. One of them: the other keeps the shape. Both: the picture covers them, and what hangs over
    is cut off evenly, as AUTOMATIC1111 does.
    """
    if not (wanted.width or wanted.height):
        both = Size(round(first.width * wanted.scale), round(first.height * wanted.scale)).snapped(step)
        return Larger(both, both)
    across, down = wanted.width / first.width, wanted.height / first.height
    if not (wanted.width and wanted.height):
        factor = across or down
        both = Size(wanted.width or round(first.width * factor), wanted.height or round(first.height * factor)).snapped(step)
        return Larger(both, both)
    final = Size(wanted.width, wanted.height)
    whole = Size(*(max(end, _up(side * max(across, down), step)) for side, end in zip(first, final, strict=True)))
    return Larger(whole, final)


def factor(first: Size, wanted: Hires | Tiled) -> float:
    """How many times as long a side becomes, before anything is cut off."""
    whole = larger(first, wanted).whole
    return max(whole.width / first.width, whole.height / first.height)


def refusal(first: Size, wanted: Hires | Tiled, step: int = 1) -> FieldError | None:
    """Why such a size cannot be made, or None."""
    tiled = isinstance(wanted, Tiled)
    name = "Upscaled" if tiled else "Hires"
    for label, side in ((f"{name} width", wanted.width), (f"{name} height", wanted.height)):
        if side % step:
            return FieldError(label, side, f"this model needs a multiple of {step}", fix=f"Nearest: {_up(side, step)}")
    size = larger(first, wanted, step).whole
    most = TILED_SIDE if tiled else HIRES_SIDE
    if max(size) > most or tiled and size.pixels > TILED_PIXELS:
        return FieldError("Upscale by" if tiled else "Hires upscale", str(size), "too large to be made",
                          f"up to {most} pixels a side and {TILED_PIXELS / 1e6:.0f} megapixels" if tiled
                          else f"up to {most} pixels a side", "Choose a smaller factor")
    return None


def _up(length: float, step: int) -> int:
    return math.ceil(round(length, 6) / step) * step
