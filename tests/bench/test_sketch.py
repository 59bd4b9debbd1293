"""The bench's drawings and judges: lines are met by themselves, colours by the strokes, a ladder that falls is seen."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from PIL import Image

from bench.sketch import Drawing, steepest
from pipelines.drawing.lines import flat


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    return Drawing.of(1, Random(0))


def test_a_drawing_is_lines_on_paper_strokes_on_nothing_and_words(drawing: Drawing) -> None:
    grey, alpha = np.asarray(drawing.lines.convert("L")), np.asarray(drawing.strokes)[..., 3]
    assert (grey > 200).mean() > 0.5 > (grey < 50).mean() > 0.01
    assert 0.05 < (alpha > 0).mean() < 0.95 and drawing.words


def test_lines_are_met_by_themselves_and_not_by_an_empty_sheet(drawing: Drawing) -> None:
    assert drawing.met(flat(drawing.lines)) > 0.9
    assert drawing.met(Image.new("RGB", drawing.lines.size)) == 0


def test_the_strokes_are_met_by_themselves(drawing: Drawing) -> None:
    assert drawing.apart(flat(drawing.strokes)) < 1 < 10 < drawing.apart(Image.new("RGB", drawing.strokes.size, (255, 0, 255)))


@pytest.mark.parametrize(("values", "rises"), [([0.5, 0.6, 0.7], True), ([0.5, 0.7, 0.6], False)])
def test_a_ladder_that_does_not_rise_is_seen(values: list[float], rises: bool) -> None:
    assert (steepest(values) < 1) is rises
