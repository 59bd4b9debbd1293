"""LPIPS (arXiv 1801.03924): how far two pictures are apart to an eye, by AlexNet or VGG16 and the published linear layers.

Both files are the user's: torchvision's trunk (`alexnet-….pth`, `vgg16-….pth`) and `alex.pth` or `vgg.pth` of the LPIPS
repository, version 0.1, in `models/ranking/lpips/`; as .safetensors too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.loading.adapter_file import read_adapter
from pipelines.loading.compat import torch
from pipelines.spec.errors import ModelFileError

FOLDER = "lpips"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
SIDE = 224              # px a picture is brought to, as the trunks were trained
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
# What the trunk does in order: (its convolution's number, stride, padding), POOL, or TAP where LPIPS looks.
POOL, TAP = "pool", "tap"
Plan = Sequence["tuple[int, int, int] | str"]
ALEX: Plan = ((0, 4, 2), TAP, POOL, (3, 1, 2), TAP, POOL, (6, 1, 1), TAP, (8, 1, 1), TAP, (10, 1, 1), TAP)
VGG: Plan = ((0, 1, 1), (2, 1, 1), TAP, POOL, (5, 1, 1), (7, 1, 1), TAP, POOL, (10, 1, 1), (12, 1, 1), (14, 1, 1), TAP, POOL,
             (17, 1, 1), (19, 1, 1), (21, 1, 1), TAP, POOL, (24, 1, 1), (26, 1, 1), (28, 1, 1), TAP)
TRUNKS: Mapping[str, tuple[Plan, int]] = {"alex": (ALEX, 3), "vgg": (VGG, 2)}       # and the side of a pool


class Lpips:
    """trunk: torchvision's `features.…`.   linear: `lin0.model.1.weight` … `lin4.model.1.weight`, (1, channels, 1, 1) each."""

    def __init__(self, kind: str, trunk: Mapping[str, torch.Tensor], linear: Mapping[str, torch.Tensor]) -> None:
        """Raises KeyError for tensors that are not there."""
        self._plan, self._pool = TRUNKS[kind]
        numbers = [step[0] for step in self._plan if not isinstance(step, str)]
        self._layers = {n: (trunk[f"features.{n}.weight"].float(), trunk[f"features.{n}.bias"].float()) for n in numbers}
        self._linear = [linear[f"lin{k}.model.1.weight"].float() for k in range(5)]

    def distances(self, pictures: Sequence[Image.Image], others: Sequence[Image.Image]) -> list[float]:
        """Of each of `pictures` the mean distance to all `others`; 0 is the same, 1 very far."""
        with torch.no_grad():
            told = [self._looks(other) for other in others]
            return [sum(self._apart(seen, other) for other in told) / len(told) for seen in map(self._looks, pictures)]

    def _apart(self, one: Sequence[torch.Tensor], two: Sequence[torch.Tensor]) -> float:
        return float(sum((weight * (a - b) ** 2).sum(dim=1).mean() for weight, a, b in zip(self._linear, one, two, strict=True)))

    def _looks(self, picture: Image.Image) -> list[torch.Tensor]:
        """The five layers of one picture, each pixel's channels of length 1."""
        small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        x = torch.from_numpy(np.asarray(small, np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        x = (x - torch.tensor(SHIFT)[None, :, None, None]) / torch.tensor(SCALE)[None, :, None, None]
        seen = []
        for step in self._plan:
            if step == TAP:
                seen.append(x / (x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10))
            elif isinstance(step, str):
                x = torch.nn.functional.max_pool2d(x, self._pool, 2)
            else:
                number, stride, padding = step
                x = torch.nn.functional.conv2d(x, *self._layers[number], stride=stride, padding=padding).relu()
        return seen


def found(places: Iterable[Path]) -> tuple[str, Path, Path] | None:
    """The first kind whose trunk and linear layers lie in an `lpips/` of `places`, and both files."""
    for place in places:
        files = sorted(p for p in (place / FOLDER).glob("*") if p.suffix.lower() in SUFFIXES)
        for kind in TRUNKS:
            trunk = next((p for p in files if p.stem.lower().startswith(("alexnet", "vgg16")[kind == "vgg"])), None)
            linear = next((p for p in files if p.stem.lower() == kind), None)
            if trunk and linear:
                return kind, trunk, linear
    return None


def opened(kind: str, trunk: Path, linear: Path) -> Lpips:
    """Raises ModelFileError for files that hold something else."""
    try:
        return Lpips(kind, read_adapter(trunk)[0], read_adapter(linear)[0])
    except KeyError as error:
        raise ModelFileError(trunk.name, f"with {linear.name} it is no LPIPS of {kind} ({error} is missing)") from None
