"""A line where an old border was stands out of the picture's own lines; a picture without one does not."""

from __future__ import annotations

import numpy as np
from PIL import Image

from bench.outpaint import beyond


def picture(lighter: int) -> Image.Image:
    """Noise of 80×80 whose middle, 20 pixels from each side, is so much lighter."""
    pixels = np.random.default_rng(1).integers(60, 120, (80, 80))
    pixels[20:60, 20:60] += lighter
    return Image.fromarray(pixels.astype(np.uint8))


def test_a_border_that_shows_is_the_steepest_line_and_an_unseen_one_is_among_the_others() -> None:
    assert beyond(picture(60), 20) > 0.95
    assert beyond(Image.radial_gradient("L"), 64) < 0.95
