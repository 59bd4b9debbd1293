"""Cells in one batch: which may, that each is its single run up to rounding, and that no trace of it stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine, Finished
from pipelines.loading.device import Budget, Device
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.ranking.likeness import psnr
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.together import key, most

BASE = GenerationRequest(prompt="a red car, in the snow", seed=5, steps=4, width=64, height=64)
CELLS = [{}, {"cfg_scale": 3.0}, {"cfg_scale": 12.0, "seed": 9}, {"prompt": "a (white:1.3) cat"}, {"negative_prompt": "snow"},
         {"prompt": "a red car, " * 40}, {"variation": {"seed": 3, "strength": 0.5}}]
CLOSE = 60.0        # dB; a single pixel of 64 x 64 one grey level off is 84


@pytest.fixture(scope="module")
def engine(root: Path) -> Engine:
    device = Device.pick("cpu")
    library = Library([root / "models"])
    library.scan()
    return Engine(Residency(library, device, Budget.of_this_machine(device)))


@pytest.fixture(scope="module")
def starting(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, dict]:
    """An engine whose pictures start from one, and two parts of a request: that picture and a mask."""
    inputs = Inputs(tmp_path_factory.mktemp("inputs"))
    picture, mask = Image.new("RGB", (64, 64), (120, 180, 240)), Image.new("L", (64, 64))
    ImageDraw.Draw(picture).rectangle((10, 30, 50, 60), fill=(200, 30, 30))
    ImageDraw.Draw(mask).rectangle((0, 0, 40, 40), fill=255)
    names = {"init": {"image": inputs.keep(picture)}, "inpaint": {"mask": inputs.keep(mask)}}
    return Engine(engine.residency, None, inputs), names


def painted(engine: Engine, exact: bool, cells: list[GenerationRequest]) -> list[Finished]:
    errors: list[str] = []
    made = list(engine.run_cells(range(len(cells)), cells.__getitem__, lambda event: None,
                                 lambda i, e: errors.append(str(e)), exact))
    assert not errors
    return sorted(made, key=lambda one: one.index)


def test_each_cell_of_a_batch_is_its_single_run_up_to_rounding_and_no_weight_is_left_changed(engine: Engine) -> None:
    cells = [BASE.merged(changes) for changes in CELLS]
    alone = painted(engine, True, cells)
    unet = engine.residency.pipeline("txt2img", "mini").unet
    calls: list[int] = []
    hook = unet.register_forward_pre_hook(lambda _m, args, kwargs: calls.append(len(args[0])), with_kwargs=True)
    together = painted(engine, False, cells)
    hook.remove()
    assert max(calls) == 12 and len(calls) < 4 * BASE.steps + 8
    likeness = [psnr(one.image, other.image) for one, other in zip(alone, together, strict=True)]
    assert all(value is not None and value > CLOSE for value in likeness), likeness
    assert [one.request for one in together] == [one.request for one in alone]
    again = painted(engine, True, cells[:1])
    assert list(again[0].image.getdata()) == list(alone[0].image.getdata())


@pytest.mark.parametrize("sampler", ["Euler", "Euler a", "DPM++ 2M", "DPM++ 2M SDE", "DPM++ SDE", "Heun", "UniPC", "PLMS", "LCM"])
def test_cells_of_unlike_strength_join_when_their_start_comes(starting: tuple[Engine, dict], sampler: str) -> None:
    engine, start = starting
    changes = [{"init": start["init"] | {"denoising_strength": s}, "seed": 5 + n, "cfg_scale": 5.0 + n}
               for n, s in enumerate((0.4, 1.0, 0.7, 0.4))]
    cells = [BASE.merged({"steps": 6, "sampler": sampler, "schedule": "Automatic"} | one) for one in changes]
    alone, asked = painted(engine, True, cells), []
    unet = engine.residency.pipeline("img2img", "mini").unet
    hook = unet.conv_in.register_forward_pre_hook(lambda _m, args: asked.append(len(args[0])))
    together = painted(engine, False, cells)
    hook.remove()
    likeness = [psnr(one.image, other.image) for one, other in zip(alone, together, strict=True)]
    assert all(value is None or value > CLOSE for value in likeness), likeness
    assert asked[0] == 2 and asked[-1] == 8 and asked == sorted(asked)
    assert "forward" not in vars(unet) and together[0].extra["together"] == 4


def test_cells_of_unlike_strength_keep_what_the_mask_protects(starting: tuple[Engine, dict]) -> None:
    engine, start = starting
    cells = [BASE.merged({"steps": 6, "init": start["init"] | {"denoising_strength": s}, "inpaint": start["inpaint"] | how})
             for s in (0.5, 0.9) for how in ({"seam_strength": 0.5},)]
    alone, together = painted(engine, True, cells), painted(engine, False, cells)
    likeness = [psnr(one.image, other.image) for one, other in zip(alone, together, strict=True)]
    assert all(value is None or value > CLOSE for value in likeness) and together[0].extra["together"] == 2, likeness


@pytest.mark.parametrize(("changes", "shared"), [
    ({"init": {"denoising_strength": 0.2}}, True), ({"seed": 9, "prompt": "a cat"}, True), ({"init": {"image": "1" * 64}}, False),
    ({"init": {"denoising_strength": 0}}, False), ({"init": {"denoising_strength": 0.2, "exact_steps": True}}, False),
    ({"inpaint": {"mask": "2" * 64, "masked_content": "latent noise"}}, False), ({"inpaint": {"mask": "2" * 64}}, False)], ids=str)
def test_what_may_differ_among_cells_that_start_from_a_picture(changes: dict, shared: bool) -> None:
    started = BASE.merged({"init": {"image": "0" * 64}})
    assert (key(started.merged(changes)) == key(started)) == shared


@pytest.mark.parametrize("changes", CELLS, ids=str)
def test_what_may_differ_within_a_batch(changes: dict) -> None:
    assert key(BASE.merged(changes)) == key(BASE)


@pytest.mark.parametrize("changes", [
    {"steps": 5}, {"sampler": "Euler a"}, {"width": 128}, {"cfg_scale": 1.0}, {"clip_skip": 2}, {"prompt": "a car <lora:x:1>"},
    {"emphasis": "Ignore"}, {"model": "other"}, {"tiling": True}, {"cfg_end": 0.5}], ids=str)
def test_what_may_not(changes: dict) -> None:
    assert key(BASE.merged(changes)) not in (key(BASE), None)


@pytest.mark.parametrize("changes", [
    {"prompt": "[a:b:0.5]"}, {"prompt": "[a|b]"}, {"prompt": "a AND b"}, {"negative_prompt": "a AND b :0.5"},
    {"init": {"image": "0" * 64}, "hires": {}}, {"hires": {}}], ids=str)
def test_what_must_be_alone(changes: dict) -> None:
    assert key(BASE.merged(changes)) is None


def test_an_interval_of_guidance_is_shared_but_not_by_unlike_strengths(engine: Engine) -> None:
    limited = BASE.merged({"cfg_end": 0.5, "init": {"image": "0" * 64}})
    assert key(limited.merged({"init": {"denoising_strength": 0.2}})) != key(limited)
    cells = [BASE.merged({"cfg_end": 0.5} | changes) for changes in CELLS[:3]]
    alone, together = painted(engine, True, cells), painted(engine, False, cells)
    likeness = [psnr(one.image, other.image) for one, other in zip(alone, together, strict=True)]
    assert all(value is None or value > CLOSE for value in likeness) and together[0].extra["together"] == 3, likeness


@pytest.mark.parametrize(("size", "cfg", "main", "count"), [
    (256, 7, True, 8), (256, 1, True, 16), (64, 7, True, 16), (512, 7, True, 2), (1024, 7, True, 1), (512, 7, False, 8),
    (1024, 7, False, 2)], ids=str)
def test_a_batch_is_as_large_as_helps(size: int, cfg: float, main: bool, count: int) -> None:
    assert most(BASE.merged({"width": size, "height": size, "cfg_scale": cfg}), main) == count
