"""What a model family is: its sizes, its pipeline classes, where its parts lie in a file. Data; no torch, no files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.spec.geometry import Size
from pipelines.spec.parts import BALANCED

CONFIGS = Path(__file__).parent / "configs"
# The study's portrait, in short.
LADY = "A photo of a young lady, pink hair, denim jacket, black jeans, street in Tokyo, evening, cold neon lighting"
Shapes = Mapping[str, tuple[int, ...]]          # tensor name -> shape, as a file's header tells
Folder = Mapping[str, Mapping[str, Any]]        # "model_index", "unet", "vae" … -> its JSON, as a diffusers folder tells
EPSILON, V_PREDICTION = "epsilon", "v_prediction"


@dataclass(frozen=True)
class Detected:
    """What a file or folder is. `problem` is empty for one that can be used; `fix` says what to do about it.

    kind: "checkpoint", "lora", "vae", "controlnet", "embedding", "upscaler", "text encoder", "unet" … (`signature.py`).
    variant: "" for text to image, "inpaint" for a UNet that also takes a mask and a masked picture (9 channels).
    """

    kind: str
    family: str = ""
    variant: str = ""
    prediction: str = EPSILON
    zero_snr: bool = False
    has_vae: bool = True
    problem: str = ""
    fix: str = ""


@dataclass(frozen=True)
class TextEncoder:
    """One text encoder of a family: where it lies in an original (LDM) checkpoint and which tokens pad it.

    layout: "clip" (Hugging Face names) or "openclip" (resblocks, packed q/k/v).
    unused_layers: last layers that are in the file and never run (SD 2.x reads the layer before the last).
    """

    component: str
    tokenizer: str
    prefix: str
    layout: str
    padding: str = "<|endoftext|>"
    unused_layers: int = 0


@dataclass(frozen=True)
class Family:
    """One model family.

    native_px: side of its training pictures.   size_step: width and height are multiples of it.
    pipelines: task -> diffusers class.   pipeline_args: what those classes take besides components.
    vae_in_fp32: its VAE overflows in half precision and is run in fp32.
    config_dir: our configs for single files; None when the family comes as a folder only.
    example: a prompt that suits it, offered where there is none.
    control_mode: in which its control models are followed best; offered with a net, never forced on a request.
    framings: phrases for how much of a person is shown, the nearest first, where the model follows them to the letter.
    parameters: component -> numbers in its weights, "controlnet" among them: what a run will hold, told before it is loaded.
    detect: tensor shapes -> Detected or None.   detect_folder: configs of a diffusers folder -> Detected or None.
    """

    name: str
    label: str
    native_px: int
    size_step: int
    sizes: Mapping[str, Size]
    default_request: Mapping[str, Any]
    prediction_types: tuple[str, ...]
    pipelines: Mapping[str, str]
    detect: Callable[[Shapes], Detected | None]
    detect_folder: Callable[[Folder], Detected | None]
    aliases: tuple[str, ...] = ()
    pipeline_args: Mapping[str, Any] = field(default_factory=dict)
    vae_in_fp32: bool = False
    config_dir: Path | None = None
    encoders: tuple[TextEncoder, ...] = ()
    parameters: Mapping[str, int] = field(default_factory=dict)
    example: str = LADY
    control_mode: str = BALANCED
    framings: tuple[str, ...] = ()


SD_PIPELINES = {
    "txt2img": "StableDiffusionPipeline",
    "img2img": "StableDiffusionImg2ImgPipeline",
    "inpaint": "StableDiffusionInpaintPipeline",
}
SDXL_PIPELINES = {
    "txt2img": "StableDiffusionXLPipeline",
    "img2img": "StableDiffusionXLImg2ImgPipeline",
    "inpaint": "StableDiffusionXLInpaintPipeline",
}
UNET = "model.diffusion_model."
CONV_IN = UNET + "input_blocks.0.0.weight"
VAE_PREFIX = "first_stage_model."


def any_key(shapes: Shapes, *prefixes: str) -> bool:
    """Whether a tensor's name starts with one of `prefixes`."""
    return any(key.startswith(prefixes) for key in shapes)


def ldm_checkpoint(family: str, shapes: Shapes, prediction: str = EPSILON) -> Detected:
    """A `Detected` for an original checkpoint of `family`, with the problem its number of input channels makes."""
    channels = shapes[CONV_IN][1] if len(shapes.get(CONV_IN, ())) == 4 else 0
    found = Detected("checkpoint", family, prediction=prediction, has_vae=any_key(shapes, VAE_PREFIX))
    return by_channels(found, channels)


def by_channels(found: Detected, channels: int) -> Detected:
    """`found`, told by the UNet's input channels: 4 paints, 9 inpaints, others need a tab that does not exist."""
    from dataclasses import replace

    if not isinstance(channels, int):       # a config may hold anything
        return replace(found, problem="its config does not say how many input channels it has", fix="Copy the whole model again.")
    if channels == 4:
        return found
    if channels == 9:
        return replace(found, variant="inpaint")
    others = {8: "an InstructPix2Pix model", 5: "a depth-to-image model", 7: "an x4 upscaling model"}
    what = others.get(channels, f"a model with {channels} input channels")
    return replace(found, problem=f"this is {what}, which cannot make a picture from text",
                   fix="Choose an ordinary checkpoint.")
