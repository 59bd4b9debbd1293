"""The autoencoder of mini: AutoencoderKL with factor 16, learned on crops of renders; the decoder may go on learning alone."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from pipelines.training.mini.carry import begin_as_blur
from pipelines.training.mini.crew import Crew
from pipelines.training.mini.loop import Habit, Training, averaged
from pipelines.training.mini.pictures import HELD_OUT, Crops, renders, sheet, to_picture
from pipelines.training.mini.run import Plan, log, quick, recall
from pipelines.training.mini.world.scene import Curriculum

WORLD = Curriculum(wander=1.0, several=0.2, odd=0.3, styles=(0.82, 0.06, 0.04, 0.04, 0.04))
CROP = 128
FORGIVEN = 0.1  # most noise on the latents that the decoder learns to forgive; with 0.3 it blurred what was clean
CHANNELS = 8  # 16 keep eyes and mouths (27 dB against 25.5), but a UNet of this size then needs several times the steps


def build() -> AutoencoderKL:
    """A random autoencoder: 256x256x3 to 16x16xCHANNELS.

    One norm group: with 8 groups on 8 channels every channel is normalised alone,
    and the picture's absolute colour is lost on the way.
    """
    channels = (8, 16, 32, 64, 128)
    model = AutoencoderKL(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 5,
        up_block_types=("UpDecoderBlock2D",) * 5,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=1,
        mid_block_add_attention=False,
        sample_size=256,
        scaling_factor=1.0,
    )
    begin_as_blur(model)
    with torch.no_grad():  # the spread of the posterior is a constant e^-3: sampling it changes nothing one could see
        model.quant_conv.weight[CHANNELS:] = 0
        model.quant_conv.bias[CHANNELS:] = -6
    return model.to(memory_format=torch.channels_last)


def edges(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences to the right and downward neighbours."""
    return pixels[..., 1:] - pixels[..., :-1], pixels[..., 1:, :] - pixels[..., :-1, :]


def opponent(pixels: torch.Tensor) -> torch.Tensor:
    """Lightness, red against green, blue against yellow: in RGB a network learns grey first and colours many epochs later."""
    red, green, blue = pixels.unbind(1)
    return torch.stack((0.6 * (red + green + blue) / 1.5, 1.2 * (red - green), 0.9 * (blue - (red + green) / 2)), 1)


def detail(true: torch.Tensor) -> torch.Tensor:
    """(n, 1, h, w) weights from 1 to about 5: what differs from its surroundings (eyes, mouths, glasses) counts more."""
    apart = (true - F.avg_pool2d(true, 9, 1, 4, count_include_pad=False)).abs().mean(1, keepdim=True)
    return 1 + 4 * F.max_pool2d(apart, 3, 1, 1)


def distance(made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """L1 of opponent colours (details weighted) and of edges at three scales, and of the means of 8x8 and 16x16 cells."""
    weight = detail(true)
    made, true = opponent(made), opponent(true)
    loss = ((made - true).abs() * weight).mean() / weight.mean() + sum(
        F.l1_loss(F.avg_pool2d(made, k), F.avg_pool2d(true, k)) for k in (8, 16)
    )
    for share in (1.0, 0.5, 0.25):
        loss = loss + share * sum(F.l1_loss(a, b) for a, b in zip(edges(made), edges(true), strict=True))
        made, true = F.avg_pool2d(made, 2), F.avg_pool2d(true, 2)
    return loss


def spread(mean: torch.Tensor) -> torch.Tensor:
    """Penalty that keeps every latent channel near zero mean and unit variance, as diffusion wants it."""
    flat = mean.transpose(0, 1).flatten(1)
    return flat.mean(1).square().mean() + (flat.std(1) - 1).square().mean()


def train(plan: Plan, crew: Crew, decoder_only: bool = False) -> None:
    """Train (or resume) for the plan's minutes. `decoder_only` keeps the encoder, hence all latents, as they are."""
    stage = "decoder" if decoder_only else "vae"
    torch.manual_seed(plan.seed)
    model = (finished(plan) if decoder_only else build()).requires_grad_(True)
    if decoder_only:
        for part in (model.encoder, model.quant_conv):
            part.requires_grad_(False)
    run = Training(plan, stage, model, crew, Habit(line=100, minutes=4))
    pool = Crops(run.rng, WORLD, CROP)
    while run.goes_on():
        true = pool.batch(plan.batch).to(plan.device, memory_format=torch.channels_last)
        total, pixels = learn(model, true, decoder_only, plan)
        if run.learn(total, loss=pixels):
            judge(run)
    if crew.leads:
        judge(run)


def judge(run: Training) -> None:
    """Log the averaged autoencoder's PSNR."""
    run.average.swap()
    log(run.plan, run.stage, step=run.step, psnr=psnr(run.model, run.plan, run.stage))
    run.average.swap()


def learn(model: AutoencoderKL, true: torch.Tensor, decoder_only: bool, plan: Plan) -> tuple[torch.Tensor, torch.Tensor]:
    """Total loss and its picture part. Noise on the latents teaches the decoder to forgive a diffusion model's errors."""
    with quick(plan.device):
        with torch.set_grad_enabled(not decoder_only):
            mean = model.quant_conv(model.encoder(true)).chunk(2, 1)[0]
        most = FORGIVEN if decoder_only else 0.05
        noisy = mean + torch.randn_like(mean) * most * torch.rand(len(mean), 1, 1, 1, device=mean.device)
        made = model.decoder(model.post_quant_conv(noisy))
        pixels = distance(made.float(), true)
        return pixels + (0.0 if decoder_only else 0.05 * spread(mean.float())), pixels.detach()


@torch.no_grad()
def psnr(model: AutoencoderKL, plan: Plan, stage: str, count: int = 24) -> float:
    """Mean PSNR in dB on held-out renders of the flat world; leaves a sheet of pairs in the work folder."""
    true = renders(range(HELD_OUT, HELD_OUT + count), Curriculum(wander=1.0)).to(plan.device)
    made = torch.cat([model.decode(model.encode(part).latent_dist.mean).sample for part in true.split(8)])
    pairs = [to_picture(q) for pair in zip(true[:16], made[:16], strict=True) for q in pair]
    sheet(pairs, 8).save(plan.work / f"{stage}.png")
    error = (made.clamp(-1, 1) - true).square().mean((1, 2, 3)) / 4
    return float((-10 * error.log10()).mean())


def finished(plan: Plan) -> AutoencoderKL:
    """The best autoencoder so far: averaged weights, with the longer trained decoder where there is one."""
    model = build()
    averaged(model, plan.work / "vae.pt")
    later = recall(plan.work / "decoder.pt")
    if later:
        tail = [*model.decoder.parameters(), *model.post_quant_conv.parameters()]
        live = [p for p in model.parameters() if any(p is q for q in tail)]
        for parameter, mean in zip(live, later["mean"], strict=True):
            parameter.data.copy_(mean)
    return model.eval().requires_grad_(False)
