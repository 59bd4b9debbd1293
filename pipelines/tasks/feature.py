"""What a feature of one sampling run (a ControlNet, tiles, a likeness) knows of the run it is laid over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Window:
    """The part of the picture the UNet is shown just now, in latent pixels; None is all of it.

    Whoever cuts the picture into tiles sets it around each call of the UNet, so that a condition can be cut likewise.
    shows: what this run paints of the picture as the user knows it, in shares ("only masked" paints a part of it).
    """

    box: tuple[int, int, int, int] | None = None        # left, top, right, bottom
    shows: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    def seen(self, width: int, height: int) -> tuple[float, float, float, float]:
        """`box` in shares of the user's picture.   width, height: latent pixels of what this run paints."""
        if self.box is None:
            return self.shows
        left, top, right, bottom = self.shows
        across, down = (right - left) / width, (bottom - top) / height
        return (left + self.box[0] * across, top + self.box[1] * down, left + self.box[2] * across, top + self.box[3] * down)


Change = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]
"""diffusers' `callback_on_step_end`: (pipeline, step from 0, timestep, tensors) -> the tensors with other `latents`."""


@dataclass(frozen=True)
class Run:
    """One run of `tasks/text.paint`, as its features see it.

    calls: how often the pipeline asks the model, one for each step callback (second-order samplers: about two a step).
    width, height: pixels that are painted.   batch: pictures.   guided: the UNet sees negative and positive stacked.
    noise: first noise of every picture (batch, channels, height, width), before any scheduler scaled it.
    changes, call_args: a feature that is entered may add to them: what changes the latents after a step, and further
    arguments of the pipeline's call.
    """

    pipe: Any
    calls: int
    width: int
    height: int
    batch: int
    guided: bool
    window: Window = field(default_factory=Window)
    noise: Any = None
    changes: list[Change] = field(default_factory=list)
    call_args: dict[str, Any] = field(default_factory=dict)


Turn = Callable[[int], None]
"""Called after each call of the model with the number of the next (1 … calls); may do nothing."""

Feature = Callable[[Run], AbstractContextManager[Turn]]
"""Laid over the pipeline's models while the context lasts; leaves no trace. Features are entered in order, the last is
the outermost."""
