"""Guidance in an interval of the run, through the engine on mini: whatever else is on, outside it the picture is that of CFG 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest

BASE = {"prompt": "a red car", "negative_prompt": "night", "steps": 3, "seed": 7, "width": 64, "height": 64, "sampler": "Euler"}
Painted = Callable[..., tuple[list[np.ndarray], list[int]]]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> tuple[Inputs, dict[str, str]]:
    """A picture, a mask, lines and a photo, kept."""
    inputs = Inputs(tmp_path_factory.mktemp("inputs"))
    picture, mask = Image.new("RGB", (64, 64), (120, 180, 240)), Image.new("L", (64, 64))
    lines = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(picture).rectangle((10, 30, 50, 60), fill=(200, 30, 30))
    ImageDraw.Draw(mask).rectangle((0, 0, 40, 40), fill=255)
    ImageDraw.Draw(lines).rectangle((10, 30, 50, 60), outline="black", width=2)
    photo = Image.effect_noise((140, 180), 60).convert("RGB")
    return inputs, {name: inputs.keep(kept) for name, kept in
                    {"PICTURE": picture, "MASK": mask, "LINES": lines, "PHOTO": photo}.items()}


@pytest.fixture
def run(engine: Engine, names: tuple[Inputs, dict[str, str]]) -> Painted:
    """Pictures of a request whose inputs are named in capitals, and the rows of every call of the UNet."""
    own = Engine(engine.residency, None, names[0])

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: told(one) for key, one in value.items()}
        return [told(one) for one in value] if isinstance(value, list) else names[1].get(value, value)

    def paint(**fields: Any) -> tuple[list[np.ndarray], list[int]]:
        rows: list[int] = []
        first = engine.residency.pipeline("txt2img", "mini").unet.conv_in
        watch = first.register_forward_pre_hook(lambda _m, args: rows.append(len(args[0])))
        made = list(own.run(GenerationRequest.parse(BASE | told(fields)), lambda event: None))
        watch.remove()
        return [np.asarray(one.image) for one in made], rows

    return paint


START = {"init": {"image": "PICTURE", "denoising_strength": 0.6}}
CASES: dict[str, dict[str, Any]] = {
    "batch, weights, schedule": {"prompt": "a (red:1.3) car, [snow:night:0.5]", "batch_size": 2},
    "AND": {"prompt": "a red car AND snow :0.4"},
    "region": {"prompt": "in the snow AND a red car <region:0,0,0.5,1>"},
    "inpaint": START | {"inpaint": {"mask": "MASK"}},
    "hires": {"hires": {"scale": 1.5, "denoising_strength": 0.5, "upscaler": "Lanczos"}},
    "tiled": START | {"tiled": {"scale": 1.5, "tile": 64, "padding": 8, "upscaler": "Lanczos"}},
    "control": {"control": [{"image": "PICTURE", "model": "canny", "control_mode": "ControlNet is more important"}]},
    "sketch": {"sketch": {"lines": "LINES", "way": "Guidance predictor"}},
    "sketch and AND": {"prompt": "a red car AND snow", "sketch": {"lines": "LINES", "way": "Guidance predictor"}},
    "likeness": {"prompt": "a man img, in a park", "identity": {"photos": ["PHOTO"]}},
}


ONE_GRADIENT = 1        # grey level; a gradient is not summed in the same order every time


@pytest.mark.parametrize("case", CASES)
def test_without_a_guided_step_the_picture_is_that_of_cfg_1_bit_for_bit(run: Painted, case: str) -> None:
    off, rows = run(**CASES[case], cfg_end=0.0)
    plain, alone = run(**CASES[case], cfg_scale=1.0)
    guided, twice = run(**CASES[case])
    far = [int(np.abs(one.astype(int) - other).max()) for one, other in zip(off, plain, strict=True)]
    assert max(far) <= (ONE_GRADIENT if "sketch" in case else 0) and np.abs(off[0].astype(int) - guided[0]).max() > ONE_GRADIENT
    assert rows == alone and (sum(rows) < sum(twice)) == ("AND" not in CASES[case].get("prompt", ""))


def test_only_the_steps_of_the_interval_ask_twice_and_each_pass_counts_its_own(run: Painted) -> None:
    assert run(**CASES["hires"], cfg_start=0.3, cfg_end=0.6)[1] == [1, 2, 1] * 2


def test_an_interval_that_ends_before_it_begins_is_refused(run: Painted) -> None:
    with pytest.raises(FieldError, match="guidance would end before it begins"):
        run(cfg_start=0.6, cfg_end=0.5)
