"""The autoencoder of mini: AutoencoderKL with factor 16, learned on renders or their crops; its decoder may go on alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from pipelines.training.mini.carry import begin_as_blur
from pipelines.training.mini.crew import Crew
from pipelines.training.mini.drawn import Drawn
from pipelines.training.mini.loop import Habit, Training, averaged
from pipelines.training.mini.pictures import HELD_OUT, Crops, Pool, renders, sheet, to_picture, to_tensor
from pipelines.training.mini.run import Plan, log, quick, recall
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import Curriculum, sample

WORLD = Curriculum(wander=1.0, several=0.2, odd=0.3, styles=(0.82, 0.06, 0.04, 0.04, 0.04))
CROP = 128
FORGIVEN = 0.3  # most noise on the latents that the decoder learns to forgive when it learns alone: a UNet's errors look like it
JUDGED = 0.2  # the noise at which its forgiving is logged
HELD, FRESH = 384, 2  # pictures that the decoder's lessons hold, and how many a step draws anew
CHANNELS = 16
KEPT = 0.5  # weight of the former autoencoder's channels, which the first ones go on saying: what reads them knows them
EVEN = 0.15  # weight of the logarithm of each picture's error, which is its PSNR: plain pictures count as much as full ones


def build() -> AutoencoderKL:
    """A random autoencoder: 256x256x3 to 16x16xCHANNELS.

    One norm group: with 8 groups on 8 channels every channel is normalised alone,
    and the picture's absolute colour is lost on the way.
    """
    channels = (16, 32, 64, 128, 160)
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


def train(plan: Plan, crew: Crew, decoder_only: bool = False, former: Path | None = None) -> None:
    """Train (or resume) for the plan's minutes. `decoder_only` keeps the encoder, hence all latents, as they are.

    former: the folder of an autoencoder with fewer channels; the new one's first channels learn to say what that one's say, so
    that a UNet and its nets keep what they know. Pictures come whole from the plan's hands, or else as crops drawn between steps.
    """
    stage = "decoder" if decoder_only else "vae"
    torch.manual_seed(plan.seed)
    model = (finished(plan) if decoder_only else build()).requires_grad_(True)
    if decoder_only:
        for part in (model.encoder, model.quant_conv):
            part.requires_grad_(False)
    run = Training(plan, stage, model, crew, Habit(line=100, minutes=4))
    lesson = Lesson(model, plan, decoder_only, former)
    batches = encoded(model, run) if decoder_only and not plan.hands else pictures(run)
    while run.goes_on():
        total, pixels = lesson.learn(*next(batches))
        if run.learn(total, loss=pixels):
            judge(run)
    if crew.leads:
        judge(run)


Batch = tuple[torch.Tensor, torch.Tensor | None]


def pictures(run: Training) -> Iterator[Batch]:
    """Whole pictures from the plan's hands, or crops drawn between steps, without end; nobody has encoded them."""
    plan = run.plan
    drawn = Drawn(plan, WORLD) if plan.hands else Crops(run.rng, WORLD, CROP)
    while True:
        yield drawn.batch(plan.batch).to(plan.device, memory_format=torch.channels_last), None


def encoded(model: AutoencoderKL, run: Training) -> Iterator[Batch]:
    """Whole pictures drawn between steps, and their latents: what the encoder says does not change while the decoder learns alone.

    Whole, because the decoder's one norm group sees the whole picture.
    """

    @torch.no_grad()
    def make(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = to_tensor(draw(sample(seed, WORLD)))
        with quick(run.plan.device):
            mean = model.encode(pixels[None].to(run.plan.device, memory_format=torch.channels_last)).latent_dist.mean
        return pixels, mean[0].float()

    pool = Pool(make, run.rng, HELD, FRESH)
    while True:
        pixels, means = (torch.stack(part).to(run.plan.device) for part in zip(*pool.batch(run.plan.batch), strict=True))
        yield pixels.contiguous(memory_format=torch.channels_last), means


def judge(run: Training) -> None:
    """Log the averaged autoencoder's PSNR, as it is and with noise on the latents."""
    run.average.swap()
    clean, noisy = (psnr(run.model, run.plan, run.stage, noise=noise) for noise in (0.0, JUDGED))
    log(run.plan, run.stage, step=run.step, psnr=clean, forgiving=noisy)
    run.average.swap()


class Lesson:
    """What one batch teaches. Noise on the latents teaches the decoder to forgive a diffusion model's errors."""

    def __init__(self, model: AutoencoderKL, plan: Plan, decoder_only: bool, former: Path | None) -> None:
        self.model, self.plan, self.decoder_only = model, plan, decoder_only
        self.most = FORGIVEN if decoder_only else 0.05
        self.former = None
        if former and not decoder_only:
            self.former = AutoencoderKL.from_pretrained(former, torch_dtype=torch.float32).to(plan.device).requires_grad_(False)

    def learn(self, true: torch.Tensor, mean: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Total loss of (n, 3, h, w) pictures in -1..1, and its picture part. mean: their latents, where they are known."""
        with quick(self.plan.device):
            if mean is None:
                with torch.set_grad_enabled(not self.decoder_only):
                    mean = self.model.quant_conv(self.model.encoder(true)).chunk(2, 1)[0]
            noisy = mean + torch.randn_like(mean) * self.most * torch.rand(len(mean), 1, 1, 1, device=mean.device)
            made = self.model.decoder(self.model.post_quant_conv(noisy)).float()
        pixels = distance(made, true)
        total = pixels + EVEN * (made - true).square().mean((1, 2, 3)).log().mean()
        if not self.decoder_only:
            total = total + 0.05 * spread(mean.float()) + self.unlike(mean.float(), true)
        return total, pixels.detach()

    def unlike(self, mean: torch.Tensor, true: torch.Tensor) -> torch.Tensor | float:
        """How far the first channels are from those of the former autoencoder."""
        if self.former is None:
            return 0.0
        with torch.no_grad(), quick(self.plan.device):
            said = self.former.encode(true).latent_dist.mean.float()
        return KEPT * F.mse_loss(mean[:, : said.shape[1]], said)


@torch.no_grad()
def psnr(model: AutoencoderKL, plan: Plan, stage: str, count: int = 24, noise: float = 0.0) -> float:
    """Mean PSNR in dB on held-out renders of the flat world; leaves a sheet of pairs in the work folder.

    noise: standard deviation of what is added to the latents, whose own is one.
    """
    true = renders(range(HELD_OUT, HELD_OUT + count), Curriculum(wander=1.0)).to(plan.device)
    means = torch.cat([model.encode(part).latent_dist.mean for part in true.split(8)])
    dust = torch.randn(means.shape, generator=torch.Generator().manual_seed(0)).to(plan.device)
    made = torch.cat([model.decode(part).sample for part in (means + noise * dust).split(8)])
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
