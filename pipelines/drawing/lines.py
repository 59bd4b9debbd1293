"""Drawings to control pictures: dark on light and light on dark give the same, transparency is paper. No torch."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

BORDER = 0.04       # share of the sides that is taken for paper when the background is judged
BLUR = 0.01         # of the longer side: strokes become areas of colour for the first picture


def flat(drawing: Image.Image, paper: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """`drawing` on paper, RGB: what is transparent was not drawn on."""
    if drawing.mode in ("RGBA", "LA", "PA") or drawing.has_transparency_data:
        return Image.alpha_composite(Image.new("RGBA", drawing.size, (*paper, 255)), drawing.convert("RGBA")).convert("RGB")
    return drawing.convert("RGB")


def is_light_on_dark(grey: np.ndarray) -> bool:
    """Whether the paper is dark: judged by its border, and by the whole where the border says nothing. Grey (h, w), 0-1."""
    edge = max(1, round(BORDER * min(grey.shape)))
    border = np.concatenate([grey[:edge].ravel(), grey[-edge:].ravel(), grey[:, :edge].ravel(), grey[:, -edge:].ravel()])
    level = float(np.median(border))
    return level < 0.5 if not 0.35 < level < 0.65 else float(grey.mean()) < 0.5


def lines(drawing: Image.Image, threshold: float | None = None) -> np.ndarray:
    """White lines on black, (h, w) float32 0-1: what scribble ControlNets and the guidance predictor expect.

    Stretched so that the paper is 0 and the darkest line 1; an empty drawing stays 0.   threshold: 0-1 makes it two-valued.
    """
    grey = np.asarray(flat(drawing).convert("L"), dtype=np.float32) / 255
    light = grey if is_light_on_dark(grey) else 1 - grey
    paper = float(np.median(light))
    ink = np.clip(light - paper, 0, None)
    top = float(ink.max())
    if top < 0.04:      # noise of a JPEG on blank paper, not a line
        return np.zeros_like(ink)
    ink = ink / top
    return ink if threshold is None else (ink >= threshold).astype(np.float32)


def strokes(drawing: Image.Image) -> np.ndarray:
    """Where colour was laid, (h, w) bool: pixels that are transparent or of the paper's colour are not."""
    if drawing.has_transparency_data:
        return np.asarray(drawing.convert("RGBA"))[..., 3] > 127
    pixels = np.asarray(drawing.convert("RGB"), dtype=np.int16)
    corners = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    paper = np.median(corners, axis=0)
    return np.abs(pixels - paper).max(axis=-1) > 24


def colour_start(drawing: Image.Image) -> Image.Image:
    """The picture to begin from: strokes blurred into areas, paper filled with the colour of the nearest stroke. RGB."""
    import cv2

    where = strokes(drawing)
    colours = np.asarray(flat(drawing))
    if not where.any():
        return flat(drawing)
    _, nearest = cv2.distanceTransformWithLabels((~where).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    known = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    known[nearest[where]] = colours[where]
    radius = max(1.0, BLUR * max(drawing.size))
    return Image.fromarray(known[nearest]).filter(ImageFilter.GaussianBlur(radius))
