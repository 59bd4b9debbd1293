"""Modules on empty weights, and filling them: no random initialisation, no copy, no tensor missing or left over."""

from __future__ import annotations

from typing import Any

from pipelines.loading.compat import torch
from pipelines.spec.errors import ModelFileError, shown

Tensors = dict[str, torch.Tensor]
DIFFUSERS_CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
# Fields of a text encoder's config that reach transformers. An allow-list: a config can name code to load.
TEXT_FIELDS = ("vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers",
               "num_attention_heads", "max_position_embeddings", "hidden_act", "layer_norm_eps", "attention_dropout",
               "bos_token_id", "eos_token_id", "pad_token_id")
IGNORED = ("position_ids", "logit_scale", "text_projection")    # in files, not in every class
OLD_ATTENTION = ((".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0."))


def empty_diffusers(component: str, config: dict[str, Any]) -> torch.nn.Module:
    import diffusers
    from accelerate import init_empty_weights

    with init_empty_weights():
        return getattr(diffusers, DIFFUSERS_CLASSES[component]).from_config(config)


def empty_text(config: dict[str, Any]) -> torch.nn.Module:
    from accelerate import init_empty_weights
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
    from transformers.initialization import no_init_weights

    projected = config.get("architectures") == ["CLIPTextModelWithProjection"]
    known = {name: config[name] for name in TEXT_FIELDS if name in config}
    with init_empty_weights(), no_init_weights():
        return (CLIPTextModelWithProjection if projected else CLIPTextModel)(CLIPTextConfig(**known))


def as_named_in(module: torch.nn.Module, tensors: Tensors) -> Tensors:
    """Text-encoder tensors under this module's names: transformers 5.6 dropped `text_model.` from one of two classes."""
    wrapped = hasattr(module, "text_model")
    bare = {key.removeprefix("text_model."): value for key, value in tensors.items()}
    projection = "text_projection.weight"
    return {("text_model." if wrapped and key != projection else "") + key: value for key, value in bare.items()}


def filled(module: torch.nn.Module, tensors: Tensors, name: str, what: str) -> torch.nn.Module:
    """`module` with `tensors` as its weights: assigned, not copied. Raises ModelFileError when one lacks or does not fit."""
    wanted = module.state_dict()
    if any(old in key for key in tensors for old, _ in OLD_ATTENTION):
        tensors = {_new_name(key): value for key, value in tensors.items()}
    missing = [key for key in wanted if key not in tensors]
    if missing:
        raise ModelFileError(name, f"its {what} lacks {len(missing)} of {len(wanted)} tensors ({shown(missing[0], 60)} …)",
                             "The file is damaged or of an unknown layout.")
    for key, value in wanted.items():
        given = tensors[key]
        if value.is_floating_point() and not given.is_floating_point():
            raise ModelFileError(name, f"{what} tensor {shown(key, 60)} is quantized ({str(given.dtype).removeprefix('torch.')}), "
                                 "which this version cannot use", "Use an fp16 or fp32 version.")
        if given.shape != value.shape:
            raise ModelFileError(name, f"{what} tensor {shown(key, 60)} has the shape {tuple(given.shape)}, "
                                 f"not {tuple(value.shape)}", "The file is of an unknown layout.")
    foreign = [key for key in tensors if key not in wanted and not any(word in key for word in IGNORED)]
    if foreign:
        raise ModelFileError(name, f"its {what} holds {len(foreign)} unknown tensors ({shown(foreign[0], 60)} …)",
                             "It is of an unknown layout.")
    owners = dict(module.named_modules())
    for key in wanted:      # what load_state_dict(assign=True) does, at a quarter of its price
        owner, _, leaf = key.rpartition(".")
        weight = tensors[key]
        is_parameter = getattr(owners[owner], leaf).__class__ is torch.nn.Parameter
        setattr(owners[owner], leaf, torch.nn.Parameter(weight, requires_grad=False) if is_parameter else weight)
    return module.eval()


def _new_name(key: str) -> str:
    """Attention names of diffusers before 0.18."""
    if ".attentions." in key:
        for old, new in OLD_ATTENTION:
            key = key.replace(old, new)
    return key
