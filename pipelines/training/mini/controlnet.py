"""Mini's ControlNets: each begins as a copy of the finished UNet's encoder and learns one kind of condition on cached latents."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import torch
from diffusers import ControlNetModel, DDPMScheduler, UNet2DConditionModel

from pipelines.training.mini import base, text
from pipelines.training.mini.conditions import condition
from pipelines.training.mini.latents import Cache
from pipelines.training.mini.run import Average, Clock, Plan, adamw, keep, log, recall
from pipelines.training.mini.world.captions import caption
from pipelines.training.mini.world.scene import FIRST, Curriculum, Scene, sample

STEM = (8, 16, 32, 64, 96)  # one entry more than halvings: 256 pixels come down to 16, as the latents do
SILENT = 0.3  # share of empty captions: without words the condition must do the work


def build(unet: UNet2DConditionModel) -> ControlNetModel:
    """A ControlNet that changes nothing yet: its stem's and bridges' last convolutions are zero."""
    return ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=STEM).to(memory_format=torch.channels_last)


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


def train(plan: Plan, kind: str, mix: Curriculum = FIRST) -> None:
    """Train (or resume) one ControlNet for the plan's minutes; writes `controlnet-<kind>.pt`."""
    stage = f"controlnet-{kind}"
    path = plan.work / f"{stage}.pt"
    words, reader = text.tokenizer(plan), text.finished(plan).to(plan.device)
    unet = base.finished(plan).to(plan.device)
    model, state = build(unet).to(plan.device).train(), recall(path)
    if state:
        model.load_state_dict(state["model"])
    optimiser, average = adamw(model), Average(model.parameters(), 0.998)
    step, clock = 0, Clock(plan, state["spent"] if state else 0.0)
    if state:
        optimiser.load_state_dict(state["optimiser"])
        average.mean, average.steps, step = [m.to(plan.device) for m in state["mean"]], state["step"], state["step"]
    alphas = DDPMScheduler(**base.SCHEDULE).alphas_cumprod.to(plan.device)
    weight, rng, pictures, cache = base.weights(alphas), Random(plan.seed + 61 + step), Pictures(kind), Cache(plan.work / "latents")
    torch.manual_seed(plan.seed + step)
    if not cache.refresh():
        raise FileNotFoundError(plan.work / "latents")
    seen, last, kept = [], time.monotonic(), time.monotonic()
    while clock.share < 1:
        for group in optimiser.param_groups:
            group["lr"] = clock.rate(step)
        seeds, clean = cache.batch(rng, plan.batch)
        scenes = [sample(int(seed), mix) for seed in seeds]
        said = ["" if rng.random() < SILENT else caption(scene, rng).text for scene in scenes]
        guided = Guided(unet, model, pictures.of(scenes).to(plan.device))
        clean = clean.float().to(plan.device, memory_format=torch.channels_last)
        loss = base.learn(guided, clean, base.context(reader, words, said, plan), (alphas, weight))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(average.live, 1.0)
        optimiser.step()
        average.update()
        seen.append(float(loss.detach()))
        step += 1
        if step % 50 == 0:
            pace = (time.monotonic() - last) / 50
            log(plan, stage, step=step, minutes=clock.spent / 60, loss=sum(seen) / len(seen), pace=pace)
            seen, last = [], time.monotonic()
        if time.monotonic() - kept > 180 or clock.share >= 1:
            held = {"model": model.state_dict(), "mean": average.mean, "optimiser": optimiser.state_dict()}
            keep(path, {**held, "step": step, "spent": clock.spent})
            kept = time.monotonic()


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
    path = plan.work / f"controlnet-{kind}.pt"
    state = recall(path)
    if state is None:
        raise FileNotFoundError(path)
    model = build(base.finished(plan))
    for parameter, mean in zip(model.parameters(), state["mean"], strict=True):
        parameter.data.copy_(mean)
    return model.eval().requires_grad_(False)


def write(plan: Plan, kind: str, folder: Path) -> Path:
    """A diffusers folder `<folder>/<kind>` in half precision."""
    target = folder / kind
    finished(plan, kind).half().save_pretrained(target, safe_serialization=True)
    return target
