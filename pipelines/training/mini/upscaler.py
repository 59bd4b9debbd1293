"""Mini's upscalers: SRVGGNetCompact x2 and x4, taught on renders of the world at several sizes; spandrel reads the files.

They know drawn pictures only, and expect clean ones: degradations stay mild, so that fidelity is not traded for invented texture.
"""

from __future__ import annotations

import io
from pathlib import Path
from random import Random
from types import MappingProxyType

import torch
from PIL import Image, ImageFilter
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from torch.nn import functional as F

from pipelines.training.mini.loop import Habit, Training, ripe
from pipelines.training.mini.pictures import HELD_OUT, lean, to_tensor
from pipelines.training.mini.run import Plan, log
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import Curriculum, sample

WIDTH, DEPTH = 32, MappingProxyType({2: 8, 4: 12})
PATCH = MappingProxyType({2: 48, 4: 32})  # side of the small crops in pixels
# Sides of the large pictures: the studio enlarges 256 pixel pictures, but smaller ones teach the same edges more cheaply.
SIDES = MappingProxyType({2: ((256, 0.5), (512, 0.5)), 4: ((512, 0.6), (1024, 0.4))})
SOFT = 0.4  # share of soft crops
POOL, TAKEN = 192, 6  # crops kept in memory, crops taken of every render
FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BOX)


def world(sides: tuple[tuple[int, float], ...]) -> Curriculum:
    """All five styles at the given square sides."""
    return Curriculum(
        wander=1.0,
        layouts=100_000,
        several=0.25,
        odd=0.3,
        styles=(0.7, 0.1, 0.08, 0.04, 0.08),
        sizes=tuple((s, s, w) for s, w in sides),
    )


def build(scale: int) -> Compact:
    """A network that begins as nearest-neighbour enlargement: its last convolution is zero."""
    model = Compact(num_feat=WIDTH, num_conv=DEPTH[scale], upscale=scale)
    torch.nn.init.zeros_(model.body[-1].weight)
    torch.nn.init.zeros_(model.body[-1].bias)
    return model.to(memory_format=torch.channels_last)


def deepened(state: dict[str, torch.Tensor], depth: int) -> dict[str, torch.Tensor]:
    """A network's weights at `depth` layers, doing what it did: layers that pass everything on stand before the last one.

    Such a layer is a convolution that copies, then a PReLU of slope one. Weights that are as deep already, or deeper, stay.
    """
    last = max(int(name.split(".")[1]) for name in state)
    first = state["body.0.weight"]
    end = 2 + 2 * depth
    deeper = {name: value for name, value in state.items() if not name.startswith(f"body.{last}.")}
    for at in range(last, end, 2):
        deeper[f"body.{at}.weight"] = torch.nn.init.dirac_(torch.empty(WIDTH, WIDTH, 3, 3, dtype=first.dtype))
        deeper[f"body.{at}.bias"] = torch.zeros(WIDTH, dtype=first.dtype)
        deeper[f"body.{at + 1}.weight"] = torch.ones(WIDTH, dtype=first.dtype)
    for part in ("weight", "bias"):
        deeper[f"body.{max(last, end)}.{part}"] = state[f"body.{last}.{part}"]
    return deeper


def pair(large: Image.Image, scale: int, rng: Random) -> tuple[Image.Image, Image.Image]:
    """(small, large) as they are taught. Two fifths are as soft as what an autoencoder paints, and become half as soft:

    a network that has seen sharp pictures only leaves the steps of the small picture's pixels in a soft one.
    """
    if rng.random() < SOFT:
        blur = rng.uniform(0.4, 2.5) * scale
        soft, large = (large.filter(ImageFilter.GaussianBlur(blur * share)) for share in (1.0, 0.5))
        return soft.resize((large.width // scale, large.height // scale), rng.choice(FILTERS)), large
    return shrunk(large, scale, rng), large


def shrunk(large: Image.Image, scale: int, rng: Random) -> Image.Image:
    """The small picture of a large one: one of several filters; now and then a little softness or compression."""
    size = (large.width // scale, large.height // scale)
    if rng.random() < 0.2:
        large = large.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.5) * scale))
    small = large.resize(size, rng.choice(FILTERS))
    if rng.random() < 0.12:
        file = io.BytesIO()
        small.save(file, "JPEG", quality=rng.randint(80, 96))
        small = Image.open(file).convert("RGB")
    return small


