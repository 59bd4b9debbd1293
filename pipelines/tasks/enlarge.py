"""Makes a picture larger before it is painted again, by an upscaler or in latent space. Light: networks come when called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from PIL.Image import Image, Resampling

from pipelines.spec.errors import unknown
from pipelines.spec.events import Emit, Event, Stage, Step
from pipelines.spec.geometry import Size
from pipelines.spec.larger import Larger, factor
from pipelines.spec.parts import Hires, Tiled
from pipelines.upscalers.automatic import AUTOMATIC, automatic
from pipelines.upscalers.listing import Upscalers

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.loading.residency import Residency

LATENT: Mapping[str, tuple[str, bool]] = MappingProxyType({         # AUTOMATIC1111's name -> interpolation, antialiased
    "Latent": ("bilinear", False), "Latent (antialiased)": ("bilinear", True), "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True), "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False)})


def names(upscalers: Upscalers, latent: bool = True) -> list[str]:
    """What a field may say. latent: with the modes that stretch latents, for what has some."""
    return [AUTOMATIC, *(LATENT if latent else ()), *upscalers.names()]


def resolved(wanted: Hires | Tiled, first: Size, upscalers: Upscalers, family: str) -> str:
    """The upscaler that `wanted` names, in its own spelling, for a picture of `first` pixels.

    Raises FieldError and ModelFileError.
    """
    latent, name = isinstance(wanted, Hires), wanted.upscaler
    label = "Hires upscaler" if latent else "Upscaler"
    if name.strip().lower() == AUTOMATIC.lower():
        return automatic(factor(first, wanted), upscalers.names(), family)
    stretched = next((mode for mode in LATENT if mode.lower() == name.strip().lower()), None)
    if stretched and latent:
        return stretched
    known = {u.name.lower() for u in upscalers.problems()} | {n.lower() for n in upscalers.names()}
    short = {n.rpartition("/")[2] for n in known}
    if name.strip().lower().removesuffix(".pth").removesuffix(".safetensors") not in known | short:
        raise unknown(label, name, names(upscalers, latent))
    return upscalers.find(name).name


@dataclass(frozen=True)
class Enlarger:
    """The studio's upscalers, with where their networks are held and whom their progress is told."""

    upscalers: Upscalers
    holder: Residency
    emit: Emit

    def __call__(self, picture: Image, name: str, sizes: Larger) -> Image:
        """RGB of `sizes.final`. name: of an upscaler, not of a latent mode. Raises as `upscalers.upscaling.upscale` does."""
        from pipelines.upscalers.upscaling import Request, Target, upscale

        target = Target(width=sizes.whole.width, height=sizes.whole.height, crop=False)
        whole = upscale(Request(picture.convert("RGB"), self.upscalers.find(name), target), self.holder, self._tell)
        return whole if sizes.whole == sizes.final else whole.crop(sizes.box)

    def _tell(self, event: Event) -> None:
        """Tiles of the upscaler are no steps of the picture."""
        self.emit(Stage(f"Enlarging {event.step}/{event.steps}") if isinstance(event, Step) else event)


def clearness(picture: Image, sizes: Larger) -> Image | None:
    """The transparency (L) of an RGBA picture at `sizes.final`, by Lanczos as the upscalers do; None of any other."""
    if picture.mode != "RGBA":
        return None
    return picture.getchannel("A").resize((sizes.whole.width, sizes.whole.height), Resampling.LANCZOS).crop(sizes.box)


def stretched(latents: Tensor, name: str, sizes: Larger, factor: int) -> Tensor:
    """Latents (n, channels, h, w) interpolated to `sizes.whole` and cut to `sizes.final`; factor: pixels a latent pixel."""
    from torch.nn import functional

    mode, antialias = LATENT[name]
    whole = functional.interpolate(latents, (sizes.whole.height // factor, sizes.whole.width // factor), mode=mode,
                                   antialias=antialias)
    left, top, right, bottom = (side // factor for side in sizes.box)
    return whole[:, :, top:top + sizes.final.height // factor, left:left + sizes.final.width // factor]


def listed(source: str, upscalers: Upscalers) -> Sequence[str]:
    """Names for a form's field by the source of its declaration; none for other sources."""
    latent = {"hires_upscalers": True, "upscalers": False}.get(source)
    return () if latent is None else names(upscalers, latent)
