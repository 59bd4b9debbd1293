"""Latents -> a preview by a tiny decoder (AutoencoderTiny, "TAESD"), where one lies beside the model or in `VAE-approx`.

Sharper than the linear map of `latent_rgb.py` at a few times its price; which of the two is used follows from what is on disk.
Nothing is downloaded: mini ships its own, `taesd` and `taesdxl` are diffusers folders that a user puts there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.loading.compat import torch

APPROXIMATE = ("VAE-approx", "vae_approx")      # A1111's and ComfyUI's folder
PUBLISHED = {0.18215: "taesd", 0.13025: "taesdxl"}      # by the scaling of the latents they were made for
OWN = "glimpse"


@dataclass(frozen=True)
class TinyDecoder:
    """`module`: AutoencoderTiny, in evaluation mode."""

    module: Any

    @torch.no_grad()
    def picture(self, latents: torch.Tensor) -> torch.Tensor:
        """One latent (channels, height, width), as the sampler holds it -> uint8 (height k, width k, 3) on the CPU."""
        weight = next(self.module.decoder.parameters())
        if weight.device != latents.device:
            self.module.to(latents.device)
        pixels = self.module.decoder(latents[None].detach().to(weight.dtype))[0]
        return ((pixels.float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).movedim(0, -1)


def tiny_decoder(vae: Any, beside: Path, roots: Sequence[Path]) -> TinyDecoder | None:
    """The decoder for this VAE's latents; None where none lies on disk, or it is damaged: a preview must not stop a job."""
    from diffusers import AutoencoderTiny

    for folder in places(vae, beside, roots):
        try:
            module = AutoencoderTiny.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError, RuntimeError, TypeError):
            continue
        if module.config.latent_channels == vae.config.latent_channels:
            return TinyDecoder(module.eval().requires_grad_(False))
    return None


def places(vae: Any, beside: Path, roots: Sequence[Path]) -> Iterator[Path]:
    """The folders that may hold it and do exist: the model's own first."""
    published = PUBLISHED.get(round(vae.config.scaling_factor, 5), "")
    others = [root / name / published for root in roots for name in APPROXIMATE] if published else []
    yield from (folder for folder in (beside / OWN, *others) if (folder / "config.json").is_file())
