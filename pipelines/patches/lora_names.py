"""Which module of a pipeline a tensor of a LoRA file belongs to: kohya's, diffusers' (old and new), PEFT's, LyCORIS' names.

No name is guessed apart: the model's own modules are written down in every spelling, and a file's name is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
Place = tuple[str, str]         # component of the pipeline, path of the module in it

PART = re.compile(
    r"\.(?:(?P<up>lora_up\.weight|lora_B\.weight|lora\.up\.weight|lora_linear_layer\.up\.weight|up\.weight)"
    r"|(?P<down>lora_down\.weight|lora_A\.weight|lora\.down\.weight|lora_linear_layer\.down\.weight|down\.weight)"
    r"|(?P<mid>lora_mid\.weight)|(?P<own>alpha|dora_scale|diff|diff_b|hada_(?:w[12]_[ab]|t[12])|lokr_(?:w[12](?:_[ab])?|t2))"
    r"|(?P<dora>lora_magnitude_vector(?:\.weight)?))\Z")
RESNET = {"conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
ENDS = {"conv_in": "input_blocks.0.0", "conv_out": "out.2", "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2", "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2"}
OLD_TEXT = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


def part_of(key: str) -> tuple[str, str] | None:
    """A tensor's name as (module as the file writes it, "up", "down", "mid", "alpha", "hada_w1_a" …); None for others."""
    key = key.replace(".default.", ".").replace("_lora.", ".lora.") if "lora" in key else key
    found = PART.search(key)
    if found is None:
        return None
    kind = found.lastgroup or ""
    part = {"own": found["own"], "dora": "dora_scale"}.get(kind, kind)
    return key[: found.start()], part


class Targets:
    """The modules of one pipeline under all their names."""

    def __init__(self, pipe: Any) -> None:
        self._modules: dict[Place, nn.Module] = {}
        self._names: dict[str, Place] = {}
        for component in ("unet", "text_encoder", "text_encoder_2"):
            module = getattr(pipe, component, None)
            if module is None:
                continue
            depth = module.config.layers_per_block if component == "unet" else 0
            for path, inner in module.named_modules():
                if getattr(inner, "weight", None) is not None:
                    self._modules[component, path] = inner
                    for name in _spellings(component, path, depth):
                        self._names.setdefault(name, (component, path))

    def module(self, component: str, path: str) -> nn.Module:
        return self._modules[component, path]

    def sorted(self, tensors: Mapping[str, T]) -> tuple[dict[Place, dict[str, T]], set[str]]:
        """Tensors by place and part; and the modules that this model does not have."""
        found: dict[Place, dict[str, T]] = {}
        strange: set[str] = set()
        for key, tensor in tensors.items():
            named = part_of(key)
            place = self._names.get(_plain(named[0])) if named else None
            if named is not None and place is not None:
                found.setdefault(place, {})[named[1]] = tensor
            else:
                strange.add(named[0] if named else key)
        return found, strange


def _plain(name: str) -> str:
    """A file's module name without what only says how it was trained."""
    name = name.removeprefix("base_model.model.").replace(".processor", "")
    head, dot, last = name.rpartition(".")
    if dot and head.endswith("self_attn"):
        return f"{head}.{OLD_TEXT.get(last, last)}"
    return name.removesuffix(".to_out") + ".to_out.0" if name.endswith(".to_out") else name


def _spellings(component: str, path: str, depth: int) -> Iterator[str]:
    """Every name under which a file may call this module."""
    if component == "unet":
        for way in (path, _original(path, depth)):
            if way:
                yield from _prefixed(("lora_unet_", "lycoris_unet_", "lycoris_"), ("unet.", "diffusion_model."), way)
        yield path
        return
    short = path.removeprefix("text_model.")
    heads = ("lora_te2_",) if component == "text_encoder_2" else ("lora_te_", "lora_te1_", "lycoris_te_")
    for way in (short, "text_model." + short):
        yield from _prefixed(heads, (component + ".",), way)


def _prefixed(underscored: Iterable[str], dotted: Iterable[str], path: str) -> Iterator[str]:
    yield from (head + path.replace(".", "_") for head in underscored)
    yield from (head + path for head in dotted)


def _original(path: str, depth: int) -> str:
    """A UNet module's name in the original layout, which kohya trains SDXL on; "" where it has none of its own."""
    for new, old in ENDS.items():
        if path == new:
            return old
    found = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)", path)
    if found:
        side, level, kind, number, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
        if kind == "downsamplers":
            return f"input_blocks.{(level + 1) * (depth + 1)}.0.op"
        place = level * (depth + 1) + number
        block = f"input_blocks.{place + 1}" if side == "down" else f"output_blocks.{place}"
        if kind == "upsamplers":    # behind the attention where its level has one, else behind the resnet
            return f"output_blocks.{level * (depth + 1) + depth}.2.conv"
        return f"{block}.{'0' if kind == 'resnets' else '1'}.{RESNET.get(rest, rest) if kind == 'resnets' else rest}"
    found = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", path)
    if found:
        kind, number, rest = found[1], int(found[2]), found[3]
        place = 1 if kind == "attentions" else 2 * number
        return f"middle_block.{place}.{RESNET.get(rest, rest) if kind == 'resnets' else rest}"
    return ""
