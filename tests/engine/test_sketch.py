"""A drawing by the engine: its colours are met, with the knobs at nothing it leaves no trace, and the file says the way."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.archive.inputs import Inputs
from pipelines.drawing import ways
from pipelines.drawing.split import split
from pipelines.engine import Engine, Finished
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.sketch import SketchPlan, check

SIDE = 128


@pytest.fixture(scope="module")
def drawn(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, Inputs]:
    inputs = Inputs(tmp_path_factory.mktemp("sketch"))
    return Engine(engine.residency, inputs=inputs), inputs


def sheet() -> Image.Image:
    """A violet sky over an orange ground, and a square in lines."""
    picture = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, SIDE, 70), fill="#6a3fb5")
    draw.rectangle((0, 74, SIDE, SIDE), fill="#f08a24")
    draw.rectangle((40, 40, 90, 100), outline="black", width=3)
    return picture


def request_of(inputs: Inputs, **sketch: Any) -> GenerationRequest:
    parts = split(sheet())
    names = {"lines": inputs.keep(parts.lines), "strokes": inputs.keep(parts.strokes)}
    return GenerationRequest.parse({"prompt": "a house", "steps": 6, "seed": 5, "width": SIDE, "height": SIDE,
                                    "sampler": "DPM++ 2M", "sketch": names | sketch})


def painted(drawn: tuple[Engine, Inputs], request: GenerationRequest) -> Finished:
    return next(iter(drawn[0].run(request, lambda event: None)))


def distance(picture: Image.Image) -> float:
    """Mean ΔE (CIE 1976) to the drawing's colours, where colour was laid."""
    import cv2

    wanted, where = sheet().convert("RGB"), np.asarray(split(sheet()).strokes)[..., 3] > 0
    one, two = (cv2.cvtColor(np.asarray(p, np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (picture, wanted))
    return float(np.linalg.norm(one - two, axis=-1)[where].mean())


def test_colours_are_met_and_knobs_at_nothing_leave_no_trace(drawn: tuple[Engine, Inputs]) -> None:
    plain = painted(drawn, request_of(drawn[1]).merged({"sketch": None}))
    off = painted(drawn, request_of(drawn[1], faithfulness=0, stroke_faithfulness=0))
    held = painted(drawn, request_of(drawn[1], faithfulness=0, stroke_faithfulness=0.8, realism=0.1))
    assert np.array_equal(np.asarray(plain.image), np.asarray(off.image))
    assert distance(held.image) < 0.5 * distance(plain.image)


def test_the_file_says_what_was_drawn_and_which_way_it_was_followed(drawn: tuple[Engine, Inputs]) -> None:
    request = request_of(drawn[1], way="Colour refinement").merged({"steps": 3})
    made = painted(drawn, request)
    assert made.extra["Sketch way"] == "low pass of the whole drawing"
    assert made.request.sketch == request.sketch and made.request.init is None


@pytest.mark.parametrize(("changes", "message"), [
    ({"sketch": {"lines": "", "strokes": ""}}, "nothing to follow"), ({"sketch": {"way": "Three branches"}}, "Put a"),
    ({"sampler": "Heun"}, "twice a step"),
    ({"sketch": {"lines": "0" * 64}}, "no longer kept")], ids=["empty", "way", "sampler", "gone"])
def test_what_cannot_be_followed_is_refused_before_the_run(drawn: tuple[Engine, Inputs], changes: dict, message: str) -> None:
    request = request_of(drawn[1]).merged({"sketch": {"way": "Colour refinement"}}).merged(changes)
    with pytest.raises(FieldError, match=message):
        check(request, drawn[0].residency.library, drawn[1])


def test_three_branches_take_one_prompt(drawn: tuple[Engine, Inputs], monkeypatch: pytest.MonkeyPatch) -> None:
    branched = SimpleNamespace(chosen=SimpleNamespace(lines=ways.BRANCHES, colours=""))       # mini has no net that reads colours
    monkeypatch.setattr(SketchPlan, "of", lambda *_: branched)
    request = request_of(drawn[1])
    check(request, drawn[0].residency.library, drawn[1])
    with pytest.raises(FieldError, match="AND cannot be combined with three branches"):
        check(request.merged({"prompt": "a house AND snow <region:0,0,1,0.5>"}), drawn[0].residency.library, drawn[1])


def test_a_lent_picture_is_found_and_lies_on_no_disk(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    name = inputs.lend(Image.new("RGB", (8, 8), "red"))
    inputs.check(name)
    assert inputs.open(name).getpixel((0, 0)) == (255, 0, 0)
    assert not list(tmp_path.rglob("*.png"))
    for shade in range(40):
        inputs.lend(Image.new("RGB", (8, 8), (shade, 0, 0)))
    with pytest.raises(FieldError):
        inputs.check(name)
