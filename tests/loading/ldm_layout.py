"""Random-weight checkpoints in the original (LDM) key layout, thin or full size: what the loader must read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.families import FAMILIES
from pipelines.families.architecture import read_config
from pipelines.loading.compat import torch
from pipelines.training.single_file import export, unet_key

__all__ = ["build", "export", "thin_configs", "unet_key", "write_checkpoint"]


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
