"""Pixel perfect and the three resize modes: the arithmetic of sd-webui-controlnet, on sizes and on pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipelines.preprocess import RESIZE_MODES, detected, perfect_resolution, placed, resized, sizes
from pipelines.preprocess.sizes import LONGEST, MOST_PIXELS
from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size

JUST, CROP, FILL = RESIZE_MODES
SIDES = st.integers(8, 4000)


@pytest.mark.parametrize(("size", "target", "mode", "resolution"), [
    ((1000, 500), (512, 512), CROP, 512), ((1000, 500), (512, 512), FILL, 256), ((1000, 500), (512, 512), JUST, 512),
    ((768, 1024), (512, 768), CROP, 576), ((768, 1024), (512, 768), FILL, 512), ((300, 300), (640, 448), CROP, 640),
    ((64, 4000), (64, 64), FILL, 64), ((100, 100), (4096, 4096), CROP, 2048)])
def test_pixel_perfect_resolution(size, target, mode, resolution):
    assert perfect_resolution(Size(*size), Size(*target), mode) == resolution


@pytest.mark.parametrize(("mode", "expected"), [
    (JUST, ((512, 512), 0, 0)), (CROP, ((1024, 512), -256, 0)), (FILL, ((512, 256), 0, 128))])
def test_where_a_wide_condition_goes_on_a_square(mode, expected):
    assert placed(Size(1000, 500), Size(512, 512), mode) == expected


@given(SIDES, SIDES, SIDES, SIDES)
def test_crop_covers_the_canvas_and_fill_stays_inside(w, h, tw, th):
    size, x, y = placed(Size(w, h), Size(tw, th), CROP)
    assert x <= 0 and y <= 0 and x + size.width >= tw and y + size.height >= th
    size, x, y = placed(Size(w, h), Size(tw, th), FILL)
    assert x >= 0 and y >= 0 and x + size.width <= tw and y + size.height <= th


@given(st.integers(1, 60000), st.integers(1, 60000), st.integers(64, 2048))
def test_a_strip_is_looked_at_in_what_memory_there_is(w, h, resolution):
    size = detected(Size(w, h), resolution)
    assert max(size) <= LONGEST and size.pixels <= 1.01 * MOST_PIXELS and min(size) >= 1
    if max(w, h) <= 4 * min(w, h):
        assert min(size) == resolution


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1), (8, 2000), (4, 4000)])
def test_of_a_strip_that_is_cropped_only_what_remains_is_scaled(size, monkeypatch):
    strip, target, scaled = np.zeros((size[1], size[0], 3), np.uint8), Size(1024, 1024), []
    strip[size[1] // 2 - 2 : size[1] // 2 + 3, size[0] // 2 - 2 if size[0] > 8 else 0 :] = 255
    monkeypatch.setattr(sizes, "_scaled", lambda picture, to: scaled.append(to) or picture.resize(to))
    made = resized(Image.fromarray(strip), target)
    assert made.size == target and scaled[0].pixels <= 2 * target.pixels
    assert made.getpixel((512, 512)) == (255, 255, 255), "its middle"


def test_fill_has_the_median_colour_of_the_rim():
    pixels = np.full((20, 40, 3), (10, 20, 30), np.uint8)
    pixels[5:15, 10:30] = 200
    filled = np.asarray(resized(Image.fromarray(pixels), Size(40, 40), FILL))
    assert filled[0, 0].tolist() == [10, 20, 30] and np.array_equal(filled[10:30], pixels)


def test_black_and_white_stays_so_and_a_drawing_keeps_its_colours():
    edges = Image.fromarray(np.eye(64, dtype=np.uint8) * 255).convert("RGB")
    assert {c for _, c in resized(edges, Size(100, 100)).getcolors()} == {(0, 0, 0), (255, 255, 255)}
    drawing = Image.new("RGB", (64, 64))
    drawing.paste((255, 85, 0), (0, 0, 20, 64))
    drawing.paste((0, 0, 255), (40, 0, 64, 64))
    assert {c for _, c in resized(drawing, Size(100, 90)).getcolors()} == {(0, 0, 0), (255, 85, 0), (0, 0, 255)}


def test_an_unknown_resize_mode_is_refused():
    with pytest.raises(FieldError, match="Resize and Fill"):
        placed(Size(8, 8), Size(8, 8), "Resize & Fill")
