"""The configs of a single file's UNet, VAE and text encoders: our shipped config with the widths its header shows.

A full-size checkpoint gives back the shipped config unchanged (a test says so); a thin one of the same layout, as the
tests write them, loads through the same path. No torch, no weights: shapes in, config dictionaries out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pipelines.families.family import CONV_IN, UNET, VAE_PREFIX, Family, Shapes, TextEncoder

Config = dict[str, Any]
HEAD_WIDTH = 64     # channels of one attention head in every CLIP text model and in the UNets of 2.x and XL


def read_config(folder: Path, component: str) -> Config:
    """The JSON of one component of a diffusers folder or of our `configs/<family>`."""
    name = "scheduler_config.json" if component == "scheduler" else "config.json"
    config = json.loads((folder / component / name).read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"{component}/{name} is not a JSON object")
    return config


def unet_config(family: Family, shapes: Shapes) -> Config:
    """The UNet's config. Raises KeyError when a block of the family's layout is missing."""
    config = read_config(_configs(family), "unet")
    levels = range(len(config["block_out_channels"]))
    per_level = config["layers_per_block"] + 1
    first = [f"{UNET}input_blocks.{1 + per_level * level}." for level in levels]
    widths = [shapes[f"{block}0.out_layers.3.weight"][0] for block in first]
    depths = [count(shapes, f"{block}1.transformer_blocks.") for block in first]
    attended = next(block for block, depth in zip(first, depths, strict=True) if depth)
    config.update(
        in_channels=shapes[CONV_IN][1], out_channels=shapes[UNET + "out.2.weight"][0], block_out_channels=widths,
        cross_attention_dim=shapes[f"{attended}1.transformer_blocks.0.attn2.to_k.weight"][1],
        use_linear_projection=len(shapes[f"{attended}1.proj_in.weight"]) == 2,
    )
    if isinstance(config["attention_head_dim"], list):      # diffusers' name; the value is the number of heads
        config["attention_head_dim"] = [max(1, width // HEAD_WIDTH) for width in widths]
    if isinstance(config.get("transformer_layers_per_block"), list):
        config["transformer_layers_per_block"] = [max(1, depth) for depth in depths]
    if config.get("addition_embed_type") == "text_time":
        _added_embedding(family, shapes, config)
    return config


def _added_embedding(family: Family, shapes: Shapes, config: Config) -> None:
    """SDXL: the pooled text and six numbers (sizes and crop), each embedded on its own, are added to the time."""
    width = shapes[UNET + "label_emb.0.0.weight"][1]
    pooled = shapes[family.encoders[-1].prefix + "text_projection"][1]
    config.update(projection_class_embeddings_input_dim=width, addition_time_embed_dim=(width - pooled) // 6)


def vae_config(configs: Path, shapes: Shapes, prefix: str = VAE_PREFIX) -> Config:
    """The VAE's config from the one in folder `configs`; `prefix` is "" in a file that holds the VAE alone."""
    config = read_config(configs, "vae")
    new_names = count(shapes, f"{prefix}encoder.down_blocks.") > 0
    down, block = ("down_blocks.", ".resnets.") if new_names else ("down.", ".block.")
    levels = range(count(shapes, f"{prefix}encoder.{down}"))
    widths = [shapes[f"{prefix}encoder.{down}{level}{block}0.conv1.weight"][0] for level in levels]
    config.update(
        block_out_channels=widths, latent_channels=shapes[f"{prefix}decoder.conv_in.weight"][1],
        down_block_types=["DownEncoderBlock2D"] * len(widths), up_block_types=["UpDecoderBlock2D"] * len(widths),
        layers_per_block=count(shapes, f"{prefix}encoder.{down}0{block}"),
    )
    return config


def text_config(family: Family, encoder: TextEncoder, shapes: Shapes) -> Config:
    """A text encoder's config."""
    config = read_config(_configs(family), encoder.component)
    at = encoder.prefix
    if encoder.layout == "openclip":
        tokens, positions = shapes[at + "token_embedding.weight"], shapes[at + "positional_embedding"]
        layers = count(shapes, f"{at}transformer.resblocks.")
        inner = shapes[f"{at}transformer.resblocks.0.mlp.c_fc.weight"][0]
        if config["architectures"] == ["CLIPTextModelWithProjection"]:
            config["projection_dim"] = shapes[at + "text_projection"][1]
    else:
        at += text_prefix(encoder, shapes)
        tokens, positions = (shapes[f"{at}embeddings.{kind}_embedding.weight"] for kind in ("token", "position"))
        layers = count(shapes, f"{at}encoder.layers.")
        inner = shapes[f"{at}encoder.layers.0.mlp.fc1.weight"][0]
        if tokens[1] != config["hidden_size"]:
            config["projection_dim"] = tokens[1]
    if tokens[1] != config["hidden_size"]:
        config["num_attention_heads"] = max(1, tokens[1] // HEAD_WIDTH)
    config.update(
        vocab_size=tokens[0], hidden_size=tokens[1], max_position_embeddings=positions[0], intermediate_size=inner,
        num_hidden_layers=layers - encoder.unused_layers,
    )
    return config


def text_prefix(encoder: TextEncoder, shapes: Shapes) -> str:
    """"text_model." as most files write it, "" as the earliest ones and those saved by transformers 5.6 do."""
    return "text_model." if encoder.prefix + "text_model.embeddings.token_embedding.weight" in shapes else ""


def count(shapes: Shapes, prefix: str) -> int:
    """How many numbered children `prefix` has: `prefix0…`, `prefix1…`."""
    numbered = re.compile(re.escape(prefix) + r"(\d+)\.")
    return 1 + max((int(m[1]) for key in shapes if (m := numbered.match(key))), default=-1)


def _configs(family: Family) -> Path:
    if family.config_dir is None:
        raise KeyError(f"{family.name} has no single-file form")
    return family.config_dir
