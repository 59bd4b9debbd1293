"""The cache of latents: renders encoded once by the frozen autoencoder, in chunks that training picks up as they appear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import multiprocessing
from torch.nn import functional as F
from transformers import CLIPTokenizer

from pipelines.training.mini import text, vae
from pipelines.training.mini.conditions import CONDITIONS
from pipelines.training.mini.pictures import renders
from pipelines.training.mini.run import Plan, keep, recall
from pipelines.training.mini.world.captions import caption
from pipelines.training.mini.world.draw import record
from pipelines.training.mini.world.scene import FIRST, Curriculum, Scene, sample
from pipelines.training.mini.world.truth import paint_values

CHUNK = 1000
SHELF = 3000  # pictures of a part
TOLD = 4  # captions of a picture
CELL = 16  # pixels of a latent's side
HEED = 4.0  # how much more a latent of a subject counts than one of the scenery
LIMBS = 4.0  # and what a limb adds that passes through it


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
    """(h, w) weights of mean 1 over the scene's latents: persons and things fill little of a picture and are hard to learn.

    Limbs fill least of all, and tell the pose.
    """
    if not (scene.people or scene.things):
        return torch.ones(scene.height // CELL, scene.width // CELL)
    owned = torch.from_numpy(np.asarray(paint_values(record(scene), "owner")).copy() > 0).float()
    weight = 1 + (HEED - 1) * F.avg_pool2d(owned[None], CELL)[0].mul(2).clamp(max=1)
    if scene.people:
        bones = torch.from_numpy(CONDITIONS["pose"](scene).max(2) > 0).float()
        weight = weight + LIMBS * F.max_pool2d(bones[None], CELL)[0]
    return weight / weight.mean()


@torch.no_grad()
def encode(model: AutoencoderKL, seeds: range, mix: Curriculum, device: str) -> list[tuple[list[int], torch.Tensor]]:
    """For every size the seeds and their (n, channels, height/16, width/16) latent means on the CPU."""
    found = []
    for held in buckets(seeds, mix).values():
        parts = [renders(held[k : k + 20], mix).to(device, memory_format=torch.channels_last) for k in range(0, len(held), 20)]
        found.append((held, torch.cat([model.encode(part).latent_dist.mean.float().cpu() for part in parts])))
    return found


def fill(plan: Plan, chunks: Sequence[int], mix: Curriculum = FIRST, conditions: Sequence[str] = ()) -> None:
    """Encode the chunks that are not there yet. Chunk k holds the seeds from 1000 k on, one list for each picture size.

    conditions: kinds of control pictures that are kept with it, in `<work>/conditions/<kind>`; without them a net draws its own.
    """
    model = vae.finished(plan).to(plan.device)
    norm, words = statistics(plan, model, mix), text.tokenizer(plan)
    for number in chunks:
        path = plan.work / "latents" / f"{number:04}.pt"
        if path.exists():
            continue
        groups = []
        for seeds, found in encode(model, range(number * CHUNK, (number + 1) * CHUNK), mix, plan.device):
            normed = (found - norm["mean"][None, :, None, None]) / norm["std"][None, :, None, None]
            scenes = [sample(seed, mix) for seed in seeds]
            heed = torch.stack([heeded(scene) for scene in scenes])
            told = torch.stack([tellings(words, scene) for scene in scenes])
            groups.append({"seeds": torch.tensor(seeds), "latents": normed.half(), "heed": heed.half(), "ids": told})
        for kind in conditions:
            drawn = [control_pictures(kind, group["seeds"].tolist(), mix) for group in groups]
            keep(plan.work / "conditions" / kind / path.name, {"groups": drawn})
        keep(path, {"groups": groups})
        print("latents", number, flush=True)


def control_pictures(kind: str, seeds: Sequence[int], mix: Curriculum) -> torch.Tensor:
    """(n, h, w) bytes, or (n, h, w, 3) of a kind that has colours."""
    return torch.stack([torch.from_numpy(CONDITIONS[kind](sample(seed, mix)).copy()) for seed in seeds])


def fill_by(hands: int, plan: Plan, chunks: Sequence[int], mix: Curriculum, conditions: Sequence[str] = ()) -> None:
    """`fill` by several processes, each with its share of the chunks."""
    if hands < 2:
        fill(plan, chunks, mix, conditions)
        return
    statistics(plan, vae.finished(plan).to(plan.device), mix)  # once, before everybody wants them
    with multiprocessing.get_context("spawn").Pool(hands) as pool:
        pool.starmap(fill, [(plan, chunks[hand::hands], mix, conditions) for hand in range(hands)])


def tellings(words: CLIPTokenizer, scene: Scene) -> torch.Tensor:
    """(TOLD, 77) token ids of a scene's captions: it is told otherwise each time it is seen, and told beforehand costs no step."""
    rng = Random(scene.seed)
    return text.encode(words, [caption(scene, rng).text for _ in range(TOLD)]).to(torch.int16)


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


