"""One component of a model - UNet, VAE, text encoder, tokenizer, scheduler - made from a single file or a diffusers folder.

Built on empty weights and filled by assignment: nothing is initialised at random, nothing is copied twice, every tensor
must be there. Knows neither budgets nor pipelines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pipelines.families import TextEncoder
from pipelines.families.architecture import read_config, text_config, text_prefix, unet_config, vae_config
from pipelines.families.family import UNET, VAE_PREFIX
from pipelines.loading.compat import torch
from pipelines.loading.folder import weight_files
from pipelines.loading.header import Header, read_header
from pipelines.loading.model_file import ModelFile
from pipelines.loading.modules import DIFFUSERS_CLASSES, Tensors, as_named_in, empty_diffusers, empty_text, filled
from pipelines.loading.tensors import read_tensors, stored_bytes
from pipelines.loading.vocabulary import clip_tokenizer
from pipelines.spec.errors import FieldError, ModelFileError, shown


def with_weights(model: ModelFile) -> list[str]:
    """The components of `model` that are modules."""
    return ["unet", "vae", *(encoder.component for encoder in model.family.encoders)]


def component_bytes(model: ModelFile, component: str, dtype: torch.dtype, header: Header | None = None) -> int:
    """What the component will hold in memory as `dtype`, from the headers. `header`: a single file's, if it is read."""
    if model.is_folder:
        headers = [read_header(path, model.name) for path in weight_files(model.path / component, model.name)]
        return sum(stored_bytes(header, header.tensors, dtype) for header in headers)
    header = header or read_header(model.path, model.name)
    return stored_bytes(header, _keys(header, _prefix(model, component)), dtype)


def load_module(model: ModelFile, component: str, dtype: torch.dtype, mapping: bool,
                header: Header | None = None) -> torch.nn.Module:
    """The component in evaluation mode on the CPU. Raises ModelFileError.

    mapping: its weights will stay on the CPU, so that they may be mapped (see `tensors.py`).
    header: that of a single file, when it is read already; the file is checked against it.
    """
    if model.is_folder:
        module = _from_folder(model, component, dtype, mapping)
        if component == "vae":      # diffusers' default is True, and saved folders of every family carry it
            cast(Any, module).register_to_config(force_upcast=model.family.vae_in_fp32)
        return module
    header = header or read_header(model.path, model.name)
    try:
        if component == "vae":
            return _vae(model, header, VAE_PREFIX, _config_dir(model), dtype, mapping)
        if component == "unet":
            return _unet(model, header, dtype, mapping)
        return _text(model, component, header, dtype, mapping)
    except KeyError as error:
        raise ModelFileError(model.name, f"its {component} lacks {shown(str(error.args[0]), 80)}",
                             "The file is damaged or of an unknown layout.") from None


def load_vae_file(file: ModelFile, model: ModelFile, dtype: torch.dtype, mapping: bool) -> torch.nn.Module:
    """A VAE from a file of its own, to be used with the checkpoint `model`.

    Raises FieldError when its latents are not those of the checkpoint, and ModelFileError.
    """
    header = read_header(file.path, file.name)
    prefix = next((p for p in (VAE_PREFIX, "vae.") if any(key.startswith(p) for key in header.tensors)), "")
    configs = _config_dir(model)
    latents = header.shapes.get(f"{prefix}decoder.conv_in.weight", (0, 0))[1]
    wanted = read_config(configs, "vae")["latent_channels"]
    if latents != wanted:
        raise FieldError("VAE", file.name, f"it has {latents} latent channels and the model {wanted}",
                         fix="Choose Automatic, or a VAE made for this model")
    try:
        return _vae(file, header, prefix, configs, dtype, mapping)
    except KeyError as error:
        missing = shown(str(error.args[0]), 80)
        raise ModelFileError(file.name, f"it lacks {missing}", "It is no VAE of this kind.") from None


def scheduler_config(model: ModelFile) -> dict[str, Any]:
    """The noise schedule the model was trained with, as any diffusers scheduler's `from_config` takes it."""
    config = read_config(_config_dir(model), "scheduler")
    config["prediction_type"] = model.prediction
    if model.detected.zero_snr:
        config["rescale_betas_zero_snr"] = True
    return config


