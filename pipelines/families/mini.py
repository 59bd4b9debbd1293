"""The embedded model: 256 px, 8 or 16 latent channels at a sixteenth of the size, v-prediction. Comes as a folder."""

from __future__ import annotations

from pipelines.families.family import (
    EPSILON,
    SD_PIPELINES,
    V_PREDICTION,
    Detected,
    Family,
    Folder,
    Shapes,
    TextEncoder,
)
from pipelines.spec.geometry import Size


def detect(shapes: Shapes) -> Detected | None:
    """Mini has no single-file form."""
    return None


def detect_folder(folder: Folder) -> Detected | None:
    """Stable Diffusion's classes with 8 or 16 latent channels: no other family has them."""
    index, unet, vae = folder["model_index"], folder.get("unet", {}), folder.get("vae", {})
    channels = vae.get("latent_channels")
    if index.get("_class_name") == "StableDiffusionPipeline" and channels in (8, 16) and channels == unet.get("in_channels"):
        return Detected("checkpoint", "mini", prediction=V_PREDICTION)
    return None


MINI = Family(
    name="mini", label="Mini (embedded)",
    native_px=256, size_step=16,
    sizes={"square": Size(256, 256), "portrait": Size(224, 320), "landscape": Size(320, 224)},
    default_request={"width": 256, "height": 256, "steps": 25, "cfg_scale": 5.0, "sampler": "DPM++ 2M",
                     "schedule": "Karras", "clip_skip": 1},
    prediction_types=(V_PREDICTION, EPSILON),
    pipelines=SD_PIPELINES, pipeline_args={"requires_safety_checker": False},
    encoders=(TextEncoder("text_encoder", "tokenizer", "", "clip"),), detect=detect, detect_folder=detect_folder,
)
