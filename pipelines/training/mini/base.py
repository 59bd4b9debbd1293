"""The diffusion model of mini: UNet2DConditionModel in v-prediction on cached latents and the taught text encoder."""

from __future__ import annotations

from types import MappingProxyType

import torch
from diffusers import ControlNetModel, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor

from pipelines.training.mini import text
from pipelines.training.mini.crew import Crew
from pipelines.training.mini.latents import Cache, Part
from pipelines.training.mini.loop import Habit, Training, averaged
from pipelines.training.mini.run import Plan, quick
from pipelines.training.mini.vae import CHANNELS

SCHEDULE = MappingProxyType(
    {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.02,
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction",
        "clip_sample": False,
        "timestep_spacing": "leading",
        "steps_offset": 1,
    }
)
SILENT = 0.1  # share of empty captions, for classifier-free guidance
GAMMA = 5.0
FINE = 50.0  # the same while a run leans to the clean end: with 5 the last steps learned little, and surfaces came out patchy


def build() -> UNet2DConditionModel:
    """A random UNet for the autoencoder's latents and 192 wide text."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(96, 160, 192),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=192,
        attention_head_dim=4,
        norm_num_groups=16,
    ).to(memory_format=torch.channels_last)


def weights(alphas: torch.Tensor, gamma: float = GAMMA) -> torch.Tensor:
    """Loss weight of each timestep for v: full at high noise, where words decide; capped at low noise as in min-SNR (2303.09556).

    Plain min-SNR multiplies v's loss by min(SNR, 5)/(SNR + 1), which vanishes at high noise;
    a short training then learns textures before contents.
    """
    ratio = alphas / (1 - alphas)
    return (ratio.clamp(max=gamma) + 1) / (ratio + 1)


def train(plan: Plan, crew: Crew) -> None:
    """Train (or resume) for the plan's minutes on the cache, which may grow meanwhile."""
    torch.manual_seed(plan.seed)
    words, reader, model = text.tokenizer(plan), text.finished(plan).to(plan.device), build()
    plain_attention(model, plan.device)
    run = Training(plan, "base", model, crew, Habit(memory=0.999))
    noise, cache, nothing = levels(plan.device, FINE if plan.lean > 1 else GAMMA), Cache(plan.work), text.encode(words, [""])
    while run.goes_on():
        if run.step % 50 == 0 or not len(cache):
            cache.refresh()
        part = cache.batch(run.rng, plan.batch)
        clean = part.latents.to(plan.device).float().contiguous(memory_format=torch.channels_last)
        states = context(reader, part.told(run.rng, SILENT, nothing), plan)
        run.learn(learn(model, clean, states, noise, where(part, plan), plan.lean))


def where(part: Part, plan: Plan) -> torch.Tensor:
    """(n, 1, h, w) weights of the places of a batch."""
    return part.heed[:, None].to(plan.device).float()


def plain_attention(model: UNet2DConditionModel | ControlNetModel, device: str) -> None:
    """On a CPU by matrix products: there the fused attention's backward takes a third of a step, at 256 tokens and fewer."""
    if device == "cpu":
        model.set_attn_processor(AttnProcessor())


def levels(device: str, gamma: float = GAMMA) -> tuple[torch.Tensor, torch.Tensor]:
    """(1000,) cumulative alphas of the schedule, and the loss weight of each timestep."""
    alphas = DDPMScheduler(**SCHEDULE).alphas_cumprod.to(device)
    return alphas, weights(alphas, gamma)


@torch.no_grad()
def context(reader: torch.nn.Module, ids: torch.Tensor, plan: Plan) -> torch.Tensor:
    """(n, 77, 192) text states of (n, 77) token ids."""
    return reader(ids.to(plan.device)).last_hidden_state


def learn(
    model: UNet2DConditionModel,
    clean: torch.Tensor,
    states: torch.Tensor,
    noise_level: tuple[torch.Tensor, torch.Tensor],
    heed: torch.Tensor | float = 1.0,
    lean: float = 1.0,
) -> torch.Tensor:
    """Weighted error of v on one noised batch; timesteps are stratified over the batch, which calms the gradient.

    heed: weights of the places, (n, 1, h, w) of mean 1. lean: above 1 cleaner timesteps come more often (at 2, half are below 250).
    """
    alphas, weight = noise_level
    count, device = len(clean), clean.device
    share = (torch.arange(count, device=device) + torch.rand(count, device=device)) / count
    at = (share**lean * len(alphas)).long().clamp(max=len(alphas) - 1)
    signal, noise = alphas[at].sqrt()[:, None, None, None], (1 - alphas[at]).sqrt()[:, None, None, None]
    dust = torch.randn_like(clean)
    with quick(device.type):
        made = model(signal * clean + noise * dust, at, encoder_hidden_states=states).sample
    error = ((made.float() - (signal * dust - noise * clean)).square() * heed).mean((1, 2, 3))
    return (error * weight[at]).mean()


def finished(plan: Plan) -> UNet2DConditionModel:
    """The averaged UNet (random weights where there is no checkpoint yet)."""
    model = build()
    averaged(model, plan.work / "base.pt")
    return model.eval().requires_grad_(False)
