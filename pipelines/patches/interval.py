"""Guidance in one interval of the run only (Kynkäänniemi et al. 2024, arXiv 2404.07724): outside it the CFG scale is 1.

The pipeline goes on as if it guided throughout. In a call outside the interval the negative rows are taken away before
anybody else sees it, so that neither UNet nor ControlNets nor tiles compute them; the answer c goes back as both halves, and
c + s (c - c) is c, bit for bit. Whoever is laid over the UNet tells by the number of rows whether a call is guided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.patches.waiting import picked

if TYPE_CHECKING:
    from torch import nn


class Interval:
    """Use as a context manager round a guided sampling run, inside all that changes the calls; `turn` after each of them."""

    def __init__(self, unet: nn.Module, pictures: int, guided: range) -> None:
        """pictures: of the batch.   guided: the calls (0-based) that have guidance."""
        self._unet, self._pictures, self._guided = unet, pictures, guided
        self._call, self._alone = 0, False

    def __enter__(self) -> Interval:
        self._hooks = [self._unet.register_forward_pre_hook(self._halved, prepend=True, with_kwargs=True),
                       self._unet.register_forward_hook(self._doubled)]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def turn(self, call: int) -> None:
        """`call`: number of the model's next call, from 0."""
        self._call = call

    def _halved(self, _module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        rows = len(args[0] if args else kwargs["sample"])
        self._alone = self._call not in self._guided and rows == 2 * self._pictures
        return picked((args, kwargs), slice(self._pictures, rows), rows) if self._alone else None

    def _doubled(self, _module: nn.Module, _args: tuple, output: Any) -> Any:
        import torch

        if not self._alone:
            return None
        answer = output[0] if isinstance(output, tuple) else output.sample
        both = torch.cat([answer, answer])
        return (both, *output[1:]) if isinstance(output, tuple) else type(output)(sample=both)
