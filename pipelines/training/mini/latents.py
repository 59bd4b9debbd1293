"""The cache of latents: renders encoded once by the frozen autoencoder, in chunks that training picks up as they appear."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL

from pipelines.training.mini import vae
from pipelines.training.mini.pictures import renders
from pipelines.training.mini.run import Plan, keep, recall
from pipelines.training.mini.world.scene import FIRST, Curriculum

CHUNK = 1000


def statistics(plan: Plan, model: AutoencoderKL, mix: Curriculum) -> dict[str, torch.Tensor]:
    """Mean and standard deviation of each latent channel over 512 renders; measured once a run."""
    known = recall(plan.work / "statistics.pt")
    if known:
        return known
    found = torch.cat([encode(model, range(k, k + 16), mix, plan.device) for k in range(0, 512, 16)])
    flat = found.transpose(0, 1).flatten(1)
    known = {"mean": flat.mean(1), "std": flat.std(1)}
    keep(plan.work / "statistics.pt", known)
    return known


@torch.no_grad()
def encode(model: AutoencoderKL, seeds: range, mix: Curriculum, device: str) -> torch.Tensor:
    """(n, 8, height/16, width/16) latent means on the CPU."""
    return model.encode(renders(seeds, mix).to(device, memory_format=torch.channels_last)).latent_dist.mean.float().cpu()


def fill(plan: Plan, chunks: range, mix: Curriculum = FIRST) -> None:
    """Encode the chunks that are not there yet. Chunk k holds the seeds from 1000 k on, one list for each picture size."""
    model = vae.finished(plan).to(plan.device)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    norm = statistics(plan, model, mix)
    for number in chunks:
        path = plan.work / "latents" / f"{number:04}.pt"
        if path.exists():
            continue
        seeds = range(number * CHUNK, (number + 1) * CHUNK)
        found = torch.cat([encode(model, seeds[k : k + 20], mix, plan.device) for k in range(0, CHUNK, 20)])
        found = (found - norm["mean"][None, :, None, None]) / norm["std"][None, :, None, None]
        keep(path, {"seeds": torch.tensor(list(seeds)), "latents": found.half()})
        print("latents", number, flush=True)


def fold(model: AutoencoderKL, norm: dict[str, torch.Tensor]) -> AutoencoderKL:
    """The same autoencoder, whose latents come out normalised: the affine map goes into its two 1x1 convolutions."""
    mean, std = norm["mean"], norm["std"]
    count = len(mean)
    with torch.no_grad():
        before, after = model.quant_conv, model.post_quant_conv
        before.weight[:count] /= std[:, None, None, None]
        before.bias[:count] = (before.bias[:count] - mean) / std
        after.bias += after.weight[:, :, 0, 0] @ mean
        after.weight *= std[None, :, None, None]
    return model


class Cache:
    """Latents and seeds in memory; `refresh` takes up new chunks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.known = folder, set[Path]()
        self.latents, self.seeds = torch.zeros(0), torch.zeros(0, dtype=torch.long)

    def refresh(self) -> int:
        """Load chunks that appeared since; returns the number of pictures."""
        fresh = [p for p in sorted(self.folder.glob("*.pt")) if p not in self.known]
        parts = [torch.load(p, weights_only=True) for p in fresh]
        if parts:
            self.latents = torch.cat([*([self.latents] if len(self.seeds) else []), *(p["latents"] for p in parts)])
            self.seeds = torch.cat([self.seeds, *(p["seeds"] for p in parts)])
            self.known |= set(fresh)
        return len(self.seeds)
