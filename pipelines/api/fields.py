"""Where the fields of AUTOMATIC1111's bodies stand in a request, and which values of theirs ask for nothing. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipelines.spec.param import Declared, declared
from pipelines.spec.parts import INPAINT_AREAS, MASK_MODES, MASKED_CONTENTS, RESIZE_MODES
from pipelines.spec.request import GenerationRequest

ROWS: Mapping[str, Declared] = MappingProxyType({row.path: row for row in declared(GenerationRequest)})

PLAIN = MappingProxyType({
    "prompt": "prompt", "negative_prompt": "negative_prompt", "styles": "styles", "seed": "seed", "sampler_index": "sampler",
    "sampler_name": "sampler", "scheduler": "schedule", "batch_size": "batch_size", "n_iter": "batch_count", "steps": "steps",
    "cfg_scale": "cfg_scale", "cfg_end": "cfg_end", "width": "width", "height": "height", "tiling": "tiling"})
VARIATION = MappingProxyType({"subseed": "variation.seed", "subseed_strength": "variation.strength"})
HIRES = MappingProxyType({      # looked at with `enable_hr` alone, as theirs
    "denoising_strength": "hires.denoising_strength", "hr_scale": "hires.scale", "hr_resize_x": "hires.width",
    "hr_resize_y": "hires.height", "hr_upscaler": "hires.upscaler", "hr_second_pass_steps": "hires.steps",
    "hr_sampler_name": "hires.sampler", "hr_scheduler": "hires.schedule", "hr_checkpoint_name": "hires.model",
    "hr_prompt": "hires.prompt", "hr_negative_prompt": "hires.negative_prompt", "hr_cfg": "hires.cfg_scale"})
START = MappingProxyType({"denoising_strength": "init.denoising_strength", "resize_mode": "init.resize_mode"})
MASK = MappingProxyType({       # looked at with `mask` alone
    "mask_blur": "inpaint.mask_blur", "inpainting_fill": "inpaint.masked_content", "inpaint_full_res": "inpaint.area",
    "inpaint_full_res_padding": "inpaint.padding", "inpainting_mask_invert": "inpaint.mask_mode"})
OVERRIDES = MappingProxyType({
    "sd_model_checkpoint": "model", "sd_vae": "vae", "CLIP_stop_at_last_layers": "clip_skip", "emphasis": "emphasis",
    "skip_early_cond": "cfg_start", "img2img_fix_steps": "init.exact_steps", "img2img_color_correction": "init.color_correction"})
PICTURES = MappingProxyType({"init_images": "init.image", "mask": "inpaint.mask"})

NUMBERED: Mapping[str, tuple[str, ...]] = MappingProxyType({        # what their numbers stand for
    "init.resize_mode": RESIZE_MODES, "inpaint.masked_content": MASKED_CONTENTS, "inpaint.area": INPAINT_AREAS,
    "inpaint.mask_mode": MASK_MODES})
SPOKEN: Mapping[str, Mapping[str, str]] = MappingProxyType({        # and what their words do
    "hires.sampler": {"use same sampler": ""}, "hires.schedule": {"use same scheduler": ""},
    "hires.model": {"use same checkpoint": ""}, "hires.upscaler": {"none": "Lanczos"}, "vae": {"none": "Automatic"}})

# Read elsewhere: `bodies.py` and `routes.py` say what they do; with `do_not_save_grid` there is nothing to do, we make none.
IN_BOTH = ("send_images", "include_init_images", "force_task_id", "override_settings", "alwayson_scripts", "do_not_save_grid",
           "script_args")
# Values that ask for nothing, of fields that are not read: they are not listed as ignored. Of others: nothing, false, empty.
IDLE: Mapping[str, tuple[Any, ...]] = MappingProxyType({
    "save_images": (True,), "override_settings_restore_afterwards": (True,), "mask_round": (True,), "s_churn": (0,), "s_tmin": (0,),
    "s_tmax": (0,), "s_noise": (1,), "s_min_uncond": (0,), "seed_resize_from_h": (-1, 0), "seed_resize_from_w": (-1, 0),
    "firstphase_width": (0,), "firstphase_height": (0,), "initial_noise_multiplier": (1,), "refiner_checkpoint": ("", "None"),
    "script_name": ("", "None")})


def idle(key: str, value: Any) -> bool:
    """Whether a field that is not read asks for nothing as it is."""
    return value is None or value in IDLE.get(key, ("", [], {}, False))
