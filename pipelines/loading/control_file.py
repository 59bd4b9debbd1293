"""A control model from its file: original or diffusers tensor names, beside a config.json or without.

Without one, the config is that of the checkpoint's UNet, of which every ControlNet is a copy, with the widths the file shows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from pipelines.families.architecture import count
from pipelines.families.control import ADAPTER, PREFIX, UNION
from pipelines.loading.compat import torch
from pipelines.loading.folder import read_json
from pipelines.loading.folders import GENERIC_STEMS
from pipelines.loading.header import Header, read_header
from pipelines.loading.model_file import ModelFile, read_side_car
from pipelines.loading.modules import Tensors, filled
from pipelines.loading.pickled import safetensors_of
from pipelines.loading.tensors import read_tensors, stored_bytes
from pipelines.spec.errors import FieldError, ModelFileError, shown
from pipelines.spec.events import Emit

Config = dict[str, Any]
Shapes = Mapping[str, tuple[int, ...]]
CLASSES = {"ControlNet": "ControlNetModel", UNION: "ControlNetUnionModel", ADAPTER: "T2IAdapter"}
SIZE_EMBEDDING = {"add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2"}
# What a ControlNet shares with the UNet it was copied from.
OF_UNET = ("flip_sin_to_cos", "freq_shift", "downsample_padding", "mid_block_scale_factor", "act_fn", "norm_num_groups",
           "norm_eps", "attention_head_dim", "upcast_attention", "resnet_time_scale_shift", "addition_embed_type",
           "addition_time_embed_dim", "projection_class_embeddings_input_dim")
MUST_AGREE = ("in_channels", "block_out_channels", "cross_attention_dim")


def control_bytes(file: ModelFile, dtype: torch.dtype, emit: Emit | None = None) -> int:
    """What it will hold in memory as `dtype`; a pickle is converted for that. Raises ModelFileError."""
    header = read_header(safetensors_of(file.path, file.name, file.facts, emit), file.name)
    return stored_bytes(header, _keys(header), dtype)


def load_control(file: ModelFile, unet: Mapping[str, Any], dtype: torch.dtype, mapping: bool) -> torch.nn.Module:
    """The net in evaluation mode on the CPU.

    unet: config of the checkpoint's UNet.   mapping: its weights will stay on the CPU. Raises ModelFileError for a file that
    is damaged or of an unknown layout.
    """
    kind = file.detected.variant
    path = safetensors_of(file.path, file.name, file.facts)
    header = read_header(path, file.name)
    tensors = read_tensors(path, header, _keys(header), dtype, file.name, mapping)
    try:
        named = _adapter_names(tensors) if kind == ADAPTER else _controlnet_names(tensors)
        shapes = {key: tuple(value.shape) for key, value in named.items()}
        config = _own_config(file) or (_adapter_config(shapes) if kind == ADAPTER else _config(shapes, unet) | _pooling(file))
    except (KeyError, IndexError) as error:
        raise ModelFileError(file.name, f"its {kind} lacks {shown(str(error), 80)}",
                             "The file is damaged or of an unknown layout.") from None
    return filled(_empty(kind, config, file.name), named, file.name, kind)


def check_fits(control: Any, unet: Any, name: str) -> None:
    """Raise FieldError when the net was made for a UNet of other widths: the family's last doubt, before anything runs."""
    if not hasattr(control.config, "cross_attention_dim"):
        return
    for key in MUST_AGREE:
        own, wanted = (getattr(module.config, key) for module in (control, unet))
        own, wanted = (list(v) if isinstance(v, (list, tuple)) else v for v in (own, wanted))
        if key == "in_channels" and wanted == 9:      # an inpainting UNet: its ControlNets see the latents alone
            continue
        if own != wanted:
            raise FieldError("Control model", name, f"its {key} is {own} and the checkpoint's is {wanted}",
                             fix="Choose one that was made for this checkpoint")


def _empty(kind: str, config: Config, name: str) -> torch.nn.Module:
    import diffusers
    from accelerate import init_empty_weights

    if config.get("_class_name", CLASSES[kind]) != CLASSES[kind]:
        raise ModelFileError(name, f"its config is of a {shown(config['_class_name'], 40)}", f"Its tensors are a {kind}'s.")
    try:
        with init_empty_weights():
            return getattr(diffusers, CLASSES[kind]).from_config(config)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelFileError(name, f"its config makes no {kind} ({shown(str(error), 80)})", "Copy the whole folder.") from None


def _own_config(file: ModelFile) -> Config | None:
    """The `config.json` of a diffusers folder; None for a file with a name of its own, which shares its folder with others."""
    beside = file.path.parent / "config.json"
    if file.path.stem not in GENERIC_STEMS or not os.path.isfile(beside):
        return None
    config = read_json(beside, file.name)
    return config if "_class_name" in config else None


def _keys(header: Header) -> list[str]:
    """The net's own tensors: the first files (control_sd15_canny.pth) hold the whole checkpoint beside it."""
    own = [key for key in header.tensors if key.startswith(PREFIX)]
    return own or list(header.tensors)


