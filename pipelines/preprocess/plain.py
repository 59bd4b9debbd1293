"""Preprocessors that need no weights: arrays of RGB bytes in, arrays of RGB bytes out. OpenCV and numpy, no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]      # H×W×3 RGB, or H×W grey as a result


def none(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    return image


def canny(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    """J. Canny, 1986, as OpenCV has it: the strongest channel's gradient, white on black."""
    return np.asarray(cv2.Canny(image, values["low"], values["high"]), np.uint8)


def xdog(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    """Difference of two blurs (sigma 0.5 and 5), cut at a threshold: dark lines become white on black."""
    fine, coarse = (cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma) for sigma in (0.5, 5.0))
    darker = np.min(coarse - fine, axis=2).clip(0, 255).astype(np.uint8)
    return np.where(2 * darker.astype(int) > values["threshold"], 255, 0).astype(np.uint8)


def lineart_standard(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    """How much darker a pixel is than its surroundings (sigma 6), scaled by the median of what stands out."""
    pixels = image.astype(np.float32)
    darker = np.min(cv2.GaussianBlur(pixels, (0, 0), 6.0) - pixels, axis=2).clip(0, 255)
    standing_out = darker[darker > 8]
    middle = float(np.median(standing_out)) if standing_out.size else 16.0
    return (darker / max(16.0, middle) * 127).clip(0, 255).astype(np.uint8)


def invert(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    return 255 - image


def threshold(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    """White where even the darkest channel is brighter."""
    return np.where(image.min(axis=2) > values["threshold"], 255, 0).astype(np.uint8)


def blur(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), values["sigma"]), np.uint8)


def tile(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    """The picture smaller by `factor`, averaged; whoever uses it brings it back to its size."""
    factor = values["factor"]
    if factor < 1.1:
        return image
    height, width = image.shape[:2]
    size = max(1, int(width / factor)), max(1, int(height / factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def luminance(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    """L of CIELAB."""
    return _gamma(cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[:, :, 0], values["gamma"])


def intensity(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    """V of HSV: the brightest channel."""
    return _gamma(cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[:, :, 2], values["gamma"])


def _gamma(grey: Any, gamma: float) -> Pixels:
    return ((grey.astype(np.float32) / 255) ** gamma * 255).clip(0, 255).astype(np.uint8)


def shuffle(image: Pixels, values: Mapping[str, Any]) -> Pixels:
    """The picture read along a smooth random flow: its colours and textures without its composition."""
    rng = np.random.default_rng(values["seed"])
    height, width = image.shape[:2]
    x, y = (_smooth(rng, height, width) for _ in range(2))
    return np.asarray(cv2.remap(image, x * (width - 1), y * (height - 1), cv2.INTER_LINEAR), np.uint8)


def _smooth(rng: np.random.Generator, height: int, width: int, period: int = 256) -> NDArray[np.float32]:
    """Bicubic noise of H×W from 0 to 1 with waves of about `period` pixels."""
    coarse = rng.random((height // period + 2, width // period + 2))
    fine = cv2.resize(coarse, (width + 2 * period, height + 2 * period), interpolation=cv2.INTER_CUBIC)
    fine = fine[period:period + height, period:period + width]
    fine = fine - fine.min()
    return np.asarray(fine / max(float(fine.max()), 1e-6), np.float32)


PLAIN: Mapping[str, Callable[[Pixels, Mapping[str, Any]], Pixels]] = {
    f.__name__: f for f in (none, canny, xdog, lineart_standard, invert, threshold, blur, tile, luminance, intensity, shuffle)}
