"""Writes a model's components as one checkpoint in the original (LDM) key layout, the form in which models are handed about.

The other direction, which every load takes, is diffusers' own conversion (`loading/components.py`). Text encoders get
`text_model.` back, which transformers 5.6 no longer writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from pipelines.families import FAMILIES
from pipelines.families.family import UNET, VAE_PREFIX
from pipelines.loading.compat import torch

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPENCLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def unet_key(key: str, attended: list[bool], layers: int = 2) -> str:
    """A diffusers UNet tensor name as the original has it.

    attended: of each level down, whether it attends to the text. layers: residual blocks of a level on its way down.
    """
    stride = layers + 1
    for new, old in UNET_ENDS.items():
        if key.startswith(new + "."):
            return key.replace(new, old, 1)
    if m := re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", key):
        side, level, part, number, rest = m[1], int(m[2]), m[3], int(m[4]), m[5]
        block = f"input_blocks.{stride * level + number + 1}" if side == "down" else f"output_blocks.{stride * level + number}"
        return f"{block}.0.{_resnet(rest)}" if part == "resnets" else f"{block}.1.{rest}"
    if m := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.*)", key):
        return f"input_blocks.{stride * (int(m[1]) + 1)}.0.op.{m[2]}"
    if m := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.*)", key):
        place = 2 if attended[::-1][int(m[1])] else 1
        return f"output_blocks.{stride * int(m[1]) + layers}.{place}.conv.{m[2]}"
    m = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", key)
    if m is None:
        raise KeyError(key)
    return f"middle_block.1.{m[3]}" if m[1] == "attentions" else f"middle_block.{2 * int(m[2])}.{_resnet(m[3])}"


def _resnet(rest: str) -> str:
    name, _, leaf = rest.rpartition(".")
    return f"{RESNET[name]}.{leaf}"


def vae_item(key: str, value: torch.Tensor, levels: int) -> tuple[str, torch.Tensor]:
    """A diffusers VAE tensor as the original has it; its attention is a 1x1 convolution there."""
    key = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    key = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", key)
    key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", key)
    if m := re.match(r"(.*)mid_block\.attentions\.0\.(.*)\.(weight|bias)", key):
        linear = m[3] == "weight" and m[2] != "group_norm"
        return f"{m[1]}mid.attn_1.{ATTENTION[m[2]]}.{m[3]}", value[:, :, None, None] if linear else value
    return key, value


def openclip_items(state: dict[str, torch.Tensor], extra_layers: int) -> dict[str, torch.Tensor]:
    """A Hugging Face text encoder's tensors as OpenCLIP names and packs them; unused last layers repeat the last one."""
    state = {k.removeprefix("text_model."): v for k, v in state.items()}
    found = {
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
    }
    width = state["final_layer_norm.weight"].shape[0]
    projection = state.get("text_projection.weight", torch.zeros(width, width, dtype=state["final_layer_norm.weight"].dtype))
    found["text_projection"] = projection.T.contiguous()
    layers = 1 + max(int(k.split(".")[2]) for k in state if k.startswith("encoder.layers."))
    for layer in range(layers + extra_layers):
        source, target = f"encoder.layers.{min(layer, layers - 1)}.", f"transformer.resblocks.{layer}."
        for leaf in ("weight", "bias"):
            packed = [state[f"{source}self_attn.{p}_proj.{leaf}"] for p in "qkv"]
            found[f"{target}attn.in_proj_{leaf}"] = torch.cat(packed)
            for new, old in OPENCLIP.items():
                found[f"{target}{old}.{leaf}"] = state[f"{source}{new}.{leaf}"].clone()
    return found


def export(parts: Mapping[str, Any], family: str) -> dict[str, torch.Tensor]:
    """The components ("unet", "vae", "text_encoder" ...) as the tensors of one original checkpoint of `family`."""
    unet, vae = parts["unet"], parts["vae"]
    attended = ["CrossAttn" in block for block in unet.config.down_block_types]
    layers = unet.config.layers_per_block
    found = {UNET + unet_key(k, attended, layers): v for k, v in unet.state_dict().items()}
    levels = len(vae.config.block_out_channels)
    items = (vae_item(k, v, levels) for k, v in vae.state_dict().items())
    found |= {VAE_PREFIX + key: value for key, value in items}
    for encoder in FAMILIES.get(family).encoders:
        state = parts[encoder.component].state_dict()
        if encoder.layout == "openclip":
            named = openclip_items(state, encoder.unused_layers)
        else:
            named = {"text_model." + k.removeprefix("text_model."): v for k, v in state.items()}
        found |= {encoder.prefix + key: value for key, value in named.items()}
    return {key: value.contiguous() for key, value in found.items()}


def write(parts: Mapping[str, Any], family: str, path: Path) -> Path:
    """The checkpoint file; its metadata says what it predicts, as the loader reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(export(parts, family), path, metadata={"format": "pt", "modelspec.prediction_type": prediction(parts)})
    path.chmod(0o644)
    return path


def prediction(parts: Mapping[str, Any]) -> str:
    """ "v" or "epsilon", by the scheduler among the parts."""
    return "v" if parts["scheduler"].config.prediction_type == "v_prediction" else "epsilon"
