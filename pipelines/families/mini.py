"""The embedded model: 256 px, 8 or 16 latent channels at a sixteenth of the size, v-prediction.

It comes as a folder; its configs and words serve a single file of it too (`python -m pipelines.training.mini single`).
"""

from __future__ import annotations

from pathlib import Path

from pipelines.families.family import (
    CONV_IN,
    EPSILON,
    SD_PIPELINES,
    V_PREDICTION,
    VAE_PREFIX,
    Detected,
    Family,
    Folder,
    Shapes,
    TextEncoder,
    any_key,
)
from pipelines.spec.geometry import Size
from pipelines.spec.parts import CONTROL_LEADS

FOLDER = Path(__file__).parents[2] / "models" / "mini"
ENCODER = TextEncoder("text_encoder", "tokenizer", "cond_stage_model.transformer.", "clip")


def detect(shapes: Shapes) -> Detected | None:
    """An original checkpoint whose UNet and VAE have 8 or 16 latent channels (InstructPix2Pix has 8 in its UNet alone)."""
    channels, decoder = shapes.get(CONV_IN, ()), shapes.get(VAE_PREFIX + "decoder.conv_in.weight", ())
    alike = len(channels) == len(decoder) == 4 and channels[1] == decoder[1]
    if alike and channels[1] in (8, 16) and any_key(shapes, ENCODER.prefix):
        return Detected("checkpoint", "mini", prediction=V_PREDICTION)
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
    sizes={"square": Size(256, 256), "portrait": Size(208, 320), "landscape": Size(320, 208)},
    default_request={"width": 256, "height": 256, "steps": 25, "cfg_scale": 4.0, "sampler": "DPM++ 2M",
                     "schedule": "Karras", "clip_skip": 1},
    prediction_types=(V_PREDICTION, EPSILON),
    pipelines=SD_PIPELINES, pipeline_args={"requires_safety_checker": False},
    config_dir=FOLDER, encoders=(ENCODER,), detect=detect, detect_folder=detect_folder,
    parameters={"unet": 13_380_432, "vae": 5_109_443, "text_encoder": 1_569_024, "controlnet": 5_926_536},
    example="a girl with pink hair, red jacket, blue jeans, on a beach, at sunset",
    framings=("close-up", "cowboy shot", "medium shot", "half body", "full figure", "full body", "whole figure"),
    control_mode=CONTROL_LEADS,      # measured: docs/controlnet.md
)
