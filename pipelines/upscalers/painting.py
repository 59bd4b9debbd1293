"""One pass of a network over a picture in tiles, each drawn at its place on the final grid. Knows no files and no lists."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipelines.deep import Deep
from pipelines.loading.compat import torch
from pipelines.loading.device import Device
from pipelines.spec.events import Emit, Step
from pipelines.spec.geometry import Size, Tile, tile_plan
from pipelines.upscalers.target import Tiling
from pipelines.upscalers.weights import Network

LANCZOS = Image.Resampling.LANCZOS
FEATURES = 64           # channels of the usual upscaler (RRDB, Compact, SPAN)
SIDES = 64, 512         # pixels of a tile that is chosen from memory
ON_A_CPU = 192          # larger tiles are no faster there


class Runner:
    """The network as a function of pictures."""

    def __init__(self, network: Network, device: Device) -> None:
        self.network, self.device = network, device

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """Policies that keep weights in main memory: there before and after, on the device in between."""
        if self.device.policy.keep:
            yield
            return
        self.network.to(self.device.torch)
        try:
            yield
        finally:
            self.network.to("cpu")
            self.device.empty_cache()

    def __call__(self, picture: Image.Image) -> Image.Image:
        """RGB in, RGB out, `network.scale` times as large."""
        return Image.fromarray(self._run(picture).mul(255).round().to(torch.uint8).cpu().numpy())

    def values(self, picture: Image.Image) -> np.ndarray:
        """RGB in; out what the network says before it is rounded: float32 (height, width, 3), 0 to 1."""
        return self._run(picture).cpu().numpy()

    @torch.inference_mode()
    def _run(self, picture: Image.Image) -> torch.Tensor:
        where, dtype = self.network.place
        pixels = torch.from_numpy(np.array(picture)).to(where).permute(2, 0, 1).unsqueeze(0).to(dtype) / 255
        if self.network.channels == 1:
            result = torch.cat([self.network(pixels[:, i:i + 1]) for i in range(3)], dim=1)
        else:
            result = self.network(pixels)
        return result[0].float().nan_to_num().clamp(0, 1).permute(1, 2, 0).contiguous()


def passes(source: Size, target: Size, scale: int) -> list[Size]:
    """The sizes after each run of a network: full steps of `scale`, the last one exactly at `target`."""
    if scale == 1:
        return [target]
    sizes, now = [], source
    while now.width * scale < target.width or now.height * scale < target.height:
        now = Size(now.width * scale, now.height * scale)
        sizes.append(now)
    return [*sizes, target]


def automatic_tile(network: Network, device: Device, source: Size) -> int:
    """Side of a tile whose work takes a quarter of the free memory, a multiple of 32 in `SIDES`."""
    if network.whole:
        return max(source)
    _, dtype = network.place
    one_pixel = FEATURES * dtype.itemsize * (3 * network.scale**2 + 8)
    side = math.isqrt(max(1, device.free_memory() // 4 // one_pixel)) // 32 * 32
    return min(max(side, SIDES[0]), ON_A_CPU if device.is_main_memory else SIDES[1])


def draw(source: Image.Image, size: Size, run: Runner, tiling: Tiling, emit: Emit) -> Image.Image:
    """`source` through the network and to `size`.

    Of the overlap of two tiles the outer quarters are thrown away (there a network sees the edge of the tile) and the
    half between is where one fades into the other.
    """
    canvas = Image.new("RGB", size)
    for tile, place in _places(source, size, tiling, emit):
        drawn = _placed(run(source.crop(tile.box)), tile, place.box, source.size, size)
        canvas.paste(drawn, place.box[:2], _mask(drawn.size, *place.fades))
    return canvas


def draw_deep(source: Image.Image, size: Size, run: Runner, tiling: Tiling, emit: Emit) -> Deep:
    """As `draw`, with 16 bits a channel: what the network says is not rounded to 8."""
    canvas = np.zeros((size.height, size.width, 3), np.uint16)
    for tile, place in _places(source, size, tiling, emit):
        left, top, right, bottom = place.box
        values, below = run.values(source.crop(tile.box)), canvas[top:bottom, left:right]
        weight = _weights((right - left, bottom - top), *place.fades)[..., None]
        drawn = np.stack([np.asarray(_placed(Image.fromarray(values[..., channel]), tile, place.box, source.size, size))
                          for channel in range(3)], axis=-1)
        below[:] = (below * (1 - weight) + drawn.clip(0, 1) * 65535 * weight).round()
    return Deep(canvas)


class Place(NamedTuple):
    """Where a tile stands on the target (left, top, right, bottom), and how many columns and rows of it fade in."""

    box: tuple[int, int, int, int]
    fades: tuple[int, int]


def _places(source: Image.Image, size: Size, tiling: Tiling, emit: Emit) -> Iterator[tuple[Tile, Place]]:
    """Every tile with its place; a Step is emitted when the next is asked for."""
    plan = tile_plan(Size(*source.size), Size(tiling.tile, tiling.tile), min(tiling.overlap, tiling.tile - 1))
    columns = _cuts([(t.left, t.right) for t in plan], source.width, size.width, tiling.overlap)
    rows = _cuts([(t.top, t.bottom) for t in plan], source.height, size.height, tiling.overlap)
    for number, tile in enumerate(plan, 1):
        left, right, fade_x = columns[tile.left]
        top, bottom, fade_y = rows[tile.top]
        yield tile, Place((left, top, right, bottom), (fade_x, fade_y))
        emit(Step(1, 1, number, len(plan)))


def _cuts(stretches: list[tuple[int, int]], length: int, target: int, overlap: int) -> dict[int, tuple[int, int, int]]:
    """For each stretch by its first source pixel: its (first, last + 1) pixels on the target, and how many of them fade in."""
    factor, found = target / length, {}
    end = 0
    for first, last in sorted(set(stretches)):
        begin = math.ceil((first + overlap // 4) * factor) if first else 0
        begin = min(begin, end)     # two tiles without overlap still meet
        fade = end - begin
        end = math.floor((last - overlap // 4) * factor) if last < length else target
        found[first] = (begin, end, fade)
    return found


def _placed(large: Image.Image, tile: Tile, box: tuple[int, int, int, int], source: tuple[int, int],
            target: Size) -> Image.Image:
    """The part of a tile's result that stands at `box` of the target, resampled to its grid where the factors differ."""
    scale = large.width / tile.width
    fx, fy = source[0] / target.width, source[1] / target.height
    inner = ((box[0] * fx - tile.left) * scale, (box[1] * fy - tile.top) * scale,
             (box[2] * fx - tile.left) * scale, (box[3] * fy - tile.top) * scale)
    exact = [round(edge) for edge in inner]
    size = box[2] - box[0], box[3] - box[1]
    if (exact[2] - exact[0], exact[3] - exact[1]) == size and max(abs(a - b) for a, b in zip(exact, inner)) < 1e-6:
        return large.crop((exact[0], exact[1], exact[2], exact[3]))
    left, top = max(0.0, inner[0]), max(0.0, inner[1])
    return large.resize(size, LANCZOS, box=(left, top, min(inner[2], large.width), min(inner[3], large.height)))


def _mask(size: tuple[int, int], fade_x: int, fade_y: int) -> Image.Image | None:
    """0 to 255 over the first `fade_x` columns and `fade_y` rows; None when nothing fades."""
    if not fade_x and not fade_y:
        return None
    return Image.fromarray((_weights(size, fade_x, fade_y) * 255).round().astype(np.uint8))


def _weights(size: tuple[int, int], fade_x: int, fade_y: int) -> np.ndarray:
    """float32 (height, width): 0 to 1 over the first `fade_x` columns and `fade_y` rows, 1 behind them."""
    rows, columns = (np.minimum((np.arange(length, dtype=np.float32) + 0.5) / max(fade, 0.5), 1)
                     for length, fade in ((size[1], fade_y), (size[0], fade_x)))
    return rows[:, None] * columns[None, :]
