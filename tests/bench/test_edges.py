"""Two pictures of one layout have their edges in one place, whatever their colours; moved or other ones do not."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw, ImageOps

from bench.edges import edge_f1


def scene(left: int = 40, colour: str = "#c03020") -> Image.Image:
    picture = Image.new("RGB", (160, 160), "#a8c8e8")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, 60, left + 50, 130), fill=colour)
    draw.ellipse((left + 60, 20, left + 80, 40), fill="#f0e080")
    return picture


@pytest.mark.parametrize(("other", "low", "high"), [
    (scene(), 1, 1), (ImageOps.invert(scene()), 0.99, 1), (scene(42), 0.9, 1), (scene(70), 0, 0.6)],
    ids=["itself", "inverted", "two pixels aside", "elsewhere"])
def test_edges_lie_together_as_far_as_the_layout_does(other: Image.Image, low: float, high: float) -> None:
    assert low <= edge_f1(scene(), other) <= high
    assert edge_f1(scene(), other) == pytest.approx(edge_f1(other, scene()))
