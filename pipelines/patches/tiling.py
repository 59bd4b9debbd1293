"""Seamless tiling: every padded convolution wraps round, so that the picture continues at its opposite edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def seamless(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Circular padding in every Conv2d of `modules` until the block is left; weights are never touched."""
    from torch.nn import Conv2d

    changed = [(conv, conv.padding_mode) for module in modules for conv in module.modules()
               if isinstance(conv, Conv2d) and conv.padding != (0, 0)]
    try:
        for conv, _ in changed:
            conv.padding_mode = "circular"
        yield
    finally:
        for conv, mode in changed:
            conv.padding_mode = mode
