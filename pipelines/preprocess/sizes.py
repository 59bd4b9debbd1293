"""Sizes of conditions as sd-webui-controlnet has them: at which one looks, "pixel perfect", and the three resize modes.

The arithmetic knows no pixels; `resized` applies it to a picture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from pipelines.spec.errors import unknown
from pipelines.spec.geometry import Size

if TYPE_CHECKING:
    from PIL import Image

JUST, CROP, FILL = "Just Resize", "Crop and Resize", "Resize and Fill"
RESIZE_MODES = (JUST, CROP, FILL)       # their names in the infotext; the second is the default
LOOKED_AT = (64, 2048)  # least and most pixels of the shorter side
MOST_PIXELS = 4096**2   # that are looked at or scaled to: of a strip, both would run into gigapixels
LONGEST = 2**14         # px a side; OpenCV moves pixels about in pictures below 2^15 only
FEW_COLOURS = 200       # a condition with fewer is a drawing (pose, segments): its colours must not mix


class Placed(NamedTuple):
    """`size`: to which the condition is resized. (x, y): where its corner lies on the canvas; below 0 it is cut."""

    size: Size
    x: int
    y: int


def detected(size: Size, resolution: int) -> Size:
    """`size` with its shorter side at `resolution`, or lower where that would be more than MOST_PIXELS or LONGEST."""
    k = min(resolution / min(size), math.sqrt(MOST_PIXELS / size.pixels), LONGEST / max(size))
    return Size(max(1, round(size.width * k)), max(1, round(size.height * k)))


def perfect_resolution(size: Size, target: Size, mode: str = CROP) -> int:
    """The detect resolution at which one pixel of the condition becomes one pixel of a picture of `target` size.

    Within LOOKED_AT: beyond it the condition is scaled.
    """
    kx, ky = target.width / size.width, target.height / size.height
    exact = round((min(kx, ky) if known(mode) == FILL else max(kx, ky)) * min(size))
    return min(max(exact, LOOKED_AT[0]), LOOKED_AT[1])


def placed(size: Size, target: Size, mode: str = CROP) -> Placed:
    """Where a condition of `size` goes on a canvas of `target`."""
    if known(mode) == JUST:
        return Placed(target, 0, 0)
    kx, ky = target.width / size.width, target.height / size.height
    k = max(kx, ky) if mode == CROP else min(kx, ky)
    inner = Size(max(1, round(size.width * k)), max(1, round(size.height * k)))
    if mode == CROP:
        return Placed(inner, -max(0, (inner.width - target.width) // 2), -max(0, (inner.height - target.height) // 2))
    return Placed(inner, max(0, (target.width - inner.width) // 2), max(0, (target.height - inner.height) // 2))


def seen_of(size: Size, target: Size) -> Placed:
    """The middle of a picture of `size` that CROP leaves on `target`, in the picture's pixels."""
    k = max(target.width / size.width, target.height / size.height)
    part = Size(min(size.width, math.ceil(target.width / k)), min(size.height, math.ceil(target.height / k)))
    return Placed(part, (size.width - part.width) // 2, (size.height - part.height) // 2)


def known(mode: str) -> str:
    """Raises FieldError for a mode that is none."""
    if mode not in RESIZE_MODES:
        raise unknown("Resize mode", mode, RESIZE_MODES)
    return mode


def resized(condition: Image.Image, target: Size, mode: str = CROP) -> Image.Image:
    """The condition on a canvas of `target`; "Resize and Fill" fills with the median colour of its rim.

    Two colours stay two, a drawing keeps its colours; anything else is averaged when it shrinks, bicubic when it grows.
    """
    import numpy as np
    from PIL import Image

    spot = placed(Size(*condition.size), target, mode)
    if spot.size.pixels > max(MOST_PIXELS, 2 * target.pixels):     # of a strip only what remains is scaled
        part = seen_of(Size(*condition.size), target)
        condition = condition.crop((part.x, part.y, part.x + part.size.width, part.y + part.size.height))
        spot = placed(part.size, target, mode)
    pixels = np.asarray(condition.convert("RGB"))
    inner = np.asarray(_scaled(Image.fromarray(pixels), spot.size))
    rim = np.concatenate([inner[0], inner[-1], inner[:, 0], inner[:, -1]])
    canvas = np.empty((target.height, target.width, 3), np.uint8)
    canvas[:] = np.median(rim, axis=0).astype(np.uint8)
    picture = Image.fromarray(canvas)
    picture.paste(Image.fromarray(inner), (spot.x, spot.y))
    return picture


def _scaled(picture: Image.Image, size: Size) -> Image.Image:
    from PIL import Image

    if picture.size == size:
        return picture
    colours = picture.getcolors(FEW_COLOURS) or []
    if len(colours) > 2:
        return picture.resize(size, Image.Resampling.NEAREST)
    smaller = size.pixels < picture.width * picture.height
    scaled = picture.resize(size, Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC)
    is_black_and_white = {c for _, c in colours} == {(0, 0, 0), (255, 255, 255)}
    return scaled.point(lambda v: 255 if v > 127 else 0) if is_black_and_white else scaled
