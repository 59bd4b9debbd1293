"""AUTOMATIC1111's texts of other years and of Forge, in the words of today's, before the declarations look for their keys."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

RENAMED = {"Soft inpainting": "Soft inpainting enabled"}       # as our first texts had it
AS_FIRST_PASS = ("Hires sampler", "Hires schedule type", "Hires checkpoint")
OLD_SIZE = "First pass size"
FIRST_PIXELS, FIRST_STEP = 512 * 512, 64    # of the first pass where an old text leaves its size to the program


def renewed(pairs: dict[str, str]) -> None:
    """Change `pairs` in place: names that changed, "Use same …" which says nothing, and the oldest hires fix."""
    for old, new in RENAMED.items():
        if old in pairs:
            pairs[new] = pairs.pop(old)
    for key in AS_FIRST_PASS:
        if pairs.get(key, "").startswith("Use same "):
            del pairs[key]
    if f"{OLD_SIZE}-1" in pairs:
        _first_pass(pairs)


def _first_pass(pairs: dict[str, Any]) -> None:
    """Before 2023 `Size` was the finished picture's, and `First pass size` (0x0: of some 512×512 pixels) the first pass's."""
    first = [int(pairs.pop(f"{OLD_SIZE}-{side}")) for side in "12"]
    if "Size-1" not in pairs:
        return
    whole = [int(pairs[f"Size-{side}"]) for side in "12"]
    if not all(whole):
        return
    if not all(first):
        scale = sqrt(FIRST_PIXELS / (whole[0] * whole[1]))
        first = [ceil(scale * side / FIRST_STEP) * FIRST_STEP for side in whole]
    for side, small, large in zip("12", first, whole, strict=True):
        pairs[f"Size-{side}"], pairs[f"Hires resize-{side}"] = str(small), str(large)
    pairs.setdefault("Hires upscaler", "Latent")
