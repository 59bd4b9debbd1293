"""Mini's ControlNets: each begins as a copy of the finished UNet's encoder and learns one kind of condition on cached latents."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch.nn import functional as F

from pipelines.training.mini import base, text
from pipelines.training.mini.conditions import condition
from pipelines.training.mini.latents import CELL, Cache
from pipelines.training.mini.loop import Training, averaged, ripe
from pipelines.training.mini.run import Plan
from pipelines.training.mini.world.scene import FIRST, Curriculum, Scene, sample

STEM = (8, 16, 32, 64, 96)  # one entry more than halvings: 256 pixels come down to 16, as the latents do
GAIN = 2.0  # of the stem's first weights: SiLU halves small values
SILENT = 0.3  # share of empty captions: without words the condition must do the work
LIMB = 3.0  # how much more a latent counts through which a limb passes: arms fill few of them


def build(unet: UNet2DConditionModel) -> ControlNetModel:
    """A ControlNet that changes nothing yet: its bridges' last convolutions are zero.

    The stem begins otherwise than diffusers': with torch's usual weights its nine SiLU layers let a hundredth of the condition
    through, and its zero last layer waits for the zero bridges behind it. Behind zero bridges any stem is harmless, so this one
    hands on the condition at full strength, and the bridges learn from it from the first step.
    """
    model = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=STEM)
    stem = model.controlnet_cond_embedding
    for conv in (stem.conv_in, *stem.blocks, stem.conv_out):
        torch.nn.init.normal_(conv.weight, std=GAIN / conv.weight[0].numel() ** 0.5)
        torch.nn.init.zeros_(conv.bias)
    stem.conv_out.weight.data.mul_(0.25)  # about as strong as the noisy latents it is added to
    return model.to(memory_format=torch.channels_last)


class Pictures:
    """Control pictures of recent scenes, small in memory, because some take as long to draw as a training step."""

    def __init__(self, kind: str, most: int = 20_000) -> None:
        self.kind, self.most, self.held = kind, most, dict[Scene, torch.Tensor]()

    def of(self, scenes: list[Scene]) -> torch.Tensor:
        """(n, 3, h, w) in 0..1."""
        for scene in scenes:
            if scene not in self.held and len(self.held) < self.most:
                self.held[scene] = torch.from_numpy(condition(self.kind, scene).copy())
        rows = [self.held[s] if s in self.held else torch.from_numpy(condition(self.kind, s).copy()) for s in scenes]
        return torch.stack(rows).permute(0, 3, 1, 2).float() / 255


def train(plan: Plan, kind: str, mix: Curriculum = FIRST, like: str = "") -> None:
    """Train (or resume) one ControlNet for the plan's minutes; writes `controlnet-<kind>.pt`.

    `like`: a kind that has been trained and whose conditions look alike, to begin with instead of the bare UNet.
    """
    torch.manual_seed(plan.seed)
    words, reader = text.tokenizer(plan), text.finished(plan).to(plan.device)
    unet = base.finished(plan).to(plan.device)
    model = build(unet)
    if like:
        averaged(model, plan.work / f"controlnet-{like}.pt")
    for net in (unet, model):
        base.plain_attention(net, plan.device)
    run = Training(plan, f"controlnet-{kind}", model)
    noise, pictures, nothing = base.levels(plan.device), Pictures(kind), text.encode(words, [""])
    stored = kind if (plan.work / "conditions" / kind).is_dir() else ""
    cache = Cache(plan.work, lambda seed: kind != "pose" or bool(sample(seed, mix).people), stored)  # nobody there, no pose
    if not cache.refresh():
        raise FileNotFoundError(plan.work / "latents")
    while run.goes_on():
        part = cache.batch(run.rng, plan.batch)
        seen = pictures.of([sample(int(seed), mix) for seed in part.seeds]) if part.seen is None else bright(part.seen, plan)
        heed = base.where(part, plan)
        if kind == "pose":
            heed = traced(seen, heed)
        guided = Guided(unet, run.model, seen.to(plan.device))
        clean = part.latents.to(plan.device).float().contiguous(memory_format=torch.channels_last)
        states = base.context(reader, part.told(run.rng, SILENT, nothing), plan)
        run.learn(base.learn(guided, clean, states, noise, heed))


def bright(seen: torch.Tensor, plan: Plan) -> torch.Tensor:
    """(n, 3, h, w) in 0..1 of kept control pictures."""
    found = seen.to(plan.device)
    rows = found.permute(0, 3, 1, 2) if found.ndim == 4 else found[:, None].expand(-1, 3, -1, -1)
    return rows.float() / 255


def traced(pictures: torch.Tensor, heed: torch.Tensor) -> torch.Tensor:
    """(n, 1, h, w) weights of mean 1: `heed`, more where something is drawn in the (n, 3, 16 h, 16 w) conditions."""
    drawn = F.max_pool2d(pictures.amax(1, keepdim=True), CELL).to(heed.device)
    weight = heed * (1 + LIMB * drawn)
    return weight / weight.mean((1, 2, 3), keepdim=True)


class Guided:
    """The frozen UNet with a ControlNet beside it, called as the UNet alone is."""

    def __init__(self, unet: UNet2DConditionModel, control: ControlNetModel, pictures: torch.Tensor) -> None:
        self.unet, self.control, self.pictures = unet, control, pictures

    def __call__(self, noisy: torch.Tensor, at: torch.Tensor, encoder_hidden_states: torch.Tensor) -> object:
        """The UNet's output, with gradients to the ControlNet only."""
        down, middle = self.control(noisy, at, encoder_hidden_states, controlnet_cond=self.pictures, return_dict=False)
        return self.unet(
            noisy,
            at,
            encoder_hidden_states=encoder_hidden_states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        )


def finished(plan: Plan, kind: str) -> ControlNetModel:
    """The averaged ControlNet. Raises FileNotFoundError where it has not been trained."""
    return ripe(build(base.finished(plan)), plan.work / f"controlnet-{kind}.pt")


def write(plan: Plan, kind: str, folder: Path) -> Path:
    """A diffusers folder `<folder>/<kind>` in half precision."""
    target = folder / kind
    finished(plan, kind).half().save_pretrained(target, safe_serialization=True)
    return target
