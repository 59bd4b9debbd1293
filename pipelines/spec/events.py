"""What a run says while it works. `emit(event)` carries it out and raises Cancelled or Skipped inward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A named stretch without steps: "loading mini", "decoding"."""

    text: str


@dataclass(frozen=True)
class Step:
    """One sampling step is done. `image` of `images` counts pictures begun (1-based), `step` of `steps` this one's.

    part: how much of this picture is done, where its steps are not equally long (a second pass over a larger picture).
    """

    image: int
    images: int
    step: int
    steps: int
    part: float | None = None

    @property
    def fraction(self) -> float:
        """Part of the whole job that is done, 0 to 1."""
        part = self.step / max(1, self.steps) if self.part is None else self.part
        return (self.image - 1 + part) / max(1, self.images)


@dataclass(frozen=True)
class Preview:
    """A small JPEG of the picture as it stands."""

    jpeg: bytes


@dataclass(frozen=True)
class Saved:
    """One finished picture is on disk. `file` is relative to the outputs folder, `index` 0-based within the job."""

    index: int
    file: str


@dataclass(frozen=True)
class Note:
    """Something the user should know that stops nothing: "VAE overflowed in fp16; decoded again in fp32"."""

    text: str


Event = Stage | Step | Preview | Saved | Note
Emit = Callable[[Event], None]
