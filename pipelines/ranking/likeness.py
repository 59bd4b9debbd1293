"""How alike two pictures are, in dB and as a picture. Pixels only; no model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def psnr(first: Image | None, other: Image | None) -> float | None:
    """Peak signal-to-noise ratio of two pictures as RGB, dB; infinite when every pixel is the same.

    None when they cannot be compared: one is missing, or their sizes differ.
    """
    import numpy as np

    if first is None or other is None or first.size != other.size:
        return None
    one, two = (np.asarray(picture.convert("RGB"), np.float32) for picture in (first, other))
    error = float(np.mean((one - two) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255 ** 2 / error)


def difference(first: Image, other: Image, times: int = 4) -> Image | None:
    """How far each channel of each pixel is apart, `times` as strong, on black; None when their sizes differ."""
    from PIL import ImageChops

    if first.size != other.size:
        return None
    return ImageChops.difference(first.convert("RGB"), other.convert("RGB")).point(lambda value: min(255, times * value))
