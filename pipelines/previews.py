"""A small picture of what is being painted, made from the latents by a linear map, a few times a second at most.

The map (latent channels to RGB) is fitted once a model by `loading.latent_rgb`; a real decode would cost as much as
several sampling steps (measured in `bench/`).
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

from pipelines.spec.events import Emit, Preview

if TYPE_CHECKING:
    from torch import Tensor

PERIOD = 0.25       # seconds between two previews
SIDE = 256          # pixels of the longer side


class Previews:
    """Offers a preview after a step and sends it when the last one is `PERIOD` old."""

    def __init__(self, latent_rgb: Tensor, emit: Emit) -> None:
        self._map, self._emit = latent_rgb, emit
        self._due = time.monotonic() + PERIOD

    def offer(self, glimpse: Any) -> None:
        """`glimpse.clean()` gives the estimated clean latents of the last step."""
        now = time.monotonic()
        if now < self._due:
            return
        latents = glimpse.clean()
        if latents is not None:
            self._emit(Preview(sketch(latents, self._map)))
            self._due = time.monotonic() + PERIOD


def sketch(latents: Tensor, latent_rgb: Tensor) -> bytes:
    """JPEG of latents (batch, channels, height, width), pictures side by side.

    latent_rgb: (channels + 1, 3), the last row is the constant; colours come out in 0..1.
    """
    import torch
    from PIL import Image

    flat = latents.detach().float().cpu().permute(0, 2, 3, 1)
    rgb = flat @ latent_rgb[:-1] + latent_rgb[-1]
    row = torch.cat(list(rgb), dim=1).clamp(0, 1).nan_to_num()
    image = Image.fromarray((row * 255).round().byte().numpy())
    scale = SIDE / max(image.height, 1)
    image = image.resize((max(1, round(image.width * scale)), SIDE), Image.Resampling.BICUBIC)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    return data.getvalue()
