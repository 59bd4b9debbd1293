"""Stable Diffusion 1.x: 512 px, CLIP-L, four latent channels, epsilon (few fine-tunes: v)."""

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

ENCODER = TextEncoder("text_encoder", "tokenizer", "cond_stage_model.transformer.", "clip")


def detect(shapes: Shapes) -> Detected | None:
    """The text encoder in Hugging Face names inside `cond_stage_model` belongs to 1.x alone."""
    if any_key(shapes, UNET) and any_key(shapes, ENCODER.prefix):
        return ldm_checkpoint("sd15", shapes)
    return None


def detect_folder(folder: Folder) -> Detected | None:
    index, unet, text = folder["model_index"], folder.get("unet", {}), folder.get("text_encoder", {})
    if index.get("_class_name") not in SD_PIPELINES.values():
        return None
    if text.get("hidden_act", "quick_gelu") != "quick_gelu" or unet.get("cross_attention_dim") == 1024:
        return None
    return by_channels(Detected("checkpoint", "sd15"), unet.get("in_channels", 4))


SD15 = Family(
    name="sd15", label="Stable Diffusion 1.x", aliases=("sd1", "sd1.5", "sd 1.5", "sd14"),
    native_px=512, size_step=8,
    sizes={"square": Size(512, 512), "portrait": Size(512, 768), "landscape": Size(768, 512)},
    default_request={"width": 512, "height": 512, "steps": 25, "cfg_scale": 7.0, "sampler": "DPM++ 2M",
                     "schedule": "Karras", "clip_skip": 1},
    prediction_types=(EPSILON, V_PREDICTION),
    pipelines=SD_PIPELINES, pipeline_args={"requires_safety_checker": False},
    config_dir=CONFIGS / "sd15", encoders=(ENCODER,), detect=detect, detect_folder=detect_folder,
    parameters={"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480, "controlnet": 361_279_120},
)