class Part(NamedTuple):
    """Pictures of one size: seeds (n,), latents (n, channels, h, w), weights of their places (n, h, w), token ids (n, TOLD, 77).

    seen: their control pictures (n, 16 h, 16 w) or with three colours behind, bytes, or nothing.
    """

    seeds: torch.Tensor
    latents: torch.Tensor
    heed: torch.Tensor
    ids: torch.Tensor
    seen: torch.Tensor | None = None

    def at(self, rows: torch.Tensor) -> Part:
        """Some of them."""
        return Part(*(value if value is None else value[rows] for value in self))

    def told(self, rng: Random, silent: float, nothing: torch.Tensor) -> torch.Tensor:
        """(n, 77) one telling of each, or `nothing` for the silent share."""
        which = torch.tensor([rng.randrange(self.ids.shape[1]) for _ in self.seeds])
        hushed = torch.tensor([rng.random() < silent for _ in self.seeds])
        return torch.where(hushed[:, None], nothing, self.ids[torch.arange(len(which)), which].long())


class Cache:
    """Latents and what belongs to them in memory; `refresh` takes up new chunks.

    wanted: says of a seed whether it is taken. kind: of control pictures; chunks without them are then left out.
    """

    def __init__(self, work: Path, wanted: Callable[[int], bool] = lambda seed: True, kind: str = "") -> None:
        self.work, self.wanted, self.kind, self.known = work, wanted, kind, set[Path]()
        self.parts: list[Part] = []

    def __len__(self) -> int:
        """Number of pictures."""
        return sum(len(part.seeds) for part in self.parts)

    def refresh(self) -> int:
        """Load chunks that appeared since; returns the number of pictures."""
        fresh = [p for p in sorted((self.work / "latents").glob("*.pt")) if p not in self.known]
        for path in fresh:
            drawn = recall(self.work / "conditions" / self.kind / path.name)["groups"] if self.kind else None
            for number, group in enumerate(torch.load(path, weights_only=True)["groups"]):
                rows = torch.tensor([self.wanted(int(seed)) for seed in group["seeds"]])
                if rows.any():
                    self.add(Part(**group, seen=drawn and drawn[number]).at(rows))
        self.known |= set(fresh)
        return len(self)

    def add(self, fresh: Part) -> None:
        """Take up a part; small ones of one size become one, so that a batch is well mixed."""
        for number, part in enumerate(self.parts):
            if part.latents.shape[1:] == fresh.latents.shape[1:] and len(part.seeds) < SHELF and part.seen is None:
                both = zip(part[:4], fresh[:4], strict=True)
                self.parts[number] = Part(*(torch.cat(pair) for pair in both))
                return
        self.parts.append(fresh)

    def batch(self, rng: Random, count: int) -> Part:
        """`count` pictures of one size from one part; sizes come as often as they are held."""
        part = rng.choices(self.parts, [len(part.seeds) for part in self.parts])[0]
        return part.at(torch.tensor([rng.randrange(len(part.seeds)) for _ in range(count)]))

    def square(self) -> Part:
        """All square ones together. Raises FileNotFoundError where there is none."""
        parts = [part[:4] for part in self.parts if part.latents.shape[2] == part.latents.shape[3]]
        if not parts:
            raise FileNotFoundError(self.work / "latents")
        return Part(*(torch.cat(values) for values in zip(*parts, strict=True)))
