"""The estimators of mini's picture-book world: depth, normals, one person's key points and outlines, read by one small network.

It was taught on our own renders alone and knows nothing else: of a photograph it makes something, but nothing to rely on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from pipelines.loading.compat import torch
from pipelines.pose import Person, Point, Pose

nn, F = torch.nn, torch.nn.functional
SIDE = 256  # pixels of the shorter side at which it looks; a multiple of 32
POINTS = 18
OUTLINE = 0.4  # likelier lines than this are drawn
BRUSH = 5  # pixels of a scribble's stroke at SIDE


class Seen(NamedTuple):
    """depth: (n, 1, h, w) 0..1, near is 1. normals: (n, 3, h, w) unit vectors. outline: (n, 1, h, w) logits.
    points: (n, 18, h/4 * w/4 + 1) logits over cells, row by row, and of not being there."""

    depth: torch.Tensor
    normals: torch.Tensor
    outline: torch.Tensor
    points: torch.Tensor


def block(before: int, after: int, stride: int = 1) -> Any:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.GroupNorm(8, after), nn.SiLU())


class PictureBook(nn.Module):
    """A narrow U-Net of 0.6 M weights with four readings; pictures are (n, 3, h, w) in 0..1, both sides multiples of 32."""

    WIDTHS = (16, 32, 64, 96, 128)

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        before = 3
        for level, after in enumerate(self.WIDTHS):
            deeper = [block(after, after)] if level else []
            self.down.append(nn.Sequential(block(before, after, 2), *deeper))
            before = after
        pairs = zip(self.WIDTHS[:0:-1], self.WIDTHS[-2::-1], strict=True)
        self.up = nn.ModuleList(block(wide, narrow) for wide, narrow in pairs)
        self.fine = block(16, 16)
        self.maps = nn.Conv2d(16, 8, 3, 1, 1)
        self.places = nn.Conv2d(32, POINTS, 3, 1, 1)
        self.absent = nn.Linear(self.WIDTHS[-1], POINTS)

    def forward(self, pixels: torch.Tensor) -> Seen:
        held, seen = [], pixels * 2 - 1
        for part in self.down:
            seen = part(seen)
            held.append(seen)
        grown = []
        for part, skip in zip(self.up, held[-2::-1], strict=True):
            seen = F.interpolate(part(seen), scale_factor=2.0, mode="bilinear", align_corners=False) + skip
            grown.append(seen)
        quarter, half = grown[-2:]
        maps = self.maps(self.fine(half))
        smooth = F.interpolate(maps[:, :4], scale_factor=2.0, mode="bilinear", align_corners=False)
        gone = self.absent(held[-1].mean((2, 3)))[..., None]
        points = torch.cat((self.places(quarter).flatten(2), gone), 2)
        return Seen(smooth[:, :1].sigmoid(), F.normalize(smooth[:, 1:], dim=1), F.pixel_shuffle(maps[:, 4:], 2), points)


def body(points: torch.Tensor, columns: int) -> tuple[tuple[float, float] | None, ...]:
    """18 places (x, y) in pixels of the picture from one picture's (18, cells + 1) logits; None where a point is not there.

    Between cells it is the mean of the likeliest cell's neighbourhood.
    """
    places: list[tuple[float, float] | None] = []
    rows = (points.shape[1] - 1) // columns
    for logits in points.float().cpu():
        best = int(logits.argmax())
        if best == len(logits) - 1:
            places.append(None)
            continue
        grid = logits[:-1].softmax(0).view(rows, columns)
        y, x = divmod(best, columns)
        near = [(r, c) for r in range(max(0, y - 1), min(rows, y + 2)) for c in range(max(0, x - 1), min(columns, x + 2))]
        total = sum(float(grid[r, c]) for r, c in near)
        mean = [sum(float(grid[at]) * at[k] for at in near) / total for k in (0, 1)]
        places.append((4 * mean[1] + 2.0, 4 * mean[0] + 2.0))
    return tuple(places)


def as_pixels(seen: Seen, part: str) -> Any:
    """The control picture of `part` ("depth", "normal" or "sketch") from a batch of one: H×W or H×W×3 bytes at its size."""
    import cv2

    if part == "depth":
        return (seen.depth[0, 0] * 255).round().byte().cpu().numpy()
    if part == "normal":
        return ((seen.normals[0] + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
    lines = (seen.outline[0, 0].sigmoid() > OUTLINE).byte().cpu().numpy() * 255
    return np.asarray(cv2.dilate(lines, np.ones((BRUSH, BRUSH), np.uint8)), np.uint8)


def seer(network: PictureBook, device: torch.device) -> Callable[[Any, Mapping[str, Any]], Any]:
    """The network as a preprocessor: RGB bytes and {"part": "depth" | "normal" | "sketch" | "pose"} in, bytes or a Pose out."""
    import cv2

    network = network.to(device)

    def see(image: Any, values: Mapping[str, Any]) -> Any:
        height, width = image.shape[:2]
        wide, high = (max(32, round(v * SIDE / min(height, width) / 32) * 32) for v in (width, height))
        small = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA if high < height else cv2.INTER_CUBIC)
        pixels = torch.from_numpy(small.copy()).to(device).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            found = network(pixels)
        if values["part"] == "pose":
            kx, ky = width / wide, height / high
            points = tuple(at and Point(at[0] * kx, at[1] * ky) for at in body(found.points[0], wide // 4))
            return Pose((Person(points),) if sum(p is not None for p in points) >= 3 else (), width, height)
        way = cv2.INTER_NEAREST if values["part"] == "sketch" else cv2.INTER_LINEAR
        return cv2.resize(as_pixels(found, values["part"]), (width, height), interpolation=way)
    return see
