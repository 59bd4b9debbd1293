"""A group of the latent cache as the makers keep it, with noise for latents."""

import torch

from pipelines.training.mini.latents import TOLD
from pipelines.training.mini.vae import CHANNELS


def chunk(seeds: torch.Tensor) -> dict[str, torch.Tensor]:
    """(n,) seeds of square pictures."""
    count = len(seeds)
    found, heed = torch.randn(count, CHANNELS, 16, 16).half(), torch.ones(count, 16, 16).half()
    return {"seeds": seeds, "latents": found, "heed": heed, "ids": torch.zeros(count, TOLD, 77, dtype=torch.int16)}
