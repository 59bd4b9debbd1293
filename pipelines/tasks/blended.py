"""Tiles at every step: the UNet answers for one window after another, and the answers are joined by weights.

MultiDiffusion (arXiv 2302.08113) with weights that fall towards a window's edges. It stands in for the UNet as a whole, so
that everything laid over the UNet (a ControlNet, AND, a likeness) works on windows too; `Window.box` tells them which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipelines.loading.compat import torch
from pipelines.spec.geometry import Size, Tile
from pipelines.tasks.feature import Feature, Run, Turn
from pipelines.tasks.kept import Kept
from pipelines.tasks.tiles import weights

AfterTile = Callable[[int], None]
"""Called with how many windows are done, counted over all calls of the model."""


class TiledUNet(torch.nn.Module):
    """A UNet for latents of any size, as pipelines call it. Whatever else they ask of a UNet the real one answers."""

    def __init__(self, run: Run, plan: Sequence[Tile], kept: Kept, after: AfterTile) -> None:
        """plan: in latent pixels. kept: the answers of a run that was stopped, which are not asked for again."""
        super().__init__()
        self.unet, self._factor = run.pipe.unet, run.pipe.vae_scale_factor
        self._plan, self._window, self._kept, self._after = plan, run.window, kept, after
        size = Size(run.width // self._factor, run.height // self._factor)
        self._weights = [torch.from_numpy(weights(tile, plan, size)) for tile in plan]
        self._done = self._calls = 0

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("unet"), name)

    def forward(self, sample: torch.Tensor, timestep: Any, *args: Any, **kwargs: Any) -> tuple[torch.Tensor]:
        call, self._calls = self._calls, self._calls + 1
        known = self._kept.answer(call, sample)
        if known is not None:
            self._done += len(self._plan)
            self._after(self._done)
            return (known,)
        answer = self._joined(sample, timestep, args, kwargs)
        self._kept.put_answer(call, answer)
        return (answer,)

    def _joined(self, sample: torch.Tensor, timestep: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> torch.Tensor:
        total, shares = torch.zeros_like(sample), sample.new_zeros(sample.shape[-2:])
        for tile, weight in zip(self._plan, self._weights, strict=True):
            self._window.box = tile.box
            here = (..., slice(tile.top, tile.bottom), slice(tile.left, tile.right))
            try:
                answer = self.unet(sample[here], timestep, *args, **_of_tile(kwargs, tile, self._factor))
            finally:
                self._window.box = None
            share = weight.to(sample)
            total[here] += (answer[0] if isinstance(answer, tuple) else answer.sample) * share
            shares[here] += share
            self._done += 1
            self._after(self._done)
        return total.div_(shares)


def _of_tile(kwargs: dict[str, Any], tile: Tile, factor: int) -> dict[str, Any]:
    """SDXL is told the size of what it sees: (original, crop, target), each height and width."""
    added = kwargs.get("added_cond_kwargs")
    if not isinstance(added, dict) or "time_ids" not in added:
        return kwargs
    ids = added["time_ids"].clone()
    for first in (0, 4):
        ids[:, first], ids[:, first + 1] = tile.height * factor, tile.width * factor
    return kwargs | {"added_cond_kwargs": {**added, "time_ids": ids}}


def tiled(plan: Sequence[Tile], kept: Kept, after: AfterTile) -> Feature:
    """The feature that shows the UNet these windows (in latent pixels); the last of all features."""

    @contextmanager
    def laid_over(run: Run) -> Iterator[Turn]:
        unet = run.pipe.unet
        run.pipe.unet = TiledUNet(run, plan, kept, after)
        try:
            yield lambda call: None
        finally:
            run.pipe.unet = unet

    return laid_over
