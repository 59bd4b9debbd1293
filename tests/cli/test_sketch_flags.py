"""Flags of a likeness, of a sketch and of `rank`; a drawing given as one file is taken apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.archive.inputs import Inputs
from pipelines.cli.flags import Order, parse
from pipelines.cli.generate import drawn, pictured
from pipelines.cli.rank import ranking
from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.tasks.preprocess import Preprocessors


class Bench:
    """As much of a studio as pictures need."""

    def __init__(self, home: Path) -> None:
        self.inputs, self.library, self.preprocessors = Inputs(home), type("Library", (), {"roots": ()}), Preprocessors([])


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    return Bench(tmp_path)


def test_the_words_of_the_issue_are_understood() -> None:
    order = parse(["generate", "--prompt", "a man img on a beach", "--identity", "a.png", "b.png", "--style", "Cinematic",
                   "--style-strength", "20", "--sketch", "c.png", "--sketch-faithfulness", "0.8", "--stroke-faithfulness", "0.5",
                   "--realism", "0.4"], {})
    assert order.changes["identity"] == {"photos": ["a.png", "b.png"], "style_strength": "20"}
    assert order.changes["styles"] == ["Cinematic"]
    assert order.changes["sketch"] == {"lines": "c.png", "faithfulness": "0.8", "stroke_faithfulness": "0.5", "realism": "0.4"}


def test_a_drawing_in_one_file_is_taken_apart(bench: Any, tmp_path: Path) -> None:
    picture = Image.new("RGB", (120, 120), "white")
    ImageDraw.Draw(picture).line((10, 110, 110, 110), fill="black", width=2)
    ImageDraw.Draw(picture).rectangle((20, 20, 80, 80), fill="#1d4ed8")
    picture.save(tmp_path / "drawing.png")
    found = drawn({"lines": str(tmp_path / "drawing.png"), "realism": 0.2}, bench)["sketch"]
    assert found["realism"] == 0.2
    assert bench.inputs.open(found["lines"]).convert("L").getpixel((50, 50)) == 255
    assert bench.inputs.open(found["strokes"]).getchannel("A").getpixel((50, 50)) == 255
    with pytest.raises(ImageFileError):
        drawn({"lines": "nowhere.png"}, bench)


def test_photos_are_cropped_and_kept_and_vectors_read(bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    Image.new("RGB", (90, 140), "grey").save(tmp_path / "photo.png")
    np.save(tmp_path / "face.npy", np.ones(512, np.float32))
    found = pictured({"photos": [str(tmp_path / "photo.png")], "vectors": [str(tmp_path / "face.npy")]}, bench)["identity"]
    assert bench.inputs.open(found["photos"][0]).size == (90, 90) and len(found["vectors"][0]) == 2732
    assert "crop by hand" in capsys.readouterr().err
    with pytest.raises(ImageFileError):
        pictured({"photos": ["nobody.jpg"]}, bench)


def test_rank_needs_files_that_are_there_and_a_count(bench: Any, tmp_path: Path) -> None:
    assert parse(["rank", "a.png", "b.png", "--prompt", "a cat"], {}).given["files"] == ["a.png", "b.png"]
    given = {"files": ["gone.png"], "photo": [], "keep": 0, "prompt": "", "model": ""}
    with pytest.raises(ImageFileError):
        ranking(Order(given=given), bench)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(FieldError, match="--keep"):
        ranking(Order(given=given | {"files": [str(tmp_path / "a.png")], "keep": -1}), bench)
