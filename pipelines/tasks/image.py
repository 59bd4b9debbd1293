"""From a picture to a picture: the canvas becomes latents, is painted from part of the way down, and is put back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pipelines.loading.encode import encode
from pipelines.patches.glimpse import Glimpse
from pipelines.patches.inpainting import inpainting_channels
from pipelines.samplers import callback_count
from pipelines.spec.events import Emit
from pipelines.spec.geometry import Size
from pipelines.spec.parts import LAST_SEED, Init, Inpaint
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.begin import Begin
from pipelines.tasks.canvas import Canvas, canvas_of, colours_like, over, plain
from pipelines.tasks.noise import generator
from pipelines.tasks.steps import steps_run
from pipelines.tasks.text import Means, OnStep, paint, pictures

if TYPE_CHECKING:
    from torch import Tensor

LATENT_UPSCALE = "Just resize (latent upscale)"
GREY = 0.5      # what an inpainting checkpoint was shown under its mask: the middle of its range


@dataclass(frozen=True)
class ImageTask:
    """One group of requests that start from the same picture. Nothing is loaded until `paint`."""

    requests: Sequence[GenerationRequest]
    canvas: Canvas
    original: Image.Image       # RGB, what was painted over it included, at its own size

    @classmethod
    def of(cls, requests: Sequence[GenerationRequest], open_input: Callable[[str], Image.Image]) -> ImageTask:
        """open_input: a kept picture by its name. Raises FieldError for a picture that is gone or an empty mask."""
        first = requests[0]
        if first.init is None:
            raise ValueError("no picture to start from")
        picture = open_input(first.init.image)
        mask = open_input(first.inpaint.mask) if first.inpaint and first.inpaint.mask else None
        strokes = open_input(first.init.strokes) if first.init.strokes else None
        return cls(requests, canvas_of(first, picture, mask, strokes), over(plain(picture), strokes))

    @property
    def _init(self) -> Init:
        return self.requests[0].init or Init()

    @property
    def _strengths(self) -> tuple[float, ...]:
        """One for each picture, or () where all are equal."""
        found = tuple(request.init.denoising_strength for request in self.requests if request.init)
        return found if len(set(found)) > 1 else ()

    @property
    def said(self) -> dict[str, Any]:
        """What the file says of how it was sampled."""
        return {}

    @property
    def _soft(self) -> bool:
        """Whether grey in the mask means "later"; always at the slope of an outpainted side."""
        first = self.requests[0]
        return bool(first.outpaint and first.outpaint.any or first.inpaint and first.inpaint.soft)

    @property
    def shown(self) -> Size:
        return self.requests[0].size

    def unchanged(self) -> bool:
        """Whether the denoising strength lets nothing happen."""
        return self._init.denoising_strength == 0

    def untouched(self) -> Image.Image:
        """What a denoising strength of 0 gives: the picture at the size asked for, outpainted margins filled."""
        return self.canvas.put_back(self.canvas.picture)

    def paint(self, pipe: Any, on_step: OnStep, means: Means) -> Tensor:
        """Latents of every request of the group, as `text.paint` gives them."""
        first, init = self.requests[0], self._init
        mask = self._mask(pipe)
        kept = self._latents(pipe)
        patches = means.patches
        if mask is not None and pipe.unet.config.in_channels > pipe.vae.config.latent_channels:
            patches = (*patches, inpainting_channels(pipe.unet, mask, self._seen(pipe, mask)))
        begin = Begin(self._content(first, kept, mask), init.denoising_strength, init.exact_steps,
                      kept if mask is not None else None, mask, self._soft, strengths=self._strengths, shows=self.canvas.shows)
        painted = paint(pipe, self.requests, on_step, replace(means, patches=patches), begin)
        if mask is None or first.inpaint is None or first.inpaint.seam_strength == 0:
            return painted
        return self._joined(pipe, painted, mask, on_step, means)

    def _joined(self, pipe: Any, painted: Tensor, mask: Tensor, on_step: OnStep, means: Means) -> Tensor:
        """`painted` with the seam painted again from what lies on both sides of it, with noise of another seed."""
        first = self.requests[0]
        how = first.inpaint or Inpaint()
        seam = edge(mask, round(how.seam_width / pipe.vae_scale_factor))
        patches = means.patches
        if pipe.unet.config.in_channels > pipe.vae.config.latent_channels:
            patches = (*patches, inpainting_channels(pipe.unet, seam, self._seen(pipe, seam)))
        strongest = max(self._strengths or (self._init.denoising_strength,))
        before = callback_count(first.sampler, steps_run(first.steps, strongest, self._init.exact_steps))
        others = [r.merged({"seed": (r.seed + 1) % (LAST_SEED + 1)}) for r in self.requests]

        def on_seam(step: int, steps: int, glimpse: Glimpse | None) -> None:
            on_step(before + step, before + steps, glimpse)

        begin = Begin(painted, how.seam_strength, False, painted, seam, shows=self.canvas.shows)
        return paint(pipe, others, on_seam, replace(means, patches=patches), begin)

    def developed(self, pipe: Any, painted: Tensor, emit: Emit) -> list[Image.Image]:
        """The painted pictures with the colours asked for, laid back on what they were cut from."""
        made = pictures(pipe, painted, self.requests[0].tiling, emit)
        if self._init.color_correction:
            made = [colours_like(p, self.canvas.picture) for p in made]
        return [self.canvas.put_back(p) for p in made]

    def _latents(self, pipe: Any) -> Tensor:
        """Of the canvas; with latent upscale those of the picture at its own size, stretched."""
        from torch.nn import functional

        factor = pipe.vae_scale_factor
        if self._init.resize_mode == LATENT_UPSCALE and self.canvas.mask is None:
            own = self.original
            latents = encode(pipe.vae, _pixels(own.resize((max(factor, own.width // factor * factor),
                                                           max(factor, own.height // factor * factor)))))
            width, height = self.canvas.picture.size
            return functional.interpolate(latents, (height // factor, width // factor), mode="bilinear")
        return encode(pipe.vae, _pixels(self.canvas.picture))

    def _mask(self, pipe: Any) -> Tensor | None:
        """(1, 1, height, width) in latent pixels: the share that is painted; a hard mask frees every cell it touches."""
        from torch.nn import functional

        if self.canvas.mask is None:
            return None
        grey = _pixels(self.canvas.mask.convert("RGB"))[:, :1]
        factor = pipe.vae_scale_factor
        if self._soft:
            return functional.avg_pool2d(grey, factor)
        return (functional.max_pool2d(grey, factor) > 0).float()

    def _content(self, request: GenerationRequest, latents: Tensor, mask: Tensor | None) -> Tensor:
        """What stands under the mask when painting begins."""
        content = request.inpaint.masked_content if request.inpaint else "original"
        if mask is None or not content.startswith("latent"):
            return latents
        import torch

        other = generator(request.merged({"seed": (request.seed + 1) % (LAST_SEED + 1)}))     # not the run's own first noise
        noise = torch.randn(latents.shape, generator=other) if content == "latent noise" else 0
        return latents * (1 - mask) + noise * mask

    def _seen(self, pipe: Any, mask: Tensor) -> Tensor:
        """Latents of the canvas with grey under the mask: what a 9-channel UNet is shown."""
        from torch.nn import functional

        hidden = (functional.interpolate(mask, scale_factor=pipe.vae_scale_factor) > 0).float()
        return encode(pipe.vae, _pixels(self.canvas.picture) * (1 - hidden) + GREY * hidden)


def edge(mask: Tensor, width: int) -> Tensor:
    """1 within `width` latent pixels (at least one) of the border between 0 and more in `mask` (1, 1, height, width), else 0."""
    from torch.nn import functional

    reach = 2 * max(1, width) + 1
    free = (mask > 0).float()
    grown = functional.max_pool2d(free, reach, 1, reach // 2)
    shrunk = -functional.max_pool2d(-free, reach, 1, reach // 2)
    return grown - shrunk


def _pixels(picture: Image.Image) -> Tensor:
    """(1, 3, height, width), 0 to 1."""
    import torch

    return torch.from_numpy(np.array(picture, np.float32) / 255).movedim(-1, 0)[None]
