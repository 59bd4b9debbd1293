"""Units through the engine on mini: off is off bit for bit, steps are counted, pictures are cut, memory goes back."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.loading.compat import torch
from pipelines.spec.errors import FieldError, ModelFileError
from pipelines.spec.geometry import Size
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.condition import tensor
from pipelines.tasks.control import refusals
from tests.control import layouts
from tests.control.conftest import Bench, scene
from tests.loading.ldm_layout import build, thin_configs

EDGES = {"preprocessor": "canny", "model": "edges"}


def held(mini: Bench) -> list[str]:
    return [component for _, component, _, _ in mini.residency.resident()]


@pytest.mark.parametrize("off", [{"weight": 0}, {"end": 0}, {"start": 0.5, "end": 0.5}], ids=["weight 0", "end 0", "no step"])
def test_a_unit_that_is_off_changes_no_bit(mini: Bench, box: str, off: dict[str, Any]) -> None:
    plain = mini.paint(steps=2)
    assert np.array_equal(mini.paint(steps=2, control=[EDGES | {"image": box} | off]), plain)
    assert "control" not in held(mini)


def test_a_unit_changes_the_picture_and_the_file_names_its_weights(mini: Bench, box: str) -> None:
    request = GenerationRequest.parse({"prompt": "a red car", "steps": 2, "seed": 7, "control": [EDGES | {"image": box}]})
    [finished] = mini.engine.run(request, lambda event: None)
    assert not np.array_equal(np.asarray(finished.image), mini.paint(steps=2, sampler="DPM++ 2M"))
    assert finished.request.control_hashes == (mini.library.find_kind("", "controlnet", "edges").short_hash()[:8],)
    assert finished.request.control == request.control
    again = GenerationRequest.from_json(finished.request.to_json())
    [repeated] = mini.engine.run(again, lambda event: None)
    assert again == finished.request and np.array_equal(np.asarray(repeated.image), np.asarray(finished.image))


@pytest.mark.parametrize(("sampler", "steps"), [("Euler", 8), ("Heun", 4)])
def test_exactly_the_intended_calls_are_steered(mini: Bench, box: str, sampler: str, steps: int) -> None:
    from pipelines import samplers

    mini.paint(steps=1, control=[EDGES | {"image": box}])
    net = next(h.module for k, h in mini.residency._store.held() if k.component == "control")
    asked: list[int] = []
    hook = net.register_forward_pre_hook(lambda *_: asked.append(1))
    mini.paint(steps=steps, sampler=sampler, control=[EDGES | {"image": box, "start": 0.25, "end": 0.75}])
    hook.remove()
    calls = samplers.callback_count(sampler, steps)
    assert len(asked) == sum(c / calls >= 0.25 and (c + 1) / calls <= 0.75 for c in range(calls)) > 0


@pytest.mark.parametrize(("option", "sizes"), [("Both", [8, 8, 12, 12]), ("Low res only", [8, 8]), ("High res only", [12, 12])])
def test_a_unit_steers_the_passes_it_is_meant_for(mini: Bench, box: str, option: str, sizes: list[int]) -> None:
    fields = {"steps": 2, "sampler": "Euler", "width": 128, "height": 128}
    hires = {"scale": 1.5, "upscaler": "Lanczos", "steps": 2, "denoising_strength": 0.6}
    unit = EDGES | {"image": box, "hr_option": option}
    mini.paint(**fields | {"steps": 1}, control=[EDGES | {"image": box}])
    net = next(h.module for k, h in mini.residency._store.held() if k.component == "control")
    seen: list[int] = []
    net_type = type(net)
    forward = net_type.forward

    def watched(self: Any, sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(sample.shape[-1])
        return forward(self, sample, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patched:       # a pass without the unit forgets its net, the next loads another
        patched.setattr(net_type, "forward", watched)
        mini.paint(**fields, hires=hires, control=[unit])
        factor = 128 // min(seen) if option != "High res only" else 192 // min(seen)
        assert [size * factor // 16 for size in seen] == sizes
        seen.clear()
        mini.paint(**fields, control=[unit])
    assert len(seen) == 2, "with one pass the option says nothing"


def test_memory_is_back_when_the_unit_is_switched_off(mini: Bench, box: str) -> None:
    import psutil
    from diffusers import ControlNetModel

    process, both = psutil.Process(), [EDGES | {"image": box}, {"model": "lines", "image": box}]
    small = {"steps": 1, "width": 64, "height": 64}

    def switched_on_and_off() -> None:
        mini.paint(**small, control=both)
        assert held(mini).count("control") == 2
        mini.paint(**small, control=[EDGES | {"image": box}])
        assert held(mini).count("control") == 1
        mini.paint(**small)
        gc.collect()
        assert held(mini).count("control") == 0
        assert not [one for one in gc.get_objects() if type(one) is ControlNetModel]

    for _ in range(2):          # what the first times leave behind (imports, pools) is no leak
        switched_on_and_off()
    before, weights = process.memory_info().rss, sum(size for *_, size, _ in mini.residency.resident())
    for _ in range(3):
        switched_on_and_off()
    assert sum(size for *_, size, _ in mini.residency.resident()) == weights
    grown = process.memory_info().rss - before
    assert grown < 3 * 24 * 2**20, "each of the two nets has 24 MB: one lost a round would be more than pools ever keep"


def test_a_condition_is_made_once_for_all_pictures_of_a_batch(mini: Bench, box: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    run = type(mini.conditions.preprocessors).run
    monkeypatch.setattr(type(mini.conditions.preprocessors), "run", lambda *args: looked.append(args[1]) or run(*args))
    mini.conditions.release()
    request = GenerationRequest.parse({"steps": 1, "seed": 1, "batch_count": 3, "control": [EDGES | {"image": box}]})
    assert len(list(mini.engine.run(request, lambda event: None))) == 3 and looked == ["canny"]


def test_only_masked_shows_the_net_what_the_canvas_shows(mini: Bench) -> None:
    picture, mask = scene((512, 512)), Image.new("L", (512, 512))
    ImageDraw.Draw(mask).rectangle((128, 128, 255, 255), fill=255)
    fields = {"init": {"image": mini.inputs.keep(picture)}, "width": 256, "height": 256,
              "inpaint": {"mask": mini.inputs.keep(mask), "area": "Only masked", "padding": 0, "mask_blur": 0}}
    for own in ("", mini.inputs.keep(picture)):
        request = GenerationRequest.parse(fields | {"control": [{"image": own, "model": "edges"}]})
        canvas = mini.conditions.canvas(request)
        assert canvas is not None and canvas.box == (128, 128, 256, 256)
        shown = np.asarray(mini.conditions.of(request.control[0], Size(256, 256), canvas))
        cut = np.asarray(picture.crop(canvas.box).resize((256, 256), Image.Resampling.BOX))
        assert np.abs(shown.astype(int) - cut).mean() < 2


@pytest.mark.parametrize("fields", [
    {"init": {"denoising_strength": 0.6}}, {"init": {}, "inpaint": {"mask_blur": 0}}, {"prompt": "a car AND a tree"},
    {"prompt": "a car AND a tree :0.5", "cfg_scale": 1}, {"width": 320, "height": 192}, {"tiling": True},
    {"hires": {"scale": 1.5, "upscaler": "Lanczos", "steps": 2, "denoising_strength": 0.6}},
    {"init": {"denoising_strength": 0.7}, "tiled": {"scale": 1.5, "upscaler": "Lanczos", "method": "Blended"}},
    {"init": {"denoising_strength": 0.7}, "tiled": {"scale": 1.5, "upscaler": "Lanczos", "method": "Separate"}},
], ids=["img2img", "inpaint", "AND", "AND without guidance", "another shape", "tiling", "second pass", "blended tiles",
        "separate tiles"])
def test_units_work_with_everything_else(mini: Bench, box: str, fields: dict[str, Any]) -> None:
    if "init" in fields:
        fields = fields | {"init": fields["init"] | {"image": box}}
    if "inpaint" in fields:
        mask = Image.new("L", (256, 256))
        ImageDraw.Draw(mask).rectangle((60, 60, 200, 200), fill=255)
        fields = fields | {"inpaint": fields["inpaint"] | {"mask": mini.inputs.keep(mask)}}
    own = {} if "init" in fields else {"image": box}
    unit = EDGES | own | {"control_mode": "ControlNet is more important"}
    steered, plain = (mini.paint(steps=3, **fields, control=units) for units in ([unit], []))
    assert steered.shape == plain.shape and np.abs(steered.astype(int) - plain).mean() > 0.5


WRONG = [
    ({"image": "", "model": "edges"}, "Control picture of unit 1: none - there is nothing to steer by."),
    ({"model": ""}, "Control model of unit 1: none - without one nothing reads the condition. Allowed: edges, lines"),
    ({"model": "edgy"}, "Control model: edgy - not found. Allowed: edges"),
    ({"model": "edges", "start": 0.8, "end": 0.3},
     "Control start of unit 1: 0.8 - it would begin after its end (0.3). Allowed: 0-0.3."),
    ({"model": "edges", "preprocessor": "nobody"}, "Preprocessor: nobody - not found."),
    ({"model": "edges", "preprocessor": "canny", "image": "blank"},
     "Preprocessor: canny - found no edges in this picture, the condition would be empty."),
    ({"model": "edges", "image": "f" * 64}, "Picture: ffffffffffff - this input picture is no longer kept."),
]


@pytest.mark.parametrize(("unit", "line"), WRONG, ids=[
    "no picture", "no model", "unknown model", "start after end", "unknown preprocessor", "an empty condition", "a picture gone"])
def test_what_cannot_run_is_said_before_the_run(mini: Bench, box: str, unit: dict[str, Any], line: str) -> None:
    blank = mini.inputs.keep(Image.new("RGB", (64, 64), "white"))
    unit = {"image": box} | unit
    request = GenerationRequest.parse({"control": [unit | ({"image": blank} if unit["image"] == "blank" else {})]})
    [refused] = refusals(request, mini.library, mini.conditions)
    assert str(refused).startswith(line)
    assert not refusals(request.merged({"control": [unit | {"weight": 0, "image": ""}]}), mini.library, mini.conditions)


def test_two_units_of_one_model_are_two_units(mini: Bench, box: str) -> None:
    units = [EDGES | {"image": box}, EDGES | {"image": box, "weight": 0.5}]
    assert not refusals(GenerationRequest.parse({"control": units}), mini.library, mini.conditions)
    assert not np.array_equal(mini.paint(steps=2, control=units), mini.paint(steps=2, control=units[:1]))


def test_a_model_of_another_family_is_refused_by_name(thin: Bench) -> None:
    image = thin.inputs.keep(scene((64, 64)))
    request = GenerationRequest.parse({"model": "thin-sdxl", "control": [{"image": image, "model": "sd15-folder"}]})
    [refused] = refusals(request, thin.library, thin.conditions)
    assert str(refused).startswith("Control model of unit 1: sd15-folder - it was made for Stable Diffusion 1.x and the chosen "
                                   "model is Stable Diffusion XL. Allowed: full_adapter_xl-folder, full_adapter_xl-original")
    with pytest.raises(FieldError, match="sd15-folder - it was made for Stable Diffusion 1.x"):
        next(thin.engine.run(request, lambda event: None))


def test_a_second_pass_with_another_family_is_refused_too(thin: Bench) -> None:
    image = thin.inputs.keep(scene((64, 64)))
    request = GenerationRequest.parse({"model": "thin-sd15", "hires": {"model": "thin-sdxl"},
                                       "control": [{"image": image, "model": "sd15-folder"}]})
    [refused] = refusals(request, thin.library, thin.conditions)
    assert "the chosen model is Stable Diffusion XL" in str(refused)


@pytest.mark.parametrize(("option", "refused"), [("Low res only", False), ("High res only", True)])
def test_a_unit_must_fit_only_the_passes_that_it_steers(thin: Bench, option: str, refused: bool) -> None:
    unit = {"image": thin.inputs.keep(scene((64, 64))), "model": "sd15-folder", "hr_option": option}
    request = GenerationRequest.parse({"model": "thin-sd15", "hires": {"model": "thin-sdxl"}, "control": [unit]})
    assert bool(refusals(request, thin.library, thin.conditions)) == refused


def test_a_net_of_other_widths_is_refused_before_the_run(thin: Bench) -> None:
    """Of the same family by its structure, and of other widths than this checkpoint."""
    parts = build(thin_configs("sd15"), 3, torch.float32)
    wide = type(parts["unet"]).from_config(parts["unet"].config | {"cross_attention_dim": 96})
    layouts.controlnet(wide).save_pretrained(thin.root / "ControlNet" / "other-widths")
    thin.library.scan()
    image = thin.inputs.keep(scene((64, 64)))
    with pytest.raises(FieldError, match="other-widths - its cross_attention_dim is 96 and the checkpoint's is 64"):
        thin.paint(model="thin-sd15", width=64, height=64, control=[{"image": image, "model": "other-widths"}])


def test_a_damaged_net_is_named(thin: Bench) -> None:
    tensors = layouts.original_controlnet(layouts.controlnet(thin.residency.pipeline("txt2img", "thin-sd15").unet))
    del tensors["control_model.middle_block_out.0.weight"]
    layouts.save(tensors, thin.root / "ControlNet" / "damaged.safetensors")
    thin.library.scan()
    image = thin.inputs.keep(scene((64, 64)))
    with pytest.raises(ModelFileError, match="damaged - its ControlNet lacks 1 of .* tensors .controlnet_mid_block.weight"):
        thin.paint(model="thin-sd15", width=64, height=64, control=[{"image": image, "model": "damaged"}])


@pytest.mark.parametrize("method", ["Blended", "Separate"])
def test_a_tile_is_shown_its_part_of_the_condition(mini: Bench, box: str, method: str) -> None:
    """Laid together, what the net is shown of the tiles is the condition of the whole picture."""
    fields = {"init": {"image": box, "denoising_strength": 0.5}, "control": [EDGES], "steps": 2, "width": 256, "height": 256}
    tiles = {"scale": 1.5, "upscaler": "Lanczos", "method": method, "tile": 256, "padding": 0, "mask_blur": 0}
    mini.paint(**fields)
    net = next(h.module for k, h in mini.residency._store.held() if k.component == "control")
    shown: list[torch.Tensor] = []
    hook = net.register_forward_pre_hook(lambda _net, _args, told: shown.append(told["controlnet_cond"]), with_kwargs=True)
    mini.paint(**fields, tiled=tiles)
    hook.remove()
    [unit] = GenerationRequest.parse(fields).control
    canvas = mini.conditions.canvas(GenerationRequest.parse(fields | {"tiled": tiles}))
    whole = tensor(mini.conditions.of(unit, Size(384, 384), canvas))
    corners = [whole[..., :256, :256], whole[..., 128:, 128:]]
    assert all(part.shape[-2:] == (256, 256) for part in shown)
    assert all(any(torch.equal(corner, part) for part in shown) for corner in corners)
