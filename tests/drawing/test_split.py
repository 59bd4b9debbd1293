"""One drawing is lines and colours: thin and grey ink is a line, thick coloured ink an area, on white and on black paper."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.drawing.split import joined, split
from pipelines.drawing.ways import Available, choose, said
from pipelines.spec.errors import FieldError
from pipelines.spec.parts import Sketch


def drawing(paper: str | None = "white", ink: str = "black") -> Image.Image:
    picture = Image.new("RGBA", (200, 160), paper or (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.line((20, 140, 90, 20, 160, 140), fill=ink, width=4)
    draw.rectangle((120, 10, 180, 60), fill="#d62828")
    draw.line((10, 10, 60, 10), fill="#1d4ed8", width=1)
    return picture


@pytest.mark.parametrize(("paper", "ink"), [("white", "black"), ("black", "white"), (None, "black")])
def test_lines_and_colours_are_told_apart(paper: str | None, ink: str) -> None:
    parts = split(drawing(paper, ink))
    lines, alpha = np.asarray(parts.lines), np.asarray(parts.strokes)[..., 3]
    assert alpha[35, 150] == 255 and alpha[100, 150] == 0 and alpha[10, 30] == 0
    assert lines[80, 55] == 0 and lines[10, 30] < 200 and lines[35, 150] == 255 and lines[100, 20] == 255


def test_a_painting_without_paper_is_colours_alone() -> None:
    parts = split(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)))
    assert parts.lines is None and np.asarray(parts.strokes)[..., 3].all()


def test_an_empty_sheet_is_nothing() -> None:
    assert split(Image.new("RGBA", (64, 64))) == (None, None) == split(Image.new("RGB", (64, 64), "white"))


def test_the_parts_laid_on_one_sheet_are_the_drawing() -> None:
    sheet = np.asarray(joined(*split(drawing())), dtype=int)
    assert np.abs(sheet - np.asarray(drawing().convert("RGB"), dtype=int)).mean() < 3


NAME = "0" * 64
HAS = Available("scribble", "", "edges")


@pytest.mark.parametrize(("drawn", "has", "lines", "colours"), [
    ({"lines": NAME}, HAS, "ControlNet", False), ({"lines": NAME, "strokes": NAME}, HAS, "ControlNet", True),
    ({"lines": NAME, "way": "Guidance predictor"}, HAS, "Guidance predictor", False),
    ({"lines": NAME}, Available(predictor="edges"), "Guidance predictor", False),
    ({"lines": NAME}, Available(), "Colour refinement", True), ({"strokes": NAME}, HAS, "", True),
    ({"lines": NAME, "strokes": NAME, "faithfulness": 0}, HAS, "", True),
    ({"lines": NAME, "strokes": NAME, "stroke_faithfulness": 0}, HAS, "ControlNet", False)])
def test_automatic_takes_what_there_is(drawn: dict, has: Available, lines: str, colours: bool) -> None:
    chosen = choose(Sketch(**drawn), has)
    assert (chosen.lines, chosen.colours) == (lines, colours)
    assert said(Sketch(**drawn), chosen)


@pytest.mark.parametrize(("way", "has", "what"), [
    ("ControlNet", Available(predictor="edges"), "models/ControlNet"),
    ("Guidance predictor", Available("scribble"), "models/sketch/"),
    ("Three branches", Available("scribble"), "reads colours")])
def test_a_way_that_is_not_there_says_what_is_missing(way: str, has: Available, what: str) -> None:
    with pytest.raises(FieldError, match=what):
        choose(Sketch(lines=NAME, strokes=NAME, way=way), has)
