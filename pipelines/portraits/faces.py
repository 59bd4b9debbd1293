"""Finds faces where a detector is installed; without one a crop by hand always works.

Two detectors, both optional: scikit-image's frontal-face cascade (its data is in its wheel) and OpenCV's YuNet, whose
weights the user must have. Drawn people are found by their key points, where something reads those. None recognises anybody.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipelines.portraits.crop import Box
from pipelines.pose import KEYPOINTS, Pose

Detector = Callable[[Image.Image], list[Box]]
LOOKED_AT = 480             # pixels of the longer side: the cascade's time grows with the area
CASCADE = "lbpcascade_frontalface_opencv.xml"
YUNET = "face_detection_yunet"
EARS = 0.84                 # of a drawn head's height, from ear to ear
HEAD = ("nose", "right eye", "left eye", "right ear", "left ear", "neck")
SPANS = {("right ear", "left ear"): 1 / EARS, ("right eye", "left eye"): 2.8, ("nose", "neck"): 2.0}    # heads for one such length
CROOKED = 0.12              # of it: farther from their level or their middle its points make no face


def detector(models: Sequence[Path] = (), looked_at: int = LOOKED_AT) -> Detector | None:
    """The best detector there is, or None. `models`: files that may be YuNet's weights.   looked_at: px of the longer side."""
    weights = next((path for path in models if path.name.startswith(YUNET)), None)
    if weights is not None and importlib.util.find_spec("cv2") is not None:
        return yunet(weights, looked_at)
    return cascade(looked_at) if importlib.util.find_spec("skimage") is not None else None


def cascade(looked_at: int = LOOKED_AT) -> Detector:
    """scikit-image's: upright frontal faces, a fraction of a second a photo.

    Finds less than half as large as the largest are passed over: background, or the cascade's mistakes in cloth and text.
    """
    from skimage import data
    from skimage.feature import Cascade

    found = Cascade(str(Path(data.__file__).parent / CASCADE))

    def detect(photo: Image.Image) -> list[Box]:
        small, scale = _shrunk(photo, looked_at)
        largest = max(small.size)
        hits = found.detect_multi_scale(img=np.asarray(small.convert("RGB")), scale_factor=1.2, step_ratio=1,
                                        min_size=(30, 30), max_size=(largest, largest))
        faces = _largest_first([Box(*(round(hit[k] * scale) for k in ("c", "r", "width", "height"))) for hit in hits])
        return [face for face in faces if face.width > 0.5 * faces[0].width]

    return detect


def yunet(weights: Path, looked_at: int = LOOKED_AT) -> Detector:
    """OpenCV's YuNet with the user's file: turned and small faces too."""
    def detect(photo: Image.Image) -> list[Box]:
        import cv2

        small, scale = _shrunk(photo, looked_at)
        network: Any = cv2.FaceDetectorYN.create(str(weights), "", small.size)
        _, rows = network.detect(np.ascontiguousarray(np.asarray(small.convert("RGB"))[..., ::-1]))
        return _largest_first([Box(*(round(float(v) * scale) for v in row[:4])) for row in ([] if rows is None else rows)])

    return detect


def also_drawn(first: Detector | None, pose: Callable[[Image.Image], Pose]) -> Detector:
    """`first`; where it finds nobody, the heads of drawn people as `pose` sees them."""
    def detect(photo: Image.Image) -> list[Box]:
        return (first(photo) if first else []) or heads(pose(photo), photo.size)

    return detect


def heads(pose: Pose, size: tuple[int, int]) -> list[Box]:
    """Heads seen from the front, the largest first, in pixels of a photo of `size`: nose, eyes and ears stand where they should.

    A network that was taught on drawings puts such points into anything, so a crooked face is none.
    """
    found = []
    across, down = size[0] / pose.width, size[1] / pose.height
    for person in pose.people:
        points = [person.body[KEYPOINTS.index(name)] for name in ("nose", "right eye", "left eye", "right ear", "left ear")]
        if None in points:
            continue
        nose, *eyes, ear, other = [(p.x * across, p.y * down) for p in points if p is not None]
        head = (other[0] - ear[0]) / EARS
        crooked = max(abs(eyes[0][1] - eyes[1][1]), abs(ear[1] - other[1]), abs((eyes[0][0] + eyes[1][0]) / 2 - nose[0]),
                      abs((ear[0] + other[0]) / 2 - nose[0]))
        if (head > 0 and crooked < CROOKED * head and 0.2 < (eyes[1][0] - eyes[0][0]) / head < 0.5
                and 0 < nose[1] - eyes[0][1] < 0.25 * head):
            found.append(Box(round(nose[0] - head / 2), round(nose[1] - 0.6 * head), round(head), round(head)))
    return _largest_first(found)


def likely_heads(pose: Pose, size: tuple[int, int]) -> list[Box]:
    """Heads of people who are certainly drawn, the largest first, however crooked: `heads` passes those over. Within `size`.

    Of nose, eyes and ears two must be seen; how large the head is follows from the distances between them and to the neck.
    """
    found = []
    across, down = size[0] / pose.width, size[1] / pose.height
    for person in pose.people:
        seen = {name: (p.x * across, p.y * down) for name in HEAD if (p := person.body[KEYPOINTS.index(name)]) is not None}
        spans = [math.dist(seen[a], seen[b]) * heads_wide for (a, b), heads_wide in SPANS.items() if a in seen and b in seen]
        face = [at for name, at in seen.items() if name != "neck"]
        if len(face) < 2 or not spans:
            continue
        head, nose = max(spans), seen.get("nose") or (sum(x for x, _ in face) / len(face), sum(y for _, y in face) / len(face))
        left, top, right, bottom = Box(round(nose[0] - head / 2), round(nose[1] - 0.6 * head), round(head), round(head)).corners
        left, top, right, bottom = max(0, left), max(0, top), min(size[0], right), min(size[1], bottom)
        if right > left and bottom > top:
            found.append(Box(left, top, right - left, bottom - top))
    return _largest_first(found)


def _shrunk(photo: Image.Image, looked_at: int) -> tuple[Image.Image, float]:
    """(a copy no larger than is looked at, what its pixels are to be multiplied by)."""
    scale = max(1.0, max(photo.size) / looked_at)
    if scale == 1.0:
        return photo, 1.0
    return photo.resize((round(photo.width / scale), round(photo.height / scale)), Image.Resampling.BOX), scale


def _largest_first(boxes: Sequence[Box]) -> list[Box]:
    """Without those that lie mostly inside a larger one: a cascade answers several times for one face."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda b: b.area, reverse=True):
        if all(_shared(box, other) < 0.4 * box.area for other in kept):
            kept.append(box)
    return kept


def _shared(a: Box, b: Box) -> int:
    (left, top, right, bottom), (left2, top2, right2, bottom2) = a.corners, b.corners
    return max(0, min(right, right2) - max(left, left2)) * max(0, min(bottom, bottom2) - max(top, top2))
