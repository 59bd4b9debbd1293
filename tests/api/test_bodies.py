"""Bodies of txt2img and img2img become requests; what cannot be is named with its address, what we have not is listed."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.api import units
from pipelines.api.bodies import asked
from pipelines.api.extras import FIELDS as EXTRAS
from pipelines.api.extras import asked as enlarged
from pipelines.api.fields import HIRES, IN_BOTH, MASK, OVERRIDES, PLAIN, ROWS, START, VARIATION
from pipelines.api.reading import BadBody
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tests.api.conftest import coded


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """Without a queue: nothing is submitted."""
    made = Studio(settings.checked({"data_dir": tmp_path_factory.mktemp("bodies"), "device": "cpu"}), Hooks())
    made.library.scan()
    return made


def request_of(studio: Any, from_picture: bool = False, chosen: Any = None, **body: Any) -> GenerationRequest:
    return asked(studio, body, chosen or {}, from_picture).request


def ignored(studio: Any, from_picture: bool = False, **body: Any) -> list[str]:
    return list(asked(studio, body, {}, from_picture).ignored)


def refused(studio: Any, from_picture: bool = False, **body: Any) -> dict[str, str]:
    with pytest.raises(BadBody) as caught:
        asked(studio, body, {}, from_picture)
    return {".".join(map(str, where)): line for where, line in caught.value.refusals}


def test_every_field_of_the_tables_is_one_of_a_request():
    paths = {path for table in (PLAIN, VARIATION, HIRES, START, MASK, OVERRIDES) for path in table.values()}
    assert paths <= set(ROWS) and len(paths) > 30


def test_an_empty_body_is_what_the_page_begins_with(studio):
    family = studio.model("mini").family
    assert request_of(studio) == GenerationRequest.parse(dict(family.default_request))


def test_a_body_of_txt2img(studio):
    request = request_of(studio, prompt="a cat", negative_prompt="fog", styles=["x"], seed=5, subseed=6, subseed_strength=0.25,
                         sampler_name="Euler a", sampler_index="Euler", scheduler="karras", batch_size=2, n_iter=3, steps="7",
                         cfg_scale=5, cfg_end=0.8, width=128, height=192, tiling=True,
                         override_settings={"sd_vae": "None", "CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "mini",
                                            "skip_early_cond": 0.2})
    assert (request.prompt, request.negative_prompt, request.styles, request.seed) == ("a cat", "fog", ("x",), 5)
    assert (request.sampler, request.schedule, request.steps, request.cfg_scale) == ("Euler a", "karras", 7, 5.0)
    assert (request.cfg_start, request.cfg_end) == (0.2, 0.8)
    assert (request.batch_size, request.batch_count, request.width, request.height, request.tiling) == (2, 3, 128, 192, True)
    assert request.variation and (request.variation.seed, request.variation.strength) == (6, 0.25)
    assert (request.vae, request.clip_skip, request.hires, request.init) == ("Automatic", 2, None, None)


def test_a_model_may_be_named_by_its_title(studio):
    title = f"mini.safetensors [{studio.model('mini').short_hash()}]"
    assert request_of(studio, override_settings={"sd_model_checkpoint": title}).model == "mini"
    assert request_of(studio, chosen={"model": title}).model == "mini"


def test_an_empty_list_for_an_empty_object_is_one(studio):
    assert request_of(studio, override_settings=[], alwayson_scripts=[], steps=9).steps == 9


def test_a_sampler_alone_brings_its_own_schedule(studio):
    assert request_of(studio, sampler_index="LCM").schedule == "Automatic"


def test_hires_fields_count_with_enable_hr_alone(studio):
    body = {"denoising_strength": 0.6, "hr_scale": 1.5, "hr_upscaler": "None", "hr_second_pass_steps": 4, "hr_resize_x": 0,
            "hr_sampler_name": "Use same sampler", "hr_scheduler": None, "hr_checkpoint_name": "Use same checkpoint",
            "hr_prompt": "a dog", "hr_negative_prompt": ""}
    assert request_of(studio, **body).hires is None and not ignored(studio, **body)
    hires = request_of(studio, enable_hr=True, **body).hires
    assert hires and (hires.denoising_strength, hires.scale, hires.upscaler, hires.steps) == (0.6, 1.5, "Lanczos", 4)
    assert (hires.sampler, hires.schedule, hires.model, hires.prompt) == ("", "", "", "a dog")
    assert request_of(studio, enable_hr=True).hires is not None


def test_img2img_starts_from_its_picture_at_a_size_that_suits_it(studio):
    request = request_of(studio, True, init_images=["data:image/png;base64," + coded((300, 200))], denoising_strength=0.5,
                         resize_mode=2, override_settings={"img2img_fix_steps": True, "img2img_color_correction": 1})
    assert request.init and studio.inputs.open(request.init.image).size == (300, 200)
    assert (request.init.denoising_strength, request.init.resize_mode) == (0.5, "Resize and fill")
    assert request.init.exact_steps and request.init.color_correction and request.inpaint is None
    assert (request.width, request.height) == (304, 192)
    assert request_of(studio, True, init_images=[coded((300, 200))], width=64).width == 64


def test_a_mask_and_its_numbers(studio):
    request = request_of(studio, True, init_images=[coded()], mask=coded(colour="white", mode="L"), mask_blur=7, inpainting_fill=2,
                         inpaint_full_res=True, inpaint_full_res_padding=16, inpainting_mask_invert=1)
    part = request.inpaint
    assert part and studio.inputs.open(part.mask).convert("L").getextrema() == (255, 255)
    assert (part.mask_blur, part.masked_content, part.area) == (7, "latent noise", "Only masked")
    assert (part.padding, part.mask_mode) == (16, "Inpaint not masked")
    assert request_of(studio, True, init_images=[coded()], mask_blur=7, inpainting_fill=2).inpaint is None


def test_units_speak_names_and_numbers(studio):
    units = [{"enabled": False, "module": "nonsense"},
             {"module": "Canny", "model": "mini_canny", "weight": 0.5, "resize_mode": 2, "control_mode": 1, "guidance_end": 0.75,
              "processor_res": 256, "threshold_a": 64, "threshold_b": 900, "hr_option": "High res only", "low_vram": True,
              "image": {"image": coded(), "mask": coded()}, "effective_region_mask": coded(colour="white"), "new": 1},
             {"model": "None"}, {"input_image": coded(), "model": "mini_canny", "resize_mode": "Scale to Fit (Inner Fit)"}]
    body = {"alwayson_scripts": {"ControlNet": {"args": units}, "ADetailer": {"args": [False]}, "ReActor": {"args": [1]}}}
    one, last = request_of(studio, **body).control      # the others are off
    assert (one.preprocessor, one.model, one.weight, one.end, one.resolution) == ("canny", "mini_canny", 0.5, 0.75, 256)
    assert (one.resize_mode, one.control_mode) == ("Resize and Fill", "My prompt is more important")
    assert (one.threshold_a, one.threshold_b, one.hr_option, one.pixel_perfect) == (64, -1, "High res only", False)
    assert one.image and one.mask and last.image == one.image and last.resize_mode == "Crop and Resize"
    assert ignored(studio, **body) == [
        *(f"alwayson_scripts.controlnet.args.1.{key}" for key in ("low_vram", "image.mask", "new", "threshold_b")),
        "alwayson_scripts.ReActor"]


def test_what_is_not_here_is_listed_and_what_asks_for_nothing_is_not(studio):
    body = {"eta": 1.0, "restore_faces": True, "refiner_checkpoint": "x", "script_name": "x/y/z plot", "save_images": False,
            "override_settings": {"eta_noise_seed_delta": 31337, "img2img_fix_steps": True}, "enable_hr": False, "mask": coded(),
            "do_not_save_samples": True, "half \ud800": 1}
    assert set(ignored(studio, **body)) == {
        "eta", "restore_faces", "refiner_checkpoint", "script_name", "save_images", "override_settings.eta_noise_seed_delta",
        "override_settings.img2img_fix_steps", "mask", "do_not_save_samples", "half  "}
    assert not ignored(studio, eta=None, restore_faces=False, s_churn=0, s_noise=1, seed_resize_from_h=-1, send_images=True,
                       save_images=True, override_settings_restore_afterwards=True, script_args=[], refiner_checkpoint="")
    assert ignored(studio, True, init_images=[coded()], enable_hr=True, image_cfg_scale=1.5) == ["enable_hr", "image_cfg_scale"]


def test_the_chosen_options_hold_where_a_body_says_nothing(studio):
    chosen = {"clip_skip": 3, "vae": "Automatic"}
    assert request_of(studio, chosen=chosen).clip_skip == 3
    assert request_of(studio, chosen=chosen, override_settings={"CLIP_stop_at_last_layers": 2}).clip_skip == 2


@pytest.mark.parametrize(("body", "where", "line"), [
    ({"steps": 0}, "steps", "Steps: 0 - too small. Allowed: 1-150."),
    ({"steps": 20.7}, "steps", "Steps: 20.7 - not a whole number"),
    ({"steps": [1]}, "steps", "not a number"), ({"steps": {}}, "steps", "not a number"), ({"steps": True}, "steps", "not a number"),
    ({"width": 513}, "width", "Width: 513 - must be a multiple of 8. Allowed: 64-4096 in steps of 8. Nearest: 512."),
    ({"seed": 2**32}, "seed", "too large"), ({"seed": "12ab"}, "seed", "not a number"), ({"cfg_scale": 1e30}, "cfg_scale", "large"),
    ({"n_iter": 0}, "n_iter", "Batch count"), ({"batch_size": 65}, "batch_size", "1-64"),
    ({"tiling": "yes"}, "tiling", "true, false"), ({"prompt": 5}, "prompt", "not a text"), ({"styles": "x"}, "styles", "a list"),
    ({"prompt": "x" * 100_001}, "prompt", "too long"),
    ({"enable_hr": "yes"}, "enable_hr", "neither true nor false"), ({"enable_hr": True, "hr_scale": 9}, "hr_scale", "1-8"),
    ({"override_settings": [1]}, "override_settings", "not an object"),
    ({"override_settings": {"CLIP_stop_at_last_layers": 13}}, "override_settings.CLIP_stop_at_last_layers", "1-12"),
    ({"override_settings": {"sd_model_checkpoint": "no such"}}, "override_settings.sd_model_checkpoint", "Allowed: mini"),
    ({"alwayson_scripts": {"controlnet": {"args": [True]}}}, "alwayson_scripts.controlnet.args", "not a list of units"),
    ({"alwayson_scripts": {"controlnet": {"args": [{"enabled": True}] * 11}}}, "alwayson_scripts.controlnet.args", "too many"),
    ({"alwayson_scripts": {"controlnet": {"args": [{"enabled": True, "module": "cany"}]}}},
     "alwayson_scripts.controlnet.args.0.module", "canny"),
    ({"alwayson_scripts": {"controlnet": {"args": [{"enabled": True, "control_mode": 3}]}}},
     "alwayson_scripts.controlnet.args.0.control_mode", "0-2"),
    ({"alwayson_scripts": {"controlnet": {"args": [{"enabled": True, "image": "http://a.example/x.png"}]}}},
     "alwayson_scripts.controlnet.args.0.image", "addresses are not fetched")], ids=lambda value: str(value)[:40])
def test_a_bad_field_is_named_with_its_address(studio, body, where, line):
    [(address, said)] = refused(studio, **body).items()
    assert address == where and line in said


@pytest.mark.parametrize(("body", "where", "line"), [
    ({}, "init_images", "nothing to start from"), ({"init_images": []}, "init_images", "nothing to start from"),
    ({"init_images": "x"}, "init_images", "a list of one picture"), ({"init_images": [None]}, "init_images.0", "not a text"),
    ({"init_images": [coded(), coded()]}, "init_images", "Send a request for each"),
    ({"init_images": [coded()], "resize_mode": 4}, "resize_mode", "0-3"),
    ({"init_images": [coded()], "resize_mode": -1}, "resize_mode", "0-3"),
    ({"init_images": [coded()], "denoising_strength": 1.1}, "denoising_strength", "0-1"),
    ({"init_images": [coded()], "mask": "???"}, "mask", "not base64"),
    ({"init_images": [coded()], "mask": coded(), "inpainting_fill": 9}, "inpainting_fill", "0-3"),
    ({"init_images": [coded()], "mask": coded(), "mask_blur": 65}, "mask_blur", "0-64")], ids=lambda value: str(value)[:40])
def test_a_bad_start_is_named_with_its_address(studio, body, where, line):
    [(address, said)] = refused(studio, True, **body).items()
    assert address == where and line in said


def test_every_bad_field_is_named_at_once_and_no_picture_of_them_is_kept(studio):
    said = refused(studio, True, init_images=[coded((77, 33))], steps=0, width=7, sampler_name=4)
    assert list(said) == ["sampler_name", "steps", "width"]
    assert (77, 33) not in [Image.open(kept).size for kept in studio.inputs.folder.glob("*.png")]


NASTY = (None, "", " 7 ", "\ud800", -1, 1.5, 2**70, 1e300, True, [1], [None], [{}], {"a": 1}, {"controlnet": 1},
         {"controlnet": {"args": {}}}, {"CONTROLNET": [7]})
SMALL = coded((8, 8))


@pytest.mark.parametrize("value", NASTY, ids=lambda value: repr(value)[:30])
def test_whatever_stands_in_a_field_it_is_taken_or_named(studio, value):
    """Nothing but BadBody leaves, so that no body ends in an error of the program."""
    said = 0
    for key in {*PLAIN, *VARIATION, *HIRES, *IN_BOTH, "enable_hr", "new"}:
        said += outcome(lambda k=key: asked(studio, {"subseed_strength": 0.5, "enable_hr": True, k: value}, {}, False))
    for key in {*START, *MASK, "init_images", "mask", "width"}:
        said += outcome(lambda k=key: asked(studio, {"init_images": [SMALL], "mask": SMALL, k: value}, {}, True))
    for key in OVERRIDES:
        said += outcome(lambda k=key: asked(studio, {"override_settings": {k: value}}, {}, False))
    for key in {*units.FIELDS, *units.PICTURES, "enabled", "new"}:
        unit = {"enabled": True, "model": "mini/canny", key: value}
        said += outcome(lambda u=unit: asked(studio, {"alwayson_scripts": {"ControlNet": {"args": [u]}}}, {}, False))
    for key in {*EXTRAS, "image", "imageList", "new"}:
        body = {"image": SMALL, "imageList": [{"data": SMALL, "name": value}], key: value}
        said += outcome(lambda b=body, s=key == "imageList": enlarged(studio, b, s))
    assert said > 30


def outcome(ask: Any) -> int:
    try:
        ask()
    except BadBody as error:
        assert all(line and "\n" not in line for _, line in error.refusals) and error.refusals
    return 1


BOMB = "iVBORw0KGgoAAAANSUhEUgAAdTAAAHUwCAIAAAA"       # the head of a PNG of 30000 x 30000


@pytest.mark.parametrize("text", [
    "http://169.254.169.254/latest", "https://a.example/a.png", "file:///etc/passwd", "ftp://a/b", "/etc/passwd", "C:\\a.png",
    "../../a.png", "", "   ", "data:image/png;base64,", "data:", "é", "a\0b", "AAAA", BOMB, 7, {"path": "/etc/passwd"},
    "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciPjwvc3ZnPg=="], ids=lambda text: str(text)[:30])
def test_only_a_picture_in_base64_is_one(studio, text):
    [(address, said)] = refused(studio, True, init_images=[text]).items()
    assert address == "init_images.0" and "Allowed:" in said and "root:" not in said


@pytest.mark.parametrize("mangled", [
    lambda text: "\n".join(text[i:i + 60] for i in range(0, len(text), 60)), lambda text: f"  {text}\r\n",
    lambda text: text.rstrip("="), lambda text: f"data:image/png;base64,{text}", lambda text: f"data:;base64, {text}"],
    ids=["wrapped", "spaces", "unpadded", "data-address", "bare-data-address"])
def test_base64_as_it_comes(studio, mangled):
    request = request_of(studio, True, init_images=[mangled(coded((65, 64)))])
    assert request.init and studio.inputs.open(request.init.image).size == (65, 64)


def test_a_mask_on_nothing_is_what_is_opaque(studio):
    """Strokes on a clear ground, as editors send them."""
    from pipelines.tasks.canvas import greys

    request = request_of(studio, True, init_images=[coded()], mask=coded(colour=(0, 0, 0, 128), mode="RGBA"))
    assert request.inpaint and greys(studio.inputs.open(request.inpaint.mask)).getextrema() == (128, 128)
    assert isinstance(studio.inputs.open(request.inpaint.mask), Image.Image)