def vae_scaling(model: ModelFile) -> float:
    """By what the model's latents are divided before they are decoded; a VAE file itself does not say."""
    return read_config(_config_dir(model), "vae").get("scaling_factor", 0.18215)


def load_tokenizer(model: ModelFile, encoder: TextEncoder, cache: Path) -> Any:
    """The tokenizer beside the model's configs where one lies there, else CLIP's."""
    folder = _config_dir(model) / encoder.tokenizer
    if (folder / "tokenizer.json").is_file() or (folder / "vocab.json").is_file():
        from transformers import CLIPTokenizer

        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    return clip_tokenizer(cache, encoder.padding)


def _config_dir(model: ModelFile) -> Path:
    """Where the configs of this model lie: in its own folder, or with us."""
    if model.is_folder:
        return model.path
    if model.family.config_dir is None:
        raise ModelFileError(model.name, f"{model.family.label} comes as a folder", "Copy the whole folder.")
    return model.family.config_dir


def _prefix(model: ModelFile, component: str) -> str:
    if component in ("unet", "vae"):
        return UNET if component == "unet" else VAE_PREFIX
    return _encoder(model, component).prefix


def _encoder(model: ModelFile, component: str) -> TextEncoder:
    return next(encoder for encoder in model.family.encoders if encoder.component == component)


def _keys(header: Header, prefix: str) -> list[str]:
    return [key for key in header.tensors if key.startswith(prefix)]


def _unet(model: ModelFile, header: Header, dtype: torch.dtype, mapping: bool) -> torch.nn.Module:
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    config = unet_config(model.family, header.shapes)
    tensors = read_tensors(model.path, header, _keys(header, UNET), dtype, model.name, mapping)
    return filled(empty_diffusers("unet", config), convert_ldm_unet_checkpoint(tensors, config), model.name, "UNet")


def _vae(file: ModelFile, header: Header, prefix: str, configs: Path, dtype: torch.dtype,
         mapping: bool) -> torch.nn.Module:
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    keys = _keys(header, prefix)
    if not keys:
        raise ModelFileError(file.name, "it holds no VAE", "Choose one in the VAE field.")
    config = vae_config(configs, header.shapes, prefix)
    tensors = read_tensors(file.path, header, keys, dtype, file.name, mapping)
    if f"{prefix}encoder.down_blocks.0.resnets.0.conv1.weight" not in header.tensors:
        bare = {key.removeprefix(prefix): value for key, value in tensors.items()}
        tensors = convert_ldm_vae_checkpoint(bare, config)
    return filled(empty_diffusers("vae", config), tensors, file.name, "VAE")


def _text(model: ModelFile, component: str, header: Header, dtype: torch.dtype, mapping: bool) -> torch.nn.Module:
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    encoder = _encoder(model, component)
    config = text_config(model.family, encoder, header.shapes)
    module = empty_text(config)
    tensors = read_tensors(model.path, header, _keys(header, encoder.prefix), dtype, model.name, mapping)
    if encoder.layout == "openclip":
        tensors = convert_open_clip_checkpoint(module, tensors, prefix=encoder.prefix)
        last = config["num_hidden_layers"]
        tensors = {key: value for key, value in tensors.items() if f"encoder.layers.{last}." not in key}
    else:
        start = encoder.prefix + text_prefix(encoder, header.shapes)
        tensors = {"text_model." + key.removeprefix(start): value for key, value in tensors.items()}
    return filled(module, as_named_in(module, tensors), model.name, component)


def _from_folder(model: ModelFile, component: str, dtype: torch.dtype, mapping: bool) -> torch.nn.Module:
    config = read_config(model.path, component)
    tensors: Tensors = {}
    for path in weight_files(model.path / component, model.name):
        header = read_header(path, model.name)
        tensors |= read_tensors(path, header, header.tensors, dtype, model.name, mapping)
    if component in DIFFUSERS_CLASSES:
        if config.get("_class_name") != DIFFUSERS_CLASSES[component]:
            raise ModelFileError(model.name, f"its {component} is a {shown(config.get('_class_name'), 40)}",
                                 f"This version runs {DIFFUSERS_CLASSES[component]}.")
        module = empty_diffusers(component, config)
    else:
        module = empty_text(config)
        tensors = as_named_in(module, tensors)
    return filled(module, tensors, model.name, component)
