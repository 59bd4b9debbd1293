"""Random-weight checkpoints in the original (LDM) key layout, thin or full size: what the loader must read back.

Only the tests need this direction. Text encoders get `text_model.` back, which transformers 5.6 no longer writes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pipelines.families import FAMILIES
from pipelines.families.architecture import read_config
from pipelines.loading.compat import torch

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
          "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
UNET_ENDS = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
             "conv_norm_out": "out.0", "conv_out": "out.2", "add_embedding.linear_1": "label_emb.0.0",
             "add_embedding.linear_2": "label_emb.0.2"}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPENCLIP = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
            "self_attn.out_proj": "attn.out_proj"}


def unet_key(key: str, levels_with_attention: list[bool]) -> str:
    """A diffusers UNet tensor name as the original has it."""
    for new, old in UNET_ENDS.items():
        if key.startswith(new + "."):
            return key.replace(new, old, 1)
    if m := re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", key):
        side, level, part, number, rest = m[1], int(m[2]), m[3], int(m[4]), m[5]
        block = f"input_blocks.{3 * level + number + 1}" if side == "down" else f"output_blocks.{3 * level + number}"
        return f"{block}.0.{_resnet(rest)}" if part == "resnets" else f"{block}.1.{rest}"
    if m := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.*)", key):
        return f"input_blocks.{3 * (int(m[1]) + 1)}.0.op.{m[2]}"
    if m := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.*)", key):
        attended = levels_with_attention[::-1][int(m[1])]
        return f"output_blocks.{3 * int(m[1]) + 2}.{2 if attended else 1}.conv.{m[2]}"
    m = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", key)
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
    found = {"positional_embedding": state["embeddings.position_embedding.weight"],
             "token_embedding.weight": state["embeddings.token_embedding.weight"],
             "ln_final.weight": state["final_layer_norm.weight"], "ln_final.bias": state["final_layer_norm.bias"]}
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


def export(parts: dict[str, torch.nn.Module], family: str) -> dict[str, torch.Tensor]:
    """The components as one original checkpoint."""
    unet, vae = parts["unet"], parts["vae"]
    attended = ["CrossAttn" in block for block in unet.config.down_block_types]
    found = {"model.diffusion_model." + unet_key(k, attended): v for k, v in unet.state_dict().items()}
    levels = len(vae.config.block_out_channels)
    items = (vae_item(k, v, levels) for k, v in vae.state_dict().items())
    found |= {"first_stage_model." + key: value for key, value in items}
    for encoder in FAMILIES.get(family).encoders:
        state = parts[encoder.component].state_dict()
        if encoder.layout == "openclip":
            named = openclip_items(state, encoder.unused_layers)
        else:
            named = {"text_model." + k.removeprefix("text_model."): v for k, v in state.items()}
        found |= {encoder.prefix + key: value for key, value in named.items()}
    return {key: value.contiguous() for key, value in found.items()}


def thin_configs(family: str) -> dict[str, dict[str, Any]]:
    """Our configs of `family` with a few channels: the same layers, names and order."""
    folder = FAMILIES.get(family).config_dir
    unet, vae = read_config(folder, "unet"), read_config(folder, "vae")
    widths = [32, 64, 64, 64][: len(unet["block_out_channels"])]
    text_widths = {"sd15": {"text_encoder": 64}, "sd2": {"text_encoder": 64},
                   "sdxl": {"text_encoder": 64, "text_encoder_2": 128}}[family]
    unet.update(block_out_channels=widths, cross_attention_dim=sum(text_widths.values()), sample_size=8)
    if isinstance(unet["attention_head_dim"], list):
        unet["attention_head_dim"] = [max(1, w // 64) for w in widths]
    if "transformer_layers_per_block" in unet:
        unet.update(transformer_layers_per_block=[1, 1, 2], addition_time_embed_dim=8,
                    projection_class_embeddings_input_dim=128 + 6 * 8)
    vae.update(block_out_channels=[32, 32, 64, 64], sample_size=64)
    configs = {"unet": unet, "vae": vae}
    for component, width in text_widths.items():
        text = read_config(folder, component)
        text.update(hidden_size=width, intermediate_size=2 * width, num_attention_heads=max(1, width // 64),
                    num_hidden_layers=2, projection_dim=width)
        configs[component] = text
    return configs


def build(configs: dict[str, dict[str, Any]], seed: int, dtype: torch.dtype) -> dict[str, torch.nn.Module]:
    """Modules of these configs with random weights."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(seed)
    parts: dict[str, torch.nn.Module] = {}
    for name, config in configs.items():
        if name.startswith("text_encoder"):
            projected = config["architectures"] == ["CLIPTextModelWithProjection"]
            parts[name] = (CLIPTextModelWithProjection if projected else CLIPTextModel)(CLIPTextConfig(**config))
        else:
            parts[name] = (UNet2DConditionModel if name == "unet" else AutoencoderKL).from_config(config)
        parts[name].to(dtype).eval()
    return parts


def write_checkpoint(path: Path, family: str = "sd15", seed: int = 0, dtype: torch.dtype = torch.float16,
                     metadata: dict[str, str] | None = None) -> dict[str, torch.nn.Module]:
    """A thin random checkpoint of `family` at `path`; returns the modules it was written from."""
    from safetensors.torch import save_file

    parts = build(thin_configs(family), seed, dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(export(parts, family), path, metadata=metadata)
    return parts
