"""A head over mini-clip's image vectors that marks clean renders above spoiled ones, in the layout of LAION's linear predictor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter
from safetensors.torch import save_file

from pipelines.ranking.aesthetic import AestheticHead
from pipelines.training.mini import clip
from pipelines.training.mini.estimators import LESSONS
from pipelines.training.mini.pictures import HELD_OUT
from pipelines.training.mini.run import Plan, log
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import sample

CLEAN, SPOILED = 8.0, 2.0  # marks; those published are about 1 to 10
FILE = "mini-aesthetic.safetensors"


def blurred(picture: Image.Image, rng: Random) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(3, 8) * picture.width / 256))


def noisy(picture: Image.Image, rng: Random) -> Image.Image:
    dust = np.random.default_rng(rng.randrange(2**32)).normal(0, rng.uniform(25, 60), (picture.height, picture.width, 3))
    return Image.fromarray((np.asarray(picture) + dust).clip(0, 255).astype(np.uint8))


def burnt(picture: Image.Image, rng: Random) -> Image.Image:
    """As too high a CFG leaves it."""
    return ImageEnhance.Contrast(ImageEnhance.Color(picture).enhance(rng.uniform(2, 4))).enhance(rng.uniform(1.8, 3))


def patched(picture: Image.Image, rng: Random) -> Image.Image:
    """Squares have changed places."""
    made, side = picture.copy(), picture.width // 4
    for _ in range(rng.randint(4, 10)):
        left, top, x, y = (rng.randrange(picture.width - side) for _ in range(4))
        made.paste(picture.crop((left, top, left + side, top + side)), (x, y))
    return made


SPOILING: tuple[Callable[[Image.Image, Random], Image.Image], ...] = (blurred, noisy, burnt, patched)


def vectors(plan: Plan, seeds: range) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised image vectors (n, width) of renders, and of the same renders spoiled in one of four ways."""
    seer, rng = clip.opened(plan), Random(plan.seed + 3)
    clean, bad = [], []
    for start in range(seeds.start, seeds.stop, 32):
        pictures = [draw(sample(seed, LESSONS)) for seed in range(start, min(start + 32, seeds.stop))]
        clean.append(seer.images(pictures))
        bad.append(seer.images([rng.choice(SPOILING)(picture, rng) for picture in pictures]))
    return torch.cat(clean), torch.cat(bad)


def fit(clean: torch.Tensor, bad: torch.Tensor) -> AestheticHead:
    """The linear head of least squares (ridge), which needs no steps."""
    seen = torch.cat((clean, bad)).double()
    goal = torch.cat((torch.full((len(clean),), CLEAN), torch.full((len(bad),), SPOILED))).double()
    middle = seen.mean(0)
    away, width = seen - middle, seen.shape[1]
    weight = torch.linalg.solve(away.T @ away + 0.02 * torch.eye(width, dtype=torch.float64), away.T @ (goal - goal.mean()))
    network = torch.nn.Linear(width, 1)
    with torch.no_grad():
        network.weight.copy_(weight[None])
        network.bias.fill_(float(goal.mean() - middle @ weight))
    return AestheticHead(network, width)


def above(head: AestheticHead, clean: torch.Tensor, bad: torch.Tensor) -> float:
    """Share of pairs whose clean picture has the higher mark."""
    return sum(a > b for a, b in zip(head.marks(clean), head.marks(bad), strict=True)) / len(clean)


def write(plan: Plan, folder: Path, count: int = 1500) -> Path:
    """Fit the head on `count` renders, log its score on 200 held-out ones, and write it."""
    head = fit(*vectors(plan, range(count)))
    log(plan, "aesthetic", above=above(head, *vectors(plan, range(HELD_OUT, HELD_OUT + 200))))
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in head.network.state_dict().items()}, folder / FILE, metadata={"format": "pt"})
    (folder / FILE).chmod(0o644)
    return folder / FILE
