"""Teaches the latent guidance predictor (arXiv 2211.13752): from the UNet's activations to the latent of the picture's outline."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch.nn import functional as F

from pipelines.patches.sketch_guidance import HOOKS, EdgePredictor, watching
from pipelines.training.mini import base, latents, text, vae
from pipelines.training.mini.conditions import condition
from pipelines.training.mini.latents import Cache
from pipelines.training.mini.loop import Habit, Training, ripe
from pipelines.training.mini.run import Plan, keep, quick, recall
from pipelines.training.mini.vae import CHANNELS
from pipelines.training.mini.world.scene import FIRST, Curriculum, sample

COUNT = 2000  # outlines that are encoded once and learned from again and again
NOISY = 0.3  # the earliest share of the schedule: only the noisier part of a run is ever guided
FILE = "mini-edges.safetensors"
WHERE = HOOKS["mini"]


def build(activations: int) -> EdgePredictor:
    """A random predictor."""
    return EdgePredictor(activations, CHANNELS)


def width() -> int:
    """Channels of all watched activations of mini's UNet together."""
    with torch.device("meta"):
        unet = base.build()
        with watching(unet, WHERE) as activations:
            unet(torch.zeros(1, CHANNELS, 16, 16), torch.zeros(1), torch.zeros(1, 77, 192))
            return sum(part.shape[1] for part in activations())


@torch.no_grad()
def outlines(plan: Plan, seeds: list[int], mix: Curriculum) -> torch.Tensor:
    """(n, channels, 16, 16) latents of the scenes' white outlines on black, as the exported autoencoder encodes them."""
    known = recall(plan.work / "outlines.pt")
    if known and known["seeds"] == seeds:
        return known["latents"]
    coder: AutoencoderKL = vae.finished(plan)
    norm = recall(plan.work / "statistics.pt")
    if norm:
        coder = latents.fold(coder, norm)
    found = []
    for start in range(0, len(seeds), 20):
        drawn = [torch.from_numpy(condition("scribble", sample(s, mix)).copy()) for s in seeds[start : start + 20]]
        pixels = torch.stack(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1
        found.append(coder.encode(pixels).latent_dist.mean)
    keep(plan.work / "outlines.pt", {"seeds": seeds, "latents": torch.cat(found)})
    return torch.cat(found)


def train(plan: Plan, mix: Curriculum = FIRST) -> None:
    """Train (or resume) for the plan's minutes on square pictures of the latent cache; writes `sketch.pt`."""
    torch.manual_seed(plan.seed)
    words, reader, unet = text.tokenizer(plan), text.finished(plan).to(plan.device), base.finished(plan).to(plan.device)
    cache = Cache(plan.work)
    cache.refresh()
    whole, nothing = cache.square(), text.encode(words, [""])
    seeds, clean = whole.seeds[:COUNT], whole.latents[:COUNT]
    goal = outlines(plan, seeds.tolist(), mix).to(plan.device)
    run = Training(plan, "sketch", build(width()), None, Habit(0.99, 0.0))
    usual = goal.mean((0, 2, 3), keepdim=True)
    alphas, _ = base.levels(plan.device)
    while run.goes_on():
        rows = torch.tensor([run.rng.randrange(len(seeds)) for _ in range(plan.batch)])
        ids = whole.at(rows).told(run.rng, base.SILENT, nothing)
        at, true = levels(plan.batch, len(alphas)).to(plan.device), clean[rows].to(plan.device).float()
        noise = (1 - alphas[at]).sqrt()[:, None, None, None] * torch.randn_like(true)
        with torch.no_grad(), watching(unet, WHERE) as activations:
            noisy = (alphas[at].sqrt()[:, None, None, None] * true + noise).contiguous(memory_format=torch.channels_last)
            unet(noisy, at, encoder_hidden_states=base.context(reader, ids, plan))
            seen = activations()
        with quick(plan.device):  # its matrices are most of a step
            found = run.model(seen, noise)
        lost = F.mse_loss(found.float(), goal[rows])
        run.learn(lost, explained=1 - lost / F.mse_loss(usual.expand_as(found), goal[rows]))


def levels(count: int, most: int) -> torch.Tensor:
    """(count,) timesteps spread evenly over the noisier part of `most`."""
    return ((NOISY + (1 - NOISY) * (torch.arange(count) + torch.rand(count)) / count) * most).long().clamp(max=most - 1)


def finished(plan: Plan) -> EdgePredictor:
    """The averaged predictor. Raises FileNotFoundError where it has not been trained."""
    return ripe(build(width()), plan.work / "sketch.pt")


def write(plan: Plan, folder: Path) -> Path:
    """`mini-edges.safetensors` in the published key layout; its metadata names the activations it reads."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.contiguous() for k, v in finished(plan).state_dict().items()}
    save_file(weights, folder / FILE, metadata={"format": "pt", "hooks": "mini"})
    (folder / FILE).chmod(0o644)
    return folder / FILE
