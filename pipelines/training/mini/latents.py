"""The cache of latents: renders encoded once by the frozen autoencoder, in chunks that training picks up as they appear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from pipelines.training.mini import vae
from pipelines.training.mini.pictures import renders
from pipelines.training.mini.run import Plan, keep, recall
from pipelines.training.mini.world.draw import record
from pipelines.training.mini.world.scene import FIRST, Curriculum, Scene, sample
from pipelines.training.mini.world.truth import paint_values

CHUNK = 1000
CELL = 16  # pixels of a latent's side
HEED = 4.0  # how much more a latent of a subject counts than one of the scenery


def statistics(plan: Plan, model: AutoencoderKL, mix: Curriculum) -> dict[str, torch.Tensor]:
    """Mean and standard deviation of each latent channel over 512 renders; measured once a run."""
    known = recall(plan.work / "statistics.pt")
    if known:
        return known
    parts = [found.transpose(0, 1).flatten(1) for _, found in encode(model, range(512), mix, plan.device)]
    flat = torch.cat(parts, 1)
    known = {"mean": flat.mean(1), "std": flat.std(1)}
    keep(plan.work / "statistics.pt", known)
    return known


def buckets(seeds: range, mix: Curriculum) -> dict[tuple[int, int], list[int]]:
    """The seeds by (width, height) of their pictures, in order."""
    found: dict[tuple[int, int], list[int]] = {}
    for seed in seeds:
        scene = sample(seed, mix)
        found.setdefault((scene.width, scene.height), []).append(seed)
    return found


def heeded(scene: Scene) -> torch.Tensor:
    """(h, w) weights of mean 1 over the scene's latents: persons and things fill little of a picture and are hard to learn."""
    if not (scene.people or scene.things):
        return torch.ones(scene.height // CELL, scene.width // CELL)
    owned = torch.from_numpy(np.asarray(paint_values(record(scene), "owner")).copy() > 0).float()
    weight = 1 + (HEED - 1) * F.avg_pool2d(owned[None], CELL)[0].mul(2).clamp(max=1)
    return weight / weight.mean()


@torch.no_grad()
def encode(model: AutoencoderKL, seeds: range, mix: Curriculum, device: str) -> list[tuple[list[int], torch.Tensor]]:
    """For every size the seeds and their (n, channels, height/16, width/16) latent means on the CPU."""
    found = []
    for held in buckets(seeds, mix).values():
        parts = [renders(held[k : k + 20], mix).to(device, memory_format=torch.channels_last) for k in range(0, len(held), 20)]
        found.append((held, torch.cat([model.encode(part).latent_dist.mean.float().cpu() for part in parts])))
    return found


def fill(plan: Plan, chunks: range, mix: Curriculum = FIRST) -> None:
    """Encode the chunks that are not there yet. Chunk k holds the seeds from 1000 k on, one list for each picture size."""
    model = vae.finished(plan).to(plan.device)
    norm = statistics(plan, model, mix)
    for number in chunks:
        path = plan.work / "latents" / f"{number:04}.pt"
        if path.exists():
            continue
        groups = []
        for seeds, found in encode(model, range(number * CHUNK, (number + 1) * CHUNK), mix, plan.device):
            normed = (found - norm["mean"][None, :, None, None]) / norm["std"][None, :, None, None]
            heed = torch.stack([heeded(sample(seed, mix)) for seed in seeds])
            groups.append({"seeds": torch.tensor(seeds), "latents": normed.half(), "heed": heed.half()})
        keep(path, {"groups": groups})
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
    """Latents, their weights and seeds in memory, grouped by size; `refresh` takes up new chunks.

    `wanted` says of a seed whether it is taken.
    """

    def __init__(self, folder: Path, wanted: Callable[[int], bool] = lambda seed: True) -> None:
        self.folder, self.wanted, self.known = folder, wanted, set[Path]()
        self.groups: dict[tuple[int, ...], tuple[torch.Tensor, ...]] = {}

    def __len__(self) -> int:
        """Number of pictures."""
        return sum(len(seeds) for seeds, *_ in self.groups.values())

    def refresh(self) -> int:
        """Load chunks that appeared since; returns the number of pictures."""
        fresh = [p for p in sorted(self.folder.glob("*.pt")) if p not in self.known]
        for part in (group for path in fresh for group in torch.load(path, weights_only=True)["groups"]):
            rows = torch.tensor([self.wanted(int(seed)) for seed in part["seeds"]])
            if not rows.any():
                continue
            shape, new = tuple(part["latents"].shape[1:]), tuple(part[name][rows] for name in ("seeds", "latents", "heed"))
            before = self.groups.get(shape)
            self.groups[shape] = new if before is None else tuple(torch.cat(pair) for pair in zip(before, new, strict=True))
        self.known |= set(fresh)
        return len(self)

    def batch(self, rng: Random, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Seeds, latents and their weights (n, 1, h, w) of `count` pictures of one size; sizes come as often as they are held."""
        seeds, found, heed = rng.choices(list(self.groups.values()), [len(seeds) for seeds, *_ in self.groups.values()])[0]
        rows = torch.tensor([rng.randrange(len(seeds)) for _ in range(count)])
        return seeds[rows], found[rows], heed[rows, None].float()
