"""Renders as tensors: the endless stream of pictures that the makers learn from."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np
import torch
from PIL import Image

from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import Curriculum, sample

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


def crops(rng: Random, mix: Curriculum, batch: int, size: int) -> torch.Tensor:
    """A batch of square crops, two of every picture; crops lean to the middle, where the subjects stand."""
    found: list[torch.Tensor] = []
    while len(found) < batch:
        pixels = to_tensor(draw(sample(rng.randrange(HELD_OUT), mix)))
        for _ in range(2):
            top, left = (round((pixels.shape[k] - size) * lean(rng)) for k in (1, 2))
            found.append(pixels[:, top : top + size, left : left + size])
    return torch.stack(found[:batch])


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


def batches(rng: Random, mix: Curriculum, batch: int, size: int) -> Iterator[torch.Tensor]:
    """An endless stream of crops."""
    while True:
        yield crops(rng, mix, batch, size)
