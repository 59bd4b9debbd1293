"""Random control models on disk, as the test that asks for them wants them: diffusers folders and original tensor names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pipelines.loading.compat import torch
from tests.loading.ldm_layout import unet_key

MINI_STEM = (8, 16, 32, 64, 96)


def awake(net: Any, seed: int = 0, strength: float = 0.1) -> Any:
    """`net` with random weights where it begins at zero, so that it says something."""
    source = torch.Generator().manual_seed(seed)
    for name, parameter in net.named_parameters():
        if re.match(r"controlnet_(down_blocks|mid_block|cond_embedding\.conv_out)|spatial_ch_projs", name):
            parameter.data = torch.randn(parameter.shape, generator=source).to(parameter) * strength
    return net.eval()


def controlnet(unet: Any, seed: int = 0, stem: tuple[int, ...] = (16, 32, 96, 256)) -> Any:
    from diffusers import ControlNetModel

    torch.manual_seed(seed)
    return awake(ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=stem), seed)


def union(unet: Any, seed: int = 0) -> Any:
    """Thin: its transformer is as wide as the UNet's first level."""
    from diffusers import ControlNetUnionModel

    torch.manual_seed(seed)
    width = unet.config.block_out_channels[0]
    kept = ("in_channels", "flip_sin_to_cos", "freq_shift", "down_block_types", "block_out_channels", "layers_per_block",
            "norm_num_groups", "cross_attention_dim", "attention_head_dim", "use_linear_projection", "addition_embed_type",
            "addition_time_embed_dim", "transformer_layers_per_block", "projection_class_embeddings_input_dim")
    config = {key: unet.config[key] for key in kept}
    config["addition_time_embed_dim"] = config["addition_time_embed_dim"] or 8
    return awake(ControlNetUnionModel(**config, num_trans_channel=width, num_trans_head=1, num_proj_channel=width), seed)


def adapter(unet: Any, kind: str, seed: int = 0) -> Any:
    from diffusers import T2IAdapter

    torch.manual_seed(seed)
    widths = list(unet.config.block_out_channels)
    channels = widths[:3] if kind == "light_adapter" else (widths + widths[-1:])[:4]
    net = T2IAdapter(3, channels, 2, 16 if kind.endswith("xl") else 8, kind)
    return net.eval()


def original_controlnet(net: Any, prefix: str = "control_model.") -> dict[str, torch.Tensor]:
    """The tensors of a ControlNetModel as the original names them."""
    attended = ["CrossAttn" in block for block in net.config.down_block_types]
    found = {}
    for key, value in net.state_dict().items():
        if match := re.match(r"controlnet_down_blocks\.(\d+)\.(.+)", key):
            name = f"zero_convs.{match[1]}.0.{match[2]}"
        elif key.startswith("controlnet_mid_block."):
            name = key.replace("controlnet_mid_block", "middle_block_out.0")
        elif match := re.match(r"controlnet_cond_embedding\.blocks\.(\d+)\.(.+)", key):
            name = f"input_hint_block.{2 * int(match[1]) + 2}.{match[2]}"
        elif key.startswith("controlnet_cond_embedding."):
            name = key.replace("controlnet_cond_embedding.conv_in", "input_hint_block.0").replace(
                "controlnet_cond_embedding.conv_out", "input_hint_block.14")
        else:
            name = unet_key(key, attended)
        found[prefix + name] = value.contiguous()
    return found


def original_adapter(net: Any) -> dict[str, torch.Tensor]:
    """The tensors of a T2IAdapter as the original names them."""
    light = net.config.adapter_type == "light_adapter"
    found = {}
    for key, value in net.state_dict().items():
        name = key.removeprefix("adapter.")
        if match := re.match(r"body\.(\d+)\.resnets\.(\d+)\.(.+)", name):
            number = f"{match[1]}.body.{match[2]}" if light else f"{2 * int(match[1]) + int(match[2])}"
            name = f"body.{number}.{match[3]}"
        elif not light and (match := re.match(r"body\.(\d+)\.in_conv\.(.+)", name)):
            name = f"body.{2 * int(match[1])}.in_conv.{match[2]}"
        found[name] = value.contiguous()
    return found


def save(tensors: dict[str, torch.Tensor], path: Path) -> Path:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path
