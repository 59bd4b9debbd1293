"""Renders as tensors: the endless stream of pictures that the makers learn from."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Generic, TypeVar

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import Curriculum, sample

T = TypeVar("T")
HELD_OUT = 10_000_000  # seeds from here on are never trained on


def to_tensor(picture: Image.Image) -> torch.Tensor:
    """(3, height, width) in -1..1."""
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float().div_(127.5).sub_(1)


def to_picture(pixels: torch.Tensor) -> Image.Image:
    """The RGB picture of a (3, height, width) tensor in -1..1."""
    return Image.fromarray(((pixels.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())


def renders(seeds: range | list[int], mix: Curriculum) -> torch.Tensor:
    """(n, 3, height, width) in -1..1; the mix must have one size."""
    return torch.stack([to_tensor(draw(sample(seed, mix))) for seed in seeds])


class Pool(Generic[T]):
    """Samples made from seeds and kept in memory: every batch makes `fresh` new ones, so that drawing costs little."""

    def __init__(self, make: Callable[[int], T], rng: Random, most: int, fresh: int) -> None:
        self.make, self.rng, self.most, self.fresh = make, rng, most, fresh
        self.held: list[T] = []

    def add(self) -> None:
        """One more; once the pool is full it replaces a random one."""
        made = self.make(self.rng.randrange(HELD_OUT))
        if len(self.held) < self.most:
            self.held.append(made)
        else:
            self.held[self.rng.randrange(self.most)] = made

    def batch(self, count: int) -> list[T]:
        """`count` different ones."""
        for _ in range(max(self.fresh, count - len(self.held))):
            self.add()
        return self.rng.sample(self.held, count)


class Crops:
    """Square crops of renders kept in memory: every batch adds those of two new renders, so that drawing costs little.

    Half of the crops are the busiest of three, for faces and small things fill little of a picture.
    """

    POOL, TAKEN = 256, 3

    def __init__(self, rng: Random, mix: Curriculum, size: int) -> None:
        self.rng, self.mix, self.size = rng, mix, size
        self.held: list[torch.Tensor] = []

    def draw(self) -> None:
        """Crops of one more render; once the pool is full they replace random ones."""
        pixels = to_tensor(draw(sample(self.rng.randrange(HELD_OUT), self.mix)))
        for number in range(self.TAKEN):
            crop = max((self.cut(pixels) for _ in range(1 + 2 * (number % 2))), key=busy)
            if len(self.held) < self.POOL:
                self.held.append(crop)
            else:
                self.held[self.rng.randrange(self.POOL)] = crop

    def cut(self, pixels: torch.Tensor) -> torch.Tensor:
        """A view of the picture; places lean to the middle, where the subjects stand."""
        top, left = (round((pixels.shape[k] - self.size) * lean(self.rng)) for k in (1, 2))
        return pixels[:, top : top + self.size, left : left + self.size]

    def batch(self, count: int) -> torch.Tensor:
        """(count, 3, size, size) in -1..1."""
        for _ in range(2):
            self.draw()
        while len(self.held) < count:
            self.draw()
        return torch.stack(self.rng.sample(self.held, count))


def softened(pixels: torch.Tensor) -> torch.Tensor:
    """(n, 3, h, w) as soft and as noisy as a painted picture may be: who reads pictures must not read sharpness."""
    share = torch.rand(len(pixels), 1, 1, 1, device=pixels.device)
    soft = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return pixels + share * (soft - pixels) + 0.06 * torch.rand_like(share) * torch.randn_like(pixels)


def busy(pixels: torch.Tensor) -> float:
    """How much a picture changes from pixel to pixel."""
    return float((pixels[:, :, 1:] - pixels[:, :, :-1]).abs().mean() + (pixels[:, 1:] - pixels[:, :-1]).abs().mean())


def lean(rng: Random) -> float:
    """0..1, denser around the middle but with both borders well visited."""
    return min(1.0, max(0.0, (rng.random() + rng.random()) * 0.65 - 0.15))


def sheet(pictures: list[Image.Image], columns: int) -> Image.Image:
    """The pictures in rows, in order."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * width, rows * height), "white")
    for k, picture in enumerate(pictures):
        page.paste(picture, (k % columns * width, k // columns * height))
    return page
