"""Stable Diffusion 2.x: 512 px (epsilon) and 768 px (v), OpenCLIP-H read before its last layer."""

from __future__ import annotations

from pipelines.families.family import (
    CONFIGS,
    EPSILON,
    SD_PIPELINES,
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

ENCODER = TextEncoder("text_encoder", "tokenizer", "cond_stage_model.model.", "openclip", padding="!", unused_layers=1)


def detect(shapes: Shapes) -> Detected | None:
    """OpenCLIP names inside `cond_stage_model` belong to 2.x alone. The header cannot tell epsilon from v."""
    if any_key(shapes, UNET) and any_key(shapes, ENCODER.prefix):
        return ldm_checkpoint("sd2", shapes, V_PREDICTION)
    return None


def detect_folder(folder: Folder) -> Detected | None:
    index, unet, text = folder["model_index"], folder.get("unet", {}), folder.get("text_encoder", {})
    if index.get("_class_name") not in SD_PIPELINES.values():
        return None
    if text.get("hidden_act") != "gelu" and unet.get("cross_attention_dim") != 1024:
        return None
    return by_channels(Detected("checkpoint", "sd2"), unet.get("in_channels", 4))


SD2 = Family(
    name="sd2", label="Stable Diffusion 2.x", aliases=("sd2.1", "sd 2.1", "sd21", "sd20"),
    native_px=768, size_step=8,
    sizes={"square": Size(768, 768), "portrait": Size(640, 960), "landscape": Size(960, 640)},
    default_request={"width": 768, "height": 768, "steps": 25, "cfg_scale": 7.0, "sampler": "DPM++ 2M",
                     "schedule": "Karras", "clip_skip": 1},
    prediction_types=(V_PREDICTION, EPSILON),
    pipelines=SD_PIPELINES, pipeline_args={"requires_safety_checker": False},
    config_dir=CONFIGS / "sd2", encoders=(ENCODER,), detect=detect, detect_folder=detect_folder,
    parameters={"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840, "controlnet": 364_228_240},
)
