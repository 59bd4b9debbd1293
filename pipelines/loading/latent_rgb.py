"""Latents -> a small RGB preview by one matrix, fitted to the VAE itself: no constants of any family are copied.

Random smooth latents are decoded once, the pictures are averaged down to one pixel a latent, and least squares gives the
matrix. Good enough to see colours and shapes; costs a few multiplications a step.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.loading.compat import torch
from pipelines.loading.decode import decode
from pipelines.spec.errors import FieldError

SAMPLES, SIDE = 8, 3        # decoded latents: enough equations for 16 channels, little enough for the CPU


@dataclass(frozen=True)
class LatentRgb:
    """weight: (channels, 3), bias: (3,); a pixel is latent @ weight + bias, 0 to 1."""

    weight: torch.Tensor
    bias: torch.Tensor

    def picture(self, latents: torch.Tensor) -> torch.Tensor:
        """One latent (channels, height, width), as the sampler holds it -> uint8 (height, width, 3) on the CPU."""
        flat = latents.detach().to("cpu", torch.float32).movedim(0, -1)
        return ((flat @ self.weight + self.bias).clamp(0, 1) * 255).round().to(torch.uint8)


def latent_rgb(vae: Any, file: Path | None = None) -> LatentRgb:
    """The matrix of this VAE: from `file` where a model ships one ({"weight": …, "bias": …}), else fitted."""
    if file is not None and file.is_file():
        found = _read(file, vae.config.latent_channels)
        if found is not None:
            return found
    return fit(vae)


def fit(vae: Any) -> LatentRgb:
    """Least squares over random latents of unit deviation. Deterministic; the VAE is only used, not changed."""
    channels = vae.config.latent_channels
    generator = torch.Generator("cpu").manual_seed(0)
    base = torch.randn(SAMPLES, channels, 1, 1, generator=generator)
    detail = torch.randn(SAMPLES, channels, SIDE, SIDE, generator=generator)
    latents = 0.8 * base + 0.6 * detail
    try:
        pictures = decode(vae, latents.to(_working_device(vae)))
    except FieldError:      # a VAE that decodes to no numbers: the job will say so; its preview is grey
        return LatentRgb(torch.zeros(channels, 3), torch.full((3,), 0.5))
    pictures = torch.nn.functional.adaptive_avg_pool2d(pictures.cpu(), SIDE)
    rows = latents.movedim(1, -1).reshape(-1, channels)
    rows = torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
    found = torch.linalg.lstsq(rows, pictures.movedim(1, -1).reshape(-1, 3)).solution
    return LatentRgb(found[:-1].contiguous(), found[-1].contiguous())


def _working_device(vae: Any) -> torch.device:
    """Where the VAE computes: an offloaded one waits in main memory and works on the card."""
    hook = getattr(vae, "_hf_hook", None)
    return getattr(hook, "execution_device", None) or next(vae.parameters()).device


def _read(file: Path, channels: int) -> LatentRgb | None:
    """None when the file does not hold a matrix for this VAE: the fit then takes its place."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        weight = torch.tensor(data["weight"], dtype=torch.float32)
        bias = torch.tensor(data["bias"], dtype=torch.float32)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return LatentRgb(weight, bias) if weight.shape == (channels, 3) and bias.shape == (3,) else None
