"""Whether two pictures have one layout: how many of the steep places of each lie beside those of the other. Pixels only."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

STEEPEST = 0.1      # share of the pixels that count as edges


def edges(picture: Image.Image) -> np.ndarray:
    """(height, width) bool: the tenth of the pixels where the picture, a little blurred, changes most."""
    grey = np.asarray(picture.convert("L").filter(ImageFilter.GaussianBlur(2)), float)
    steep = np.hypot(*np.gradient(grey))
    return steep > np.quantile(steep, 1 - STEEPEST)


def edge_f1(one: Image.Image, other: Image.Image, reach: int = 2) -> float:
    """F1 of the edges of two pictures of one size; one counts as found within `reach` pixels of the other's."""
    a, b = edges(one), edges(other)
    near_a, near_b = (np.asarray(Image.fromarray(e).convert("L").filter(ImageFilter.MaxFilter(2 * reach + 1))) > 0 for e in (a, b))
    precision, recall = (b & near_a).sum() / b.sum(), (a & near_b).sum() / a.sum()
    return float(2 * precision * recall / max(precision + recall, 1e-9))
