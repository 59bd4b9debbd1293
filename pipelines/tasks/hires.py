"""The second pass ("hires fix"): a finished picture is enlarged and painted again over the last part of the noise levels.

As many steps are run as the user asked for: the schedule is laid finer (`tasks/steps.py`), as AUTOMATIC1111 does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pipelines.loading.encode import encode
from pipelines.spec.events import Emit
from pipelines.spec.geometry import Size
from pipelines.spec.larger import Larger
from pipelines.spec.parts import Hires
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import text
from pipelines.tasks.begin import Begin
from pipelines.tasks.enlarge import LATENT, Enlarger, stretched
from pipelines.tasks.repeated import second

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SecondPass:
    """request: of the first pass, with its `hires`.   start: the first pass's picture, or its latents for a latent mode."""

    request: GenerationRequest
    sizes: Larger
    start: Image.Image | Tensor

    @classmethod
    def of(cls, request: GenerationRequest, picture: Image.Image, latents: Tensor | None, sizes: Larger,
           enlarge: Enlarger) -> SecondPass:
        """Enlarges the picture unless the latents are to be stretched. latents: (1, channels, h, w) of `picture`, if at hand."""
        name = (request.hires or Hires()).upscaler
        if name in LATENT:
            return cls(request, sizes, picture if latents is None else latents)
        return cls(request, sizes, enlarge(picture, name, sizes))

    @property
    def _hires(self) -> Hires:
        return self.request.hires or Hires()

    @property
    def shown(self) -> Size:
        return self.sizes.final

    @property
    def unchanged(self) -> bool:
        """Whether enlarging was all."""
        return self._hires.denoising_strength == 0 and self._hires.upscaler not in LATENT

    def paint(self, pipe: Any, on_step: text.OnStep, means: text.Means) -> Tensor:
        """Latents (1, channels, height, width) of the second pass."""
        latents: Any = self.start
        if isinstance(latents, Image.Image):
            latents = encode(pipe.vae, pixels(latents))
        if self._hires.upscaler in LATENT:
            latents = stretched(latents.float(), self._hires.upscaler, self.sizes, pipe.vae_scale_factor)
        if self._hires.denoising_strength == 0:
            return latents.to(pipe.unet.device, pipe.unet.dtype)
        begin = Begin(latents, self._hires.denoising_strength, exact=True, earlier=self.request.steps)
        return text.paint(pipe, [second(self.request)], on_step, means, begin)

    def developed(self, pipe: Any, painted: Tensor, emit: Emit) -> list[Image.Image]:
        return text.pictures(pipe, painted, self.request.tiling, emit)


def pixels(picture: Image.Image) -> Tensor:
    """(1, 3, height, width), 0 to 1."""
    import torch

    return torch.from_numpy(np.array(picture.convert("RGB"), np.float32) / 255).movedim(-1, 0)[None]
