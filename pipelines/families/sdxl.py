"""Stable Diffusion XL base: 1024 px, CLIP-L and OpenCLIP-bigG. The refiner is recognised and refused as a base."""

from __future__ import annotations

from dataclasses import replace

from pipelines.families.family import (
    CONFIGS,
    EPSILON,
    SDXL_PIPELINES,
    UNET,
    V_PREDICTION,
    Detected,
    Family,
    Folder,
    Shapes,
    TextEncoder,
    any_key,
    by_channels,
    ldm_checkpoint,
)
from pipelines.spec.geometry import Size

FIRST = TextEncoder("text_encoder", "tokenizer", "conditioner.embedders.0.transformer.", "clip")
SECOND = TextEncoder("text_encoder_2", "tokenizer_2", "conditioner.embedders.1.model.", "openclip", padding="!")
REFINER_PREFIX = "conditioner.embedders.0.model."
REFINER = "this is the SDXL refiner, which only finishes a picture that an SDXL base has begun"
USE_BASE = "Choose an SDXL base checkpoint."


def detect(shapes: Shapes) -> Detected | None:
    """The base carries two text encoders under `conditioner`, the refiner the second one alone, in first place."""
    if not any_key(shapes, UNET):
        return None
    if any_key(shapes, REFINER_PREFIX):
        return replace(ldm_checkpoint("sdxl", shapes), variant="refiner", problem=REFINER, fix=USE_BASE)
    if any_key(shapes, SECOND.prefix) and any_key(shapes, FIRST.prefix):
        return ldm_checkpoint("sdxl", shapes)
    return None


def detect_folder(folder: Folder) -> Detected | None:
    index, unet = folder["model_index"], folder.get("unet", {})
    if index.get("_class_name") not in SDXL_PIPELINES.values():
        return None
    if not (index.get("text_encoder") or [None])[0]:
        return Detected("checkpoint", "sdxl", variant="refiner", problem=REFINER, fix=USE_BASE)
    return by_channels(Detected("checkpoint", "sdxl"), unet.get("in_channels", 4))


SDXL = Family(
    name="sdxl", label="Stable Diffusion XL", aliases=("xl", "sd xl", "sdxl base"),
    native_px=1024, size_step=8, vae_in_fp32=True,
    sizes={"square": Size(1024, 1024), "portrait": Size(832, 1216), "landscape": Size(1216, 832)},
    default_request={"width": 1024, "height": 1024, "steps": 25, "cfg_scale": 6.0, "sampler": "DPM++ 2M",
                     "schedule": "Karras", "clip_skip": 1},
    prediction_types=(EPSILON, V_PREDICTION),
    pipelines=SDXL_PIPELINES, pipeline_args={"add_watermarker": False, "force_zeros_for_empty_prompt": True},
    config_dir=CONFIGS / "sdxl", encoders=(FIRST, SECOND), detect=detect, detect_folder=detect_folder,
    parameters={"unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480, "text_encoder_2": 694_659_840,
                "controlnet": 1_251_014_160},
)
