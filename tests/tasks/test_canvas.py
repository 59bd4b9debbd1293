"""Pixels of a canvas: fitted, masked, extended, and put back without touching what was not to be touched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size
from pipelines.spec.parts import RESIZE_MODES
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.canvas import around, canvas_of, colours_like, fitted, grown, shaped

SIZE = Size(96, 64)


def picture(width: int = 96, height: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def spot(width: int = 96, height: int = 64, box: tuple[int, int, int, int] = (30, 20, 50, 40)) -> Image.Image:
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).rectangle(box, fill=255)
    return mask


def asked(size: Size = SIZE, **parts: object) -> GenerationRequest:
    return GenerationRequest.parse({"width": size.width, "height": size.height, "init": {"image": "0" * 64}} | parts)


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_every_resize_mode_gives_the_size_asked_for(mode: str) -> None:
    assert fitted(picture(), Size(64, 128), mode).size == (64, 128)
    same = picture()
    assert fitted(same, Size(96, 64), mode) is same


@pytest.mark.parametrize("size", [(2, 900), (1200, 8), (1, 3000), (3000, 1)])
@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_a_strip_keeps_a_pixel(mode: str, size: tuple[int, int]) -> None:
    made = fitted(Image.new("RGB", size, "red"), Size(64, 64), mode)
    assert made.size == (64, 64) and made.getextrema() == ((255, 255), (0, 0), (0, 0))


def test_resize_and_fill_keeps_all_of_the_picture_and_repeats_its_edge() -> None:
    made = np.asarray(fitted(picture(), Size(96, 128), "Resize and fill"))
    assert np.array_equal(made[32:96], np.asarray(picture()))
    assert (made[:32] == made[32]).all() and (made[96:] == made[95]).all()


@pytest.mark.parametrize("area", ["Whole picture", "Only masked"])
@pytest.mark.parametrize("blur", [0, 4])
def test_outside_the_blurred_mask_the_pixels_are_the_sources(area: str, blur: int) -> None:
    request = asked(inpaint={"mask": "1" * 64, "mask_blur": blur, "area": area, "padding": 8})
    canvas = canvas_of(request, picture(), spot())
    made = np.asarray(canvas.put_back(Image.new("RGB", (96, 64), "red")))
    black = np.asarray(canvas.where) == 0
    assert black.any() and np.array_equal(made[black], np.asarray(picture())[black])
    assert np.abs(made[30, 40].astype(int) - (255, 0, 0)).max() < 40


def test_only_masked_shows_a_small_part_of_a_large_picture_at_the_size_asked_for() -> None:
    large, mask = picture(1024, 1024), spot(1024, 1024, (500, 500, 560, 560))
    canvas = canvas_of(asked(Size(256, 256), inpaint={"mask": "1" * 64, "area": "Only masked"}), large, mask)
    assert canvas.picture.size == (256, 256) and canvas.put_back(canvas.picture).size == (1024, 1024)
    left, top, right, bottom = canvas.box
    assert left <= 468 and right >= 592 and right - left == bottom - top < 200


def test_outpainting_keeps_the_picture_inside_its_new_frame() -> None:
    request = asked(Size(320, 208), outpaint={"left": 64, "bottom": 40})
    canvas = canvas_of(request, picture(240, 160), None)
    made = canvas.put_back(Image.new("RGB", (320, 208), "red"))
    assert made.size == (304, 200)      # the frame, not the multiple that was painted
    assert np.array_equal(np.asarray(made)[:80, 64 + 80:], np.asarray(picture(240, 160))[:80, 80:])
    assert np.array_equal(np.asarray(canvas.source)[:160, 64:304], np.asarray(picture(240, 160)))


def stroke(colour: tuple[int, ...] = (0, 0, 255, 255)) -> Image.Image:
    strokes = Image.new("RGBA", (96, 64))
    ImageDraw.Draw(strokes).rectangle((30, 20, 50, 40), fill=colour)
    return strokes


def test_colours_painted_over_the_picture_are_the_start() -> None:
    made = np.asarray(canvas_of(asked(), picture(), None, stroke()).picture)
    assert (made[25, 35] == (0, 0, 255)).all() and np.array_equal(made[:, :30], np.asarray(picture())[:, :30])
    half = np.asarray(canvas_of(asked(), Image.new("RGB", (96, 64), "red"), None, stroke((0, 0, 255, 128))).picture)
    assert np.abs(half[25, 35].astype(int) - (127, 0, 128)).max() <= 1 and (half[0, 0] == (255, 0, 0)).all()


def test_under_a_mask_the_colours_are_the_start_and_what_is_kept_is_the_source() -> None:
    canvas = canvas_of(asked(inpaint={"mask": "1" * 64, "mask_blur": 4}), picture(), spot(), stroke())
    assert canvas.picture.getpixel((40, 30)) == (0, 0, 255)
    assert np.array_equal(np.asarray(canvas.source), np.asarray(picture()))


def test_a_mask_that_covers_nothing_is_refused() -> None:       # faults.md C32
    with pytest.raises(FieldError, match="Mask: empty - nothing would be painted"):
        canvas_of(asked(inpaint={"mask": "1" * 64}), picture(), Image.new("L", (96, 64)))


def test_a_mask_of_another_size_and_mode_is_brought_to_the_pictures() -> None:
    larger = shaped(spot(48, 32, (15, 10, 25, 20)).convert("RGB"), Size(96, 64), asked(inpaint={"mask_grow": 3}).inpaint)
    assert larger.size == (96, 64) and larger.getpixel((40, 30)) == 255
    inverted = shaped(spot(), Size(96, 64), asked(inpaint={"mask_mode": "Inpaint not masked"}).inpaint)
    assert inverted.getpixel((40, 30)) == 0 and inverted.getpixel((0, 0)) == 255


def test_what_is_painted_softly_is_laid_back_whole_and_nothing_outside_the_mask() -> None:
    grey = spot().point(lambda value: value // 2)
    soft, hard = (canvas_of(asked(inpaint={"mask": "1" * 64, "soft": on, "mask_blur": 0}), picture(), grey) for on in (True, False))
    red = Image.new("RGB", (96, 64), "red")
    assert soft.put_back(red).getpixel((40, 30)) == (255, 0, 0) != hard.put_back(red).getpixel((40, 30))
    assert soft.mask.getpixel((40, 30)) == 127, "what is freed late stays so"
    outside = np.asarray(grey) == 0
    assert np.array_equal(np.asarray(soft.put_back(red))[outside], np.asarray(picture())[outside])


@pytest.mark.parametrize("colour", ["black", "white", "orange"])
def test_a_mask_that_is_alpha_only_counts_by_it(colour: str) -> None:       # faults.md C32
    strokes = Image.new("RGBA", (96, 64), (0, 0, 0, 0))
    ImageDraw.Draw(strokes).rectangle((30, 20, 50, 40), fill=colour)
    made = shaped(strokes, Size(96, 64), asked(inpaint={"mask": "1" * 64}).inpaint)
    assert np.array_equal(np.asarray(made), np.asarray(spot(box=(30, 20, 50, 40))))
    seen_through_nowhere = shaped(spot().convert("RGBA"), Size(96, 64), asked(inpaint={"mask": "1" * 64}).inpaint)
    assert np.array_equal(np.asarray(seen_through_nowhere), np.asarray(spot()))


@pytest.mark.parametrize("by", [1, 7, -1, -7, 64])
def test_a_mask_grows_and_shrinks_as_so_many_filters_of_three_pixels_make_it(by: int) -> None:
    grey, once = spot(96, 64, (30, 20, 55, 45)), ImageFilter.MaxFilter(3) if by > 0 else ImageFilter.MinFilter(3)
    slowly = grey
    for _ in range(abs(by)):
        slowly = slowly.filter(once)
    assert np.array_equal(np.asarray(grown(grey, by)), np.asarray(slowly))


def test_fill_takes_the_masked_part_from_what_is_around_it() -> None:
    red = Image.new("RGB", (96, 64), "red")
    ImageDraw.Draw(red).rectangle((30, 20, 50, 40), fill="blue")
    canvas = canvas_of(asked(inpaint={"mask": "1" * 64, "masked_content": "fill", "mask_blur": 0}), red, spot())
    assert np.abs(np.asarray(canvas.picture, int) - (255, 0, 0)).max() <= 2


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 299)] * 4), st.integers(0, 256), st.sampled_from([(64, 64), (64, 192), (320, 64)]))
def test_the_part_around_a_mask_holds_it_and_lies_within_the_picture(corners: tuple, padding: int, shape: tuple) -> None:
    (x1, x2), (y1, y2) = sorted(corners[::2]), sorted(corners[1::2])
    box = (x1, y1, x2 + 1, y2 + 1)
    left, top, right, bottom = around(box, padding, Size(300, 300), Size(*shape))
    assert 0 <= left <= box[0] and box[2] <= right <= 300 and 0 <= top <= box[1] and box[3] <= bottom <= 300


def test_colour_correction_gives_the_result_the_mean_of_the_picture() -> None:
    blue = Image.fromarray((np.asarray(picture()) * [0.2, 0.4, 0.8]).astype(np.uint8))
    before = np.abs(np.asarray(picture()).mean((0, 1)) - np.asarray(blue).mean((0, 1))).max()
    after = np.abs(np.asarray(colours_like(picture(), blue)).mean((0, 1)) - np.asarray(blue).mean((0, 1))).max()
    assert after < before / 4


def test_colours_measured_in_bands_are_those_of_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    blue = Image.fromarray((np.asarray(picture()) * [0.2, 0.4, 0.8]).astype(np.uint8))
    whole = np.asarray(colours_like(picture(), blue), int)
    monkeypatch.setattr("pipelines.tasks.canvas.BAND", 7 * picture().width)
    assert np.abs(np.asarray(colours_like(picture(), blue), int) - whole).max() <= 1