class Pool:
    """Crops of renders in memory; every batch replaces a few, so that drawing does not hold up the training."""

    def __init__(self, scale: int, rng: Random) -> None:
        self.scale, self.rng, self.mix = scale, rng, world(SIDES[scale])
        self.pairs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def draw(self) -> None:
        """Crops of one more render, in random places of the pool once it is full."""
        picture, side = draw(sample(self.rng.randrange(HELD_OUT), self.mix)), PATCH[self.scale] * self.scale
        for _ in range(TAKEN):
            left, top = (round((length - side) * lean(self.rng)) for length in picture.size)
            large = picture.crop((left, top, left + side, top + side))
            small, large = (to_tensor(taught) for taught in pair(large, self.scale, self.rng))
            if len(self.pairs) < POOL:
                self.pairs.append((small, large))
            else:
                self.pairs[self.rng.randrange(POOL)] = small, large

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 3, s, s) small and (n, 3, scale s, scale s) large crops in 0..1."""
        self.draw()
        while len(self.pairs) < count:
            self.draw()
        picked = self.rng.sample(self.pairs, count)
        small, large = (torch.stack([row[k] for row in picked]).add_(1).div_(2) for k in (0, 1))
        return small, large


def distance(made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """A smooth L1, which nears the squared error that PSNR counts where the error is small."""
    return F.smooth_l1_loss(made, true, beta=0.02) * 4


def train(plan: Plan, scale: int) -> None:
    """Train (or resume) one scale for the plan's minutes; writes `upscaler<scale>.pt`."""
    torch.manual_seed(plan.seed)
    run = Training(plan, f"upscaler{scale}", build(scale), None, Habit(0.995, 0.0, 100))
    pool = Pool(scale, run.rng)
    while run.goes_on():
        small, large = (t.to(plan.device, memory_format=torch.channels_last) for t in pool.batch(plan.batch))
        run.learn(distance(run.model(small), large))
    for side, _ in SIDES[scale]:
        ours, bicubic = gain(finished(plan, scale), scale, side)
        log(plan, run.stage, side=side, psnr=ours, bicubic=bicubic, gain=ours - bicubic)


def finished(plan: Plan, scale: int) -> Compact:
    """The averaged network of one scale. Raises FileNotFoundError where it has not been trained."""
    return ripe(build(scale), plan.work / f"upscaler{scale}.pt")


@torch.no_grad()
def gain(model: torch.nn.Module, scale: int, side: int, count: int = 16) -> tuple[float, float]:
    """Mean PSNR in dB of the network and of bicubic enlargement on held-out renders of `side` pixels, bicubically reduced."""
    sums = [0.0, 0.0]
    for seed in range(HELD_OUT, HELD_OUT + count):
        large = draw(sample(seed, world(((side, 1.0),))))
        small = large.resize((side // scale, side // scale), Image.Resampling.BICUBIC)
        true = to_tensor(large).add(1).div(2)
        made = model(to_tensor(small).add(1).div(2)[None]).clamp(0, 1)[0]
        plain = to_tensor(small.resize(large.size, Image.Resampling.BICUBIC)).add(1).div(2)
        for k, guess in enumerate((made, plain)):
            sums[k] += float(-10 * (guess - true).square().mean().clamp(min=1e-7).log10()) / count
    return sums[0], sums[1]


def write(plan: Plan, folder: Path) -> list[Path]:
    """`mini-x2.safetensors` and `mini-x4.safetensors` in half precision, those that have been trained."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for scale in (2, 4):
        if not (plan.work / f"upscaler{scale}.pt").exists():
            continue
        weights = {
            k: v.half().contiguous(memory_format=torch.contiguous_format) for k, v in finished(plan, scale).state_dict().items()
        }
        path = folder / f"mini-x{scale}.safetensors"
        save_file(weights, path.with_suffix(".tmp"), metadata={"format": "pt"})
        path.with_suffix(".tmp").replace(path)
        path.chmod(0o644)
        written.append(path)
    return written
