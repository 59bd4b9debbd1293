"""A small picture of what is being painted, made from the latents by a linear map, a few times a second at most.

The map (latent channels to RGB) is fitted once a model by `loading.latent_rgb`; a real decode would cost as much as
several sampling steps (measured in `bench/`).
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

    from pipelines.loading.latent_rgb import LatentRgb

PERIOD = 0.25       # seconds between two previews
SIDE = 256          # pixels of its height
BICUBIC = Resampling.BICUBIC


class Previews:
    """Offers a preview after a step and sends it when the last one is `PERIOD` old."""

    def __init__(self, colours: LatentRgb, emit: Emit) -> None:
        self._colours, self._emit = colours, emit
        self._due = time.monotonic() + PERIOD

    def offer(self, glimpse: Any) -> None:
        """`glimpse.clean()` gives the estimated clean latents of the last step."""
        if time.monotonic() < self._due:
            return
        latents = glimpse.clean()
        if latents is not None:
            self._emit(Preview(sketch(latents, self._colours)))
            self._due = time.monotonic() + PERIOD


def sketch(latents: Tensor, colours: LatentRgb) -> bytes:
    """JPEG of latents (batch, channels, height, width), pictures side by side."""
    import torch
    from PIL.Image import fromarray

    row = torch.cat([colours.picture(one) for one in latents.nan_to_num()], dim=1)
    return jpeg(fromarray(row.numpy()))


def jpeg(image: Image) -> bytes:
    """A small JPEG of a picture of any size."""
    width = max(1, round(image.width * SIDE / image.height))
    image = image.resize((width, SIDE), BICUBIC, reducing_gap=2.0)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    return data.getvalue()
