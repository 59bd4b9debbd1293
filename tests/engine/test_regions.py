"""Regions through the engine on mini: without one nothing changes, and a part of the picture is shown its part of the boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine, Finished
from pipelines.patches import composition
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest

SMALL = {"width": 64, "height": 64, "steps": 2}
LEFT = "in the snow AND a red car <region:0,0,0.5,1>"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[tuple[float, ...]]:
    """Which parts of the picture, in shares, regions were laid on."""
    found: set[tuple[float, ...]] = set()
    cover = composition.cover

    def noted(region, part, like):
        found.add(tuple(round(edge, 3) for edge in part))
        return cover(region, part, like)

    monkeypatch.setattr(composition, "cover", noted)
    return found


@pytest.fixture
def begun(engine: Engine, tmp_path: Path) -> Callable[..., Finished]:
    """A picture that starts from one of 128 × 64; `mask`: L of that size."""
    inputs = Inputs(tmp_path)
    own = Engine(engine.residency, None, inputs)

    def run(mask: Image.Image | None = None, **fields: object) -> Finished:
        parts = {"init": {"image": inputs.keep(Image.new("RGB", (128, 64), "white"))}}
        if mask:
            parts["inpaint"] = {"mask": inputs.keep(mask), "area": "Only masked", "padding": 0, "mask_blur": 0}
        return next(own.run(GenerationRequest.parse({"prompt": LEFT, "seed": 7, **SMALL, **parts, **fields}), lambda event: None))

    return run


def pixels(made: list[Finished]) -> bytes:
    return np.asarray(made[0].image).tobytes()


def test_a_region_changes_the_picture_by_where_it_is_and_one_of_no_weight_does_not(paint: Callable[..., list[Finished]]) -> None:
    plain, left, right, none = (pixels(paint(prompt=text, **SMALL)) for text in (
        "in the snow", LEFT, LEFT.replace("region:0,", "region:0.5,"), LEFT.replace("car", "car :0")))
    assert len({plain, left, right}) == 3 and none == plain


def test_a_second_pass_and_guidance_of_one_know_regions_too(paint: Callable[..., list[Finished]], seen: set) -> None:
    made = paint(prompt=LEFT, cfg_scale=1, hires={"scale": 2, "steps": 2}, **SMALL)
    assert made[0].image.size == (128, 128) and seen == {(0, 0, 1, 1)}


@pytest.mark.parametrize("method", ["Blended", "Separate"])
def test_every_tile_is_shown_its_part_of_the_boxes(begun: Callable[..., Finished], seen: set, method: str) -> None:
    begun(tiled={"scale": 1, "tile": 64, "padding": 0, "method": method, "upscaler": "Lanczos"})
    assert len(seen) >= 2 and min(seen)[:3] == (0, 0, 0.5) and max(edge[2] for edge in seen) == 1


def test_only_masked_lays_the_boxes_on_the_whole_picture(begun: Callable[..., Finished], seen: set) -> None:
    mask = Image.new("L", (128, 64))
    mask.paste(255, (64, 0, 128, 64))
    begun(mask)
    assert seen == {(0.5, 0, 1, 1)}


def test_a_region_that_cannot_be_read_ends_the_run_with_its_line(paint: Callable[..., list[Finished]]) -> None:
    with pytest.raises(FieldError, match="<region:0,0,9,1> - '9' is not a share"):
        paint(prompt="a AND b <region:0,0,9,1>", **SMALL)
