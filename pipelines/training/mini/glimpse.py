"""Teaches the preview decoder: AutoencoderTiny from mini's latents to a picture of a quarter of the size, in a few milliseconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch.nn import functional as F

from pipelines.training.mini.latents import Cache
from pipelines.training.mini.loop import Habit, Training, ripe
from pipelines.training.mini.run import Plan
from pipelines.training.mini.vae import CHANNELS
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import FIRST, Curriculum, sample

WIDTH = 24
SHRINK = 4  # a preview has a quarter of the picture's width
MOST = 6000  # small renders kept in memory


def build() -> AutoencoderTiny:
    """A random one, (n, CHANNELS, h, w) to (n, 3, 4 h, 4 w) in -1..1. Its class wants an encoder; this one's stays untaught."""
    model = AutoencoderTiny(
        latent_channels=CHANNELS,
        encoder_block_out_channels=(8, 8, 8),
        num_encoder_blocks=(1, 1, 1),
        decoder_block_out_channels=(WIDTH,) * 3,
        num_decoder_blocks=(2, 1, 1),
        scaling_factor=1.0,
    )
    model.encoder.requires_grad_(False)
    return model


class Small:
    """Renders of seeds at a quarter of their size, drawn when first asked for."""

    def __init__(self, mix: Curriculum) -> None:
        self.mix, self.held = mix, dict[int, torch.Tensor]()

    def of(self, seeds: list[int]) -> torch.Tensor:
        """(n, 3, h / 4, w / 4) in -1..1, of seeds whose pictures have one size."""
        for seed in seeds:
            if seed not in self.held:
                picture = draw(sample(seed, self.mix))
                small = picture.resize((picture.width // SHRINK, picture.height // SHRINK), Image.Resampling.BOX)
                self.held[seed] = torch.from_numpy(np.asarray(small).copy())
        return torch.stack([self.held[seed] for seed in seeds]).permute(0, 3, 1, 2).float() / 127.5 - 1


def train(plan: Plan, mix: Curriculum = FIRST) -> None:
    """Train (or resume) for the plan's minutes on the latent cache; writes `glimpse.pt`.

    Latents are noised as a sampler's estimates of the clean picture are uncertain: much at first, little at the end.
    """
    torch.manual_seed(plan.seed)
    cache, small = Cache(plan.work, lambda seed: seed % 1000 < MOST // 16), Small(mix)
    if not cache.refresh():
        raise FileNotFoundError(plan.work / "latents")
    run = Training(plan, "glimpse", build(), None, Habit(0.995, 0.0, 100))
    while run.goes_on():
        part = cache.batch(run.rng, plan.batch)
        clean = part.latents.float().to(plan.device)
        unsure = clean + torch.randn_like(clean) * 0.5 * torch.rand(len(clean), 1, 1, 1, device=clean.device) ** 2
        run.learn(F.l1_loss(run.model.decoder(unsure), small.of(part.seeds.tolist()).to(plan.device)))


def finished(plan: Plan) -> AutoencoderTiny:
    """The averaged decoder. Raises FileNotFoundError where it has not been trained."""
    return ripe(build(), plan.work / "glimpse.pt")


def write(plan: Plan, folder: Path) -> Path:
    """A diffusers folder in half precision."""
    finished(plan).half().save_pretrained(folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    del config["block_out_channels"]  # the class writes it and warns of it when it reads
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "diffusion_pytorch_model.safetensors").chmod(0o644)
    return folder
