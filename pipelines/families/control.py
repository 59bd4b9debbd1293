"""What a control model's file is - ControlNet, ControlNet-Union, T2I-Adapter - and of which family, from tensor shapes alone."""

from __future__ import annotations

import re

from pipelines.families.family import Detected, Shapes

CONTROLNET, UNION, ADAPTER = "ControlNet", "ControlNet-Union", "T2I-Adapter"
PREFIX = "control_model."       # of original files
# files of the same trade that work otherwise, by a tensor only they have
OTHERS = (
    ("a ControlNet-LLLite", r"^lllite_"),
    ("a Control-LoRA", r"^lora_controlnet$"),
    ("a T2I style adapter", r"^style_embedding$"),
    ("a ControlNet-XS", r"^(control_to_base|base_to_control|ctrl_to_base)"),
)
FULL = "Use the full ControlNet of the same kind."
SUPPORTED = "This version runs ControlNets of Stable Diffusion 1.x, 2.x and XL."
MINI_CHANNELS = (8, 16)     # of latents; every other family has 4
# Pixels a side that a T2I-Adapter folds into channels: 8 for SD 1.x, 16 for XL; its pictures have three channels or one.
FOLDED = {3 * 8**2: "sd15", 8**2: "sd15", 3 * 16**2: "sdxl", 16**2: "sdxl"}


def detect_control(shapes: Shapes) -> Detected:
    """A file that `signature.classify` holds for a control model. `variant` is one of the three kinds."""
    names = "\n".join(shapes)
    for what, pattern in OTHERS:
        if re.search(pattern, names, re.MULTILINE):
            return Detected("controlnet", problem=f"this is {what}, which this version cannot run", fix=FULL)
    bare = {key.removeprefix(PREFIX): shape for key, shape in shapes.items()}
    folded = _folded(bare)
    if folded:
        family = FOLDED.get(folded, "")
        return Detected("controlnet", family, ADAPTER) if family else _unknown("T2I-Adapter")
    first = bare.get("input_blocks.0.0.weight", bare.get("conv_in.weight", ()))
    if len(first) != 4 or not any(key.startswith(("zero_convs.", "controlnet_down_blocks.")) for key in bare):
        return _unknown("ControlNet")
    return Detected("controlnet", _family(bare, first[1]), UNION if "task_embedding" in bare else CONTROLNET)


def _folded(bare: Shapes) -> int:
    """Input channels of a T2I-Adapter's first convolution; 0 for what is none."""
    for key in ("adapter.conv_in.weight", "conv_in.weight", "adapter.body.0.in_conv.weight", "body.0.in_conv.weight"):
        if any(name.startswith(("body.", "adapter.body.")) for name in bare) and len(bare.get(key, ())) == 4:
            return bare[key][1]
    return 0


def _family(bare: Shapes, channels: int) -> str:
    """By structure, not by width: XL adds sizes to the time, 2.x projects linearly, mini's latents have more channels."""
    if channels in MINI_CHANNELS:
        return "mini"
    if "label_emb.0.0.weight" in bare or "add_embedding.linear_1.weight" in bare:
        return "sdxl"
    projection = next((shape for key, shape in bare.items() if key.endswith(".proj_in.weight")), (0, 0, 1, 1))
    return "sd2" if len(projection) == 2 else "sd15"


def _unknown(what: str) -> Detected:
    return Detected("controlnet", problem=f"this is a {what} of a family that this version cannot run", fix=SUPPORTED)
