"""The sentences under the study's figures: every experiment has one, and it says what the pixels say."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bench import readings
from bench.figures import SAID, Figure
from pipelines.grid import Axis, Grid, Value
from pipelines.grid.ready import ready
from pipelines.spec.request import GenerationRequest

SHAPES = {"ladder": (4, 2), "timing": (3, 1), "denoising": (3, 1), "negative": (2, 3)}


def names(name: str, axis: int, count: int) -> list[str]:
    return ["Euler", "Heun", "DDIM"] if (name, axis) == ("timing", 0) else [str(v) for v in range(count)]


def figure(folder: Path, name: str) -> Figure:
    """Cells that grow redder to the right and lighter downwards."""
    width, height = SHAPES.get(name, (3, 2))
    axes = [Axis(f"axis{n}", "Axis", tuple(Value(v) for v in names(name, n, count)))
            for n, count in enumerate((width, height))]
    grid = Grid(GenerationRequest(), tuple(axes))
    files = {}
    for index in range(grid.count):
        x, y = grid.place(index)
        files[index] = folder / f"{index}.png"
        picture = Image.new("RGB", (16, 16), (60 * y, 60 * y, 90))
        picture.paste((200, 0, 0), (0, 0, 4 * x, 16))
        picture.save(files[index])
    return Figure(next(one for one in ready() if one.name == name), grid, files, {"Seconds": {i: 1.0 + i for i in files}})


@pytest.mark.parametrize("name", [one.name for one in ready() if one.name != "models"])
def test_every_figure_of_the_study_has_its_sentence(tmp_path: Path, name: str) -> None:
    assert len(SAID[name](figure(tmp_path, name))) > 60


def test_what_is_said_is_what_was_painted(tmp_path: Path) -> None:
    assert "is 0.0%, 25.0%, 50.0%" in readings.cfg(figure(tmp_path, "cfg"))
    assert readings.light(Image.new("RGB", (2, 2), "white")) == 1 and readings.red(Image.new("RGB", (2, 2), "red")) == 1
    assert "25 calls: Euler, DDIM; 49 calls: Heun" in readings.timing(figure(tmp_path, "timing"))
