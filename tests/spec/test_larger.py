"""How large a second pass or a tiled upscale comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.spec.geometry import Size
from pipelines.spec.larger import larger, refusal
from pipelines.spec.parts import Hires, Tiled


@pytest.mark.parametrize(("first", "fields", "whole", "final"), [
    ((256, 384), {"scale": 2}, (512, 768), (512, 768)),
    ((512, 512), {"scale": 1.5}, (768, 768), (768, 768)),
    ((512, 768), {"width": 1024}, (1024, 1536), (1024, 1536)),
    ((512, 768), {"height": 1024}, (680, 1024), (680, 1024)),
    ((512, 768), {"width": 1024, "height": 1024}, (1024, 1536), (1024, 1024)),
    ((768, 512), {"width": 1024, "height": 1024}, (1536, 1024), (1024, 1024)),
], ids=["by scale", "by 1.5", "by width", "by height", "both: top and bottom cut", "both: sides cut"])
def test_sizes_are_automatic1111s(first: tuple, fields: dict, whole: tuple, final: tuple) -> None:
    assert larger(Size(*first), Hires(**fields), 8) == (whole, final)


@given(st.integers(8, 512), st.integers(8, 512), st.floats(1, 8), st.integers(0, 60), st.integers(0, 60))
def test_what_is_cut_lies_within_what_is_enlarged_on_the_familys_grid(w: int, h: int, scale: float, x: int, y: int) -> None:
    first = Size(w * 8, h * 8)
    found = larger(first, Hires(scale=scale, width=x * 16, height=y * 16), 16)
    assert all(side % 16 == 0 and side > 0 for size in found for side in size)
    left, top, right, bottom = found.box
    assert 0 <= left < right <= found.whole.width and 0 <= top < bottom <= found.whole.height
    assert (right - left, bottom - top) == found.final


@pytest.mark.parametrize(("first", "wanted", "line"), [
    ((512, 512), Hires(width=520), "Hires width: 520 - this model needs a multiple of 16. Nearest: 528."),
    ((4096, 4096), Hires(scale=4), "Hires upscale: 16384×16384 - too large"),
    ((4096, 4096), Tiled(scale=4), "Upscale by: 16384×16384 - too large to be made. Allowed: up to 16384 pixels a side and 67"),
], ids=["off the grid", "hires", "tiled"])
def test_what_cannot_be_made_is_said(first: tuple, wanted: Hires | Tiled, line: str) -> None:
    assert line in str(refusal(Size(*first), wanted, 16))


def test_8192_in_tiles_is_allowed() -> None:
    assert refusal(Size(2048, 2048), Tiled(scale=4), 1) is None
