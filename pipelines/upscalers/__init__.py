"""Plain upscalers: resamplers, spandrel networks, an extension's own. Light: `upscaling` and `weights` bring torch with them."""

from pipelines.upscalers.listing import RESAMPLERS, Upscaler, Upscalers
from pipelines.upscalers.target import MAX_SIDE, Target, Tiling

__all__ = ["MAX_SIDE", "RESAMPLERS", "Target", "Tiling", "Upscaler", "Upscalers"]
