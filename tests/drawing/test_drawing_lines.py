"""A drawing means the same on white and on black paper, and the knobs mean what the table says."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from pipelines.drawing.knobs import Knobs
from pipelines.drawing.lines import colour_start, lines, strokes
from pipelines.spec.errors import FieldError


def sketch(paper: str = "white", ink: str = "black") -> Image.Image:
    picture = Image.new("RGB", (64, 48), paper)
    ImageDraw.Draw(picture).ellipse((10, 10, 40, 40), outline=ink, width=3)
    return picture


def test_dark_on_light_and_light_on_dark_give_the_same_lines() -> None:
    drawn = lines(sketch())
    assert np.array_equal(drawn, lines(ImageOps.invert(sketch())))
    assert drawn[0, 0] == 0 and drawn[25, 11] == 1 and 0.03 < drawn.mean() < 0.3


def test_transparency_is_paper_and_pale_ink_counts_fully() -> None:
    clear = Image.new("RGBA", (64, 48), (0, 0, 0, 0))
    ImageDraw.Draw(clear).ellipse((10, 10, 40, 40), outline="black", width=3)
    assert np.array_equal(lines(clear), lines(sketch()))
    assert np.array_equal(lines(sketch(ink="#bbbbbb"), 0.5), lines(sketch(), 0.5))


@pytest.mark.parametrize("paper", ["white", "black", "#fffffe", "#808080"])
def test_an_empty_sheet_has_no_lines(paper: str) -> None:
    assert not lines(Image.new("RGB", (32, 32), paper)).any()


def test_strokes_are_where_colour_was_laid() -> None:
    picture = Image.new("RGB", (40, 40), "white")
    picture.paste("red", (10, 10, 20, 20))
    assert strokes(picture).sum() == 100
    assert strokes(picture)[15, 15] and not strokes(picture)[0, 0]


def test_the_start_has_the_colours_of_the_strokes_everywhere() -> None:
    picture = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 20, 10))
    picture.paste((0, 0, 255, 255), (20, 30, 40, 40))
    start = np.asarray(colour_start(picture), dtype=int)
    assert start[2, 5, 0] > 240 and start[37, 35, 2] > 240
    assert start[..., 1].max() < 10, "no white paper is left"


@pytest.mark.parametrize(("knobs", "scale", "end", "beta", "strength"), [
    (Knobs(0, 0, 0), 0, 0, 0, 1), (Knobs(0.5, 0.5, 0), 1, 0.65, 1, 0.7), (Knobs(1, 1, 0), 2, 1, 2, 0.4),
    (Knobs(1, 1, 1), 2, 0.5, 2, 0.7)])
def test_the_knobs_follow_the_table(knobs: Knobs, scale: float, end: float, beta: float, strength: float) -> None:
    assert (knobs.control_scale, knobs.control_end, knobs.beta, knobs.strength) == pytest.approx((scale, end, beta, strength))


def test_a_knob_outside_its_range_is_refused() -> None:
    with pytest.raises(FieldError, match="Realism"):
        Knobs(realism=2)