def _pooling(file: ModelFile) -> Config:
    """Shuffle's net steers by the mean of a picture, which no tensor tells: its side-car does, or its name."""
    found: Any = read_side_car(file.path)
    for key in ("model", "params"):
        found = found.get(key) if isinstance(found, dict) else None
    told = found.get("global_average_pooling") if isinstance(found, dict) else None
    return {"global_pool_conditions": bool(told) if told is not None else "shuffle" in file.stem.lower()}


def _config(shapes: Shapes, unet: Mapping[str, Any]) -> Config:
    """The config of a ControlNet with diffusers' names. Raises KeyError when a block is missing."""
    levels = range(count(shapes, "down_blocks."))
    depths = [count(shapes, f"down_blocks.{i}.attentions.0.transformer_blocks.") for i in levels]
    projections = [shape for key, shape in shapes.items() if key.endswith(".proj_in.weight")]
    texts = [shape for key, shape in shapes.items() if key.endswith("attn2.to_k.weight")]
    stem = "controlnet_cond_embedding"
    blocks = range(count(shapes, f"{stem}.blocks."))
    config = {key: unet[key] for key in OF_UNET if key in unet} | {
        "in_channels": shapes["conv_in.weight"][1],
        "block_out_channels": [shapes[f"down_blocks.{i}.resnets.0.conv1.weight"][0] for i in levels],
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "layers_per_block": count(shapes, "down_blocks.0.resnets."),
        "transformer_layers_per_block": [max(1, depth) for depth in depths],
        "cross_attention_dim": texts[0][1] if texts else unet["cross_attention_dim"],
        "use_linear_projection": bool(projections) and len(projections[0]) == 2,
        "conditioning_channels": shapes[f"{stem}.conv_in.weight"][1],
        "conditioning_embedding_out_channels": [shapes[f"{stem}.conv_in.weight"][0],
                                                *(shapes[f"{stem}.blocks.{i}.weight"][0] for i in blocks if i % 2)],
    }
    if "task_embedding" in shapes:
        tasks, width = shapes["task_embedding"]
        return config | {"num_control_type": tasks, "num_trans_channel": width, "num_trans_head": max(1, width // 40),
                         "num_trans_layer": count(shapes, "transformer_layes."),
                         "num_proj_channel": shapes["spatial_ch_projs.weight"][0]}
    attended = any(key.startswith("mid_block.attentions.") for key in shapes)
    return config | {"mid_block_type": "UNetMidBlock2DCrossAttn" if attended else "UNetMidBlock2D"}


def _controlnet_names(tensors: Tensors) -> Tensors:
    """The tensors under diffusers' names."""
    from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

    bare = {key.removeprefix(PREFIX): value for key, value in tensors.items()}
    if "time_embed.0.weight" not in bare:
        return bare
    named: Tensors = convert_controlnet_checkpoint(bare, {"layers_per_block": 2})   # as all published ones have
    for new, old in SIZE_EMBEDDING.items():     # diffusers 0.42 passes over XL's
        for leaf in ("weight", "bias"):
            if f"{old}.{leaf}" in bare:
                named[f"{new}.{leaf}"] = bare[f"{old}.{leaf}"]
    return {key: value for key, value in named.items() if value is not None}    # what the file lacks is named later


def _adapter_config(shapes: Shapes) -> Config:
    """The config of a T2I-Adapter with diffusers' names: light ones have no first convolution, XL ones fold 16 pixels."""
    levels = range(count(shapes, "adapter.body."))
    light = "adapter.conv_in.weight" not in shapes
    folded = shapes["adapter.body.0.in_conv.weight" if light else "adapter.conv_in.weight"][1]
    side = 16 if folded in (3 * 256, 256) else 8
    last = "out_conv.weight" if light else "resnets.0.block1.weight"
    widths = [shapes[f"adapter.body.{i}.{last}"][0] for i in levels]
    kind = "light_adapter" if light else "full_adapter_xl" if side == 16 else "full_adapter"
    return {"in_channels": folded // side**2, "channels": widths[:-1] if light else widths, "downscale_factor": side,
            "num_res_blocks": count(shapes, "adapter.body.0.resnets."), "adapter_type": kind}


def _adapter_names(tensors: Tensors) -> Tensors:
    """The tensors under diffusers' names. The original numbers a full adapter's blocks through, two a level."""
    bare = {key.removeprefix("adapter."): value for key, value in tensors.items()}
    if any(".resnets." in key for key in bare):
        named = bare
    elif any(re.match(r"body\.\d+\.body\.", key) for key in bare):        # a light one
        named = {re.sub(r"^(body\.\d+)\.body\.", r"\1.resnets.", key): value for key, value in bare.items()}
    else:
        named = {re.sub(r"^body\.(\d+)\.(.+)$", _of_level, key): value for key, value in bare.items()}
    return {f"adapter.{key}": value for key, value in named.items()}


def _of_level(match: re.Match[str]) -> str:
    level, block = divmod(int(match[1]), 2)
    return f"body.{level}.{match[2]}" if match[2].startswith("in_conv.") else f"body.{level}.resnets.{block}.{match[2]}"
