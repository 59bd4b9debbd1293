"""Faces of a picture: found, turned into the square the restorers were trained on, and laid back at their place.

The square is FFHQ's at 512 pixels; eyes, nose and mouth stand where facexlib's template has them. A detector that gives only
a box is believed to see the face upright: its five points are those of an average face in such a box.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipelines.deep import Deep, Picture
from pipelines.portraits.crop import Box
from pipelines.portraits.faces import YUNET, cascade

SIDE = 512
TEMPLATE = np.array([[192.98, 239.95], [318.90, 240.19], [256.63, 314.02], [201.26, 371.41], [313.09, 371.15]])
"""Left eye, right eye, nose, left and right corner of the mouth as one looks at them (facexlib, MIT)."""
IN_BOX = np.array([[0.28, 0.39], [0.72, 0.39], [0.50, 0.65], [0.31, 0.79], [0.69, 0.79]])
"""The same points in the box of the LBP cascade, as parts of its sides."""
FEATHER = 64                    # pixels of the square over which a restored face fades in
Finder = Callable[[Image.Image], list["Face"]]


@dataclass(frozen=True, eq=False)
class Face:
    """points: (5, 2), in pixels of the picture, in the order of `TEMPLATE`."""

    points: np.ndarray

    def onto(self) -> np.ndarray:
        """(3, 3): pixels of the picture to those of the square; turned, scaled and moved, never sheared."""
        from skimage.transform import SimilarityTransform

        return np.asarray(SimilarityTransform.from_estimate(self.points, TEMPLATE).params)


def finder(roots: Sequence[Path]) -> Finder | None:
    """YuNet where its weights lie in a models folder, else the cascade of scikit-image, None where neither is installed."""
    import importlib.util

    weights = next((p for root in roots for p in sorted(root.glob(f"*/{YUNET}*.onnx"))), None)
    if weights is not None and importlib.util.find_spec("cv2"):
        return lambda picture: [Face(points) for points in _yunet(weights, picture)]
    if not importlib.util.find_spec("skimage"):
        return None
    boxes = cascade()
    return lambda picture: [of_box(box) for box in boxes(picture)]


def of_box(box: Box) -> Face:
    """An upright face that fills a detector's box."""
    return Face(np.array([box.left, box.top]) + IN_BOX * np.array([box.width, box.height]))


def _yunet(weights: Path, picture: Image.Image) -> list[np.ndarray]:
    """YuNet's five points of each face, the largest first."""
    import cv2

    network: Any = cv2.FaceDetectorYN.create(str(weights), "", picture.size)
    _, rows = network.detect(np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1]))
    largest_first = sorted([] if rows is None else rows, key=lambda row: -row[2] * row[3])
    return [np.asarray(row[4:14], float).reshape(5, 2) for row in largest_first]


def cut(picture: Image.Image, onto: np.ndarray) -> Image.Image:
    """The face of an RGB picture as the square; beyond the picture's edge its last pixels go on."""
    back = np.linalg.inv(onto)
    left, top, right, bottom = _around(back, 2)
    inside = max(left, 0), max(top, 0), min(right, picture.width), min(bottom, picture.height)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        return Image.new("RGB", (SIDE, SIDE))
    beyond = (inside[1] - top, bottom - inside[3]), (inside[0] - left, right - inside[2]), (0, 0)
    region = Image.fromarray(np.pad(np.asarray(picture.crop(inside)), beyond, mode="edge"))
    shrink = max(1, int(1 / _scale(onto)))      # a large face is averaged down first, or it would be sampled with gaps
    small = region.reduce(shrink) if shrink > 1 else region
    back = np.diag([1 / shrink, 1 / shrink, 1]) @ np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ back
    return small.transform((SIDE, SIDE), Image.Transform.AFFINE, _row(back), Image.Resampling.BICUBIC)


def lay(face: np.ndarray, picture: Picture, place: np.ndarray, visibility: float) -> Picture:
    """`picture` with the restored square (512, 512, 3) 0-1 laid over it; `place`: (3, 3) pixels of the square to the picture's."""
    left, top, right, bottom = _around(place, 0)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, picture.size[0]), min(bottom, picture.size[1])
    if right <= left or bottom <= top:
        return picture
    shrink = max(1, int(1 / _scale(place)))
    back = np.linalg.inv(place) @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1]])
    back[:2] /= shrink
    layers = [*np.moveaxis(face.astype(np.float32), -1, 0), _soft() * visibility]
    warped = [np.asarray(_reduced(layer, shrink).transform((right - left, bottom - top), Image.Transform.AFFINE, _row(back),
                                                           Image.Resampling.BILINEAR if number == 3 else Image.Resampling.BICUBIC))
              for number, layer in enumerate(layers)]
    return _mixed(picture, (left, top, right, bottom), np.stack(warped[:3], -1).clip(0, 1), warped[3][..., None].clip(0, 1))


def _around(place: np.ndarray, margin: int) -> tuple[int, int, int, int]:
    """The upright box (left, top, right, bottom) round the square where `place` puts it."""
    corners = (place @ np.array([[0, SIDE, 0, SIDE], [0, 0, SIDE, SIDE], [1, 1, 1, 1]]))[:2]
    (left, top), (right, bottom) = np.floor(corners.min(1)) - margin, np.ceil(corners.max(1)) + margin
    return int(left), int(top), int(right), int(bottom)


def _mixed(picture: Picture, box: tuple[int, int, int, int], over: np.ndarray, share: np.ndarray) -> Picture:
    """The box of the picture with `share` of `over`; alpha stays."""
    left, top, right, bottom = box
    if isinstance(picture, Deep):
        below = picture.pixels[top:bottom, left:right, :3]
        below[:] = (below * (1 - share) + over * 65535 * share).round()
        return picture
    region = picture.crop(box)
    below = np.asarray(region.convert("RGB"), dtype=np.float32)
    mixed = Image.fromarray((below * (1 - share) + over * 255 * share).round().astype(np.uint8))
    if picture.mode == "RGBA":
        mixed.putalpha(region.getchannel("A"))
    picture.paste(mixed, (left, top))
    return picture


def _soft() -> np.ndarray:
    """float32 (512, 512): 1 inside, fading to 0 towards the edges; rounded off, as a face is."""
    edge = np.minimum((np.arange(SIDE, dtype=np.float32) + 0.5) / FEATHER, 1)
    line = 0.5 - 0.5 * np.cos(np.pi * np.minimum(edge, edge[::-1]))
    return line[:, None] * line[None, :]


def _reduced(layer: np.ndarray, factor: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(layer))
    return image.reduce(factor) if factor > 1 else image


def _scale(matrix: np.ndarray) -> float:
    """By how much lengths grow."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


def _row(matrix: np.ndarray) -> tuple[float, ...]:
    """The first two rows, as Pillow wants them."""
    return tuple(float(value) for value in matrix[:2].ravel())
