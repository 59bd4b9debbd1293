"""One sampling run as the engine sees it: latents are painted, then made pictures; and how a picture from words is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.spec.events import Emit
from pipelines.spec.geometry import Size
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import text

if TYPE_CHECKING:
    from PIL.Image import Image


class Task(Protocol):
    """shown: pixels that the UNet and the VAE see at once, which is what memory is needed for."""

    @property
    def shown(self) -> Size: ...

    def paint(self, pipe: Any, on_step: text.OnStep, means: text.Means) -> Any:
        """Whatever `developed` takes: latents, as a rule."""

    def developed(self, pipe: Any, painted: Any, emit: Emit) -> list[Image]:
        """A picture for each request."""


@dataclass(frozen=True)
class TextTask:
    """Pictures from words alone; the requests differ in their seeds only."""

    requests: Sequence[GenerationRequest]

    @property
    def shown(self) -> Size:
        return self.requests[0].size

    @property
    def said(self) -> dict[str, Any]:
        """What the file says of how it was sampled."""
        return {}

    def paint(self, pipe: Any, on_step: text.OnStep, means: text.Means) -> Any:
        return text.paint(pipe, self.requests, on_step, means)

    def developed(self, pipe: Any, painted: Any, emit: Emit) -> list[Image]:
        return text.pictures(pipe, painted, self.requests[0].tiling, emit)
