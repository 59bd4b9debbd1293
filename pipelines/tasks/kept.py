"""What a run in tiles had finished when it was stopped, so that the same request goes on where it ended. Files only.

Separate tiles are kept as pictures. Of blended ones the model's answers are: all that follows from them - the sampler's own state,
whichever sampler it is - the same request computes again, to the bit.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = ".tiles"
FORGOTTEN = 7 * 24 * 3600       # seconds after which a run is not taken up again


@dataclass(frozen=True)
class Kept:
    """`folder` belongs to one request alone."""

    folder: Path

    @classmethod
    def of(cls, root: Path, request: GenerationRequest) -> Kept:
        """root: the outputs folder. Runs that nobody took up again are thrown away."""
        for old in (root / FOLDER).glob("*"):
            with suppress(OSError):
                if time.time() - old.stat().st_mtime > FORGOTTEN:
                    shutil.rmtree(old)
        return cls(root / FOLDER / request.digest()[:32])

    def get(self, number: int) -> Image.Image | None:
        try:
            with Image.open(self.folder / f"{number}.png") as picture:
                return picture.convert("RGB")
        except (OSError, ValueError):       # not there, or cut off when the studio died
            return None

    def put(self, number: int, picture: Image.Image) -> None:
        """A disk that refuses costs the tile's being kept, not the run."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / f"{number}.part"
            picture.save(part, "PNG", compress_level=1)
            part.replace(self.folder / f"{number}.png")

    def answer(self, call: int, like: Tensor) -> Tensor | None:
        """What the UNet answered at its `call`-th call, over all windows; of the shape, type and device of `like`."""
        from pipelines.loading.compat import torch

        try:
            raw = np.fromfile(self.folder / f"{call}.latents", np.uint8)
        except OSError:
            return None
        if raw.size != like.nbytes:             # of another size or precision
            return None
        return torch.from_numpy(raw).view(like.dtype).reshape(like.shape).to(like.device)

    def put_answer(self, call: int, answer: Tensor) -> None:
        """As `put`. The bare numbers, straight from memory: a large picture's latents are not copied to be written."""
        from pipelines.loading.compat import torch

        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / f"{call}.part"
            answer.detach().contiguous().cpu().view(torch.uint8).numpy().tofile(part)
            part.replace(self.folder / f"{call}.latents")

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
