"""Pictures -> latents in the UNet's scale, with the same guard as decoding: a VAE that overflows in fp16 works in fp32."""

from __future__ import annotations

from typing import Any

from pipelines.loading.compat import torch
from pipelines.spec.errors import FieldError


def encode(vae: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Latents (n, channels, height/factor, width/factor) of pictures (n, 3, height, width) from 0 to 1.

    The posterior's mean, not a draw from it: the same picture always begins the same. Raises FieldError("Precision").
    """
    dtype = next(vae.parameters()).dtype
    wide = dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
    latents = _mean(vae, pixels, torch.float32 if wide else dtype)
    if not torch.isfinite(latents).all() and dtype != torch.float32:
        latents = _mean(vae, pixels, torch.float32)
    if not torch.isfinite(latents).all():
        raise FieldError("Precision", str(dtype).removeprefix("torch."), "the VAE's latents are not numbers",
                         "float32, bfloat16", "Start with --precision float32; if it stays, the model file is damaged")
    return _scaled(vae, latents)


def _mean(vae: Any, pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    parameter = next(vae.parameters())
    own = parameter.dtype
    if dtype != own:
        vae.to(dtype)       # exact both ways: every half-precision number is a float32
    try:
        with torch.no_grad():
            return vae.encode((pixels * 2 - 1).to(parameter.device, dtype)).latent_dist.mode().float()
    finally:
        if dtype != own:
            vae.to(own)


def _scaled(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    mean, deviation = getattr(vae.config, "latents_mean", None), getattr(vae.config, "latents_std", None)
    if mean is not None and deviation is not None:
        mean, deviation = (torch.tensor(v).view(1, -1, 1, 1).to(latents) for v in (mean, deviation))
        return (latents - mean) * vae.config.scaling_factor / deviation
    return latents * vae.config.scaling_factor
