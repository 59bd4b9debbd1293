"""Shows a 9-channel inpainting UNet the mask and the masked picture beside the latents, as it was trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def inpainting_channels(unet: nn.Module, mask: Tensor, masked: Tensor) -> Iterator[None]:
    """mask: (1, 1, height, width), 1 is painted.   masked: latents (1, 4, height, width) of the picture without that part.

    The order is the published one: latents, mask, masked latents (StableDiffusionInpaintPipeline). Undone on leaving.
    """
    import torch

    def beside(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        sample = args[0] if args else kwargs["sample"]
        more = torch.cat([mask, masked], dim=1).to(sample).expand(len(sample), -1, -1, -1)
        wide = torch.cat([sample, more], dim=1)
        return ((wide, *args[1:]), kwargs) if args else (args, kwargs | {"sample": wide})

    handle = unet.register_forward_pre_hook(beside, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
