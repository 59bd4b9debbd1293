"""Latents -> pictures, with a guard: a VAE that overflows in half precision is tried once more in fp32."""

from __future__ import annotations

from typing import Any

from pipelines.loading.compat import torch
from pipelines.spec.errors import FieldError
from pipelines.spec.events import Emit, Note

OVERFLOWED = "The VAE overflowed in {dtype}; decoded again in float32."


def decode(vae: Any, latents: torch.Tensor, emit: Emit | None = None) -> torch.Tensor:
    """Pictures (n, 3, height, width), float32, 0 to 1, on the latents' device, from latents as a sampler leaves them.

    The numbers are those of the pipeline's own decoding. Raises FieldError("Precision") when they are no numbers even
    in fp32: then the UNet overflowed, or the weights are damaged.
    """
    if not torch.isfinite(latents).all():
        raise _no_numbers(latents.dtype, "the model overflowed and its latents are not numbers")
    scaled = _unscaled(vae, latents)
    dtype = next(vae.parameters()).dtype
    if not (dtype == torch.float16 and getattr(vae.config, "force_upcast", False)):
        pictures = _decoded(vae, scaled.to(dtype))
        if torch.isfinite(pictures).all():
            return _between_0_and_1(pictures)
        if dtype == torch.float32:
            raise _no_numbers(dtype, "the VAE's picture is not made of numbers")
        if emit is not None:
            emit(Note(OVERFLOWED.format(dtype=str(dtype).removeprefix("torch."))))
        if hasattr(vae, "register_to_config"):
            vae.register_to_config(force_upcast=True)       # this VAE overflows: the next picture starts in fp32
    vae.to(torch.float32)       # exact both ways: every half-precision number is a float32
    try:
        pictures = _decoded(vae, scaled.to(torch.float32))
    finally:
        vae.to(dtype)
    if not torch.isfinite(pictures).all():
        raise _no_numbers(torch.float32, "the VAE's picture is not made of numbers")
    return _between_0_and_1(pictures)


def _unscaled(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    mean, deviation = getattr(vae.config, "latents_mean", None), getattr(vae.config, "latents_std", None)
    if mean is not None and deviation is not None:
        mean, deviation = (torch.tensor(v).view(1, -1, 1, 1).to(latents) for v in (mean, deviation))
        return latents * deviation / vae.config.scaling_factor + mean
    return latents / vae.config.scaling_factor


def _decoded(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return vae.decode(latents, return_dict=False)[0]


def _between_0_and_1(pictures: torch.Tensor) -> torch.Tensor:
    return (pictures * 0.5 + 0.5).clamp(0, 1).float()


def _no_numbers(dtype: torch.dtype, why: str) -> FieldError:
    return FieldError("Precision", str(dtype).removeprefix("torch."), why, "float32, bfloat16",
                      "Start with --precision float32; if it stays, the model file is damaged")
