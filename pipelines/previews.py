"""A small picture of what is being painted, made from the latents, a few times a second at most.

A tiny decoder makes it where one is on disk (`loading/tiny_decoder.py`), else a linear map that is fitted once a model
(`loading/latent_rgb.py`); a real decode would cost as much as several sampling steps (measured in `bench/`).
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

from PIL.Image import Resampling

from pipelines.spec.events import Emit, Preview

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from pipelines.loading.residency import Glimpse

FIRST = 1.0         # seconds: what is painted within them needs no preview
PERIOD = 0.25       # seconds between two previews
SHARE = 0.02        # of the time, at most, goes into previews: a whole picture may cost 3 % more than bare diffusers (bench images)
SIDE = 256          # pixels of its height
MOST = 64           # latent pixels a side that are decoded: a tiny decoder's memory grows with the picture too
BICUBIC = Resampling.BICUBIC


class Previews:
    """Offers a preview after a step and sends it when the last one is old enough: see `FIRST`, `PERIOD`, `SHARE`."""

    def __init__(self, glimpse: Glimpse, emit: Emit) -> None:
        self._glimpse, self._emit = glimpse, emit
        self._due = time.monotonic() + FIRST

    def offer(self, step: Any) -> None:
        """`step.clean()` gives the estimated clean latents of the last step."""
        begun = time.monotonic()
        if begun < self._due:
            return
        latents = step.clean()
        if latents is not None:
            self._emit(Preview(sketch(latents, self._glimpse)))
            now = time.monotonic()
            self._due = now + max(PERIOD, (now - begun) / SHARE)


def sketch(latents: Tensor, glimpse: Glimpse) -> bytes:
    """JPEG of latents (batch, channels, height, width), pictures side by side."""
    import torch
    from PIL.Image import fromarray

    height, width = latents.shape[-2:]
    if (longest := max(height, width)) > MOST:
        size = [max(1, side * MOST // longest) for side in (height, width)]
        latents = torch.nn.functional.interpolate(latents, size, mode="area")
    row = torch.cat([glimpse.picture(one) for one in latents.nan_to_num()], dim=1)
    return jpeg(fromarray(row.numpy()))


def jpeg(image: Image) -> bytes:
    """A small JPEG of a picture of any size."""
    width = max(1, round(image.width * SIDE / image.height))
    image = image.resize((width, SIDE), BICUBIC, reducing_gap=2.0)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    return data.getvalue()
