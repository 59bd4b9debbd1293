"""A batch of which some pictures have not begun: the UNet is asked only for those that have. Undone on leaving.

Whatever else listens to the UNet (hooks of guidance, previews) still sees the whole batch; those who wait answer zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def waiting(unet: nn.Module, pictures: int, awake: Callable[[], Sequence[int]]) -> Iterator[None]:
    """pictures: of the batch; guidance stacks it twice.   awake: which of them (0-based) this call is for."""
    before = unet.__dict__.get("forward")
    inner = unet.forward

    def forward(sample: Tensor, timestep: Any, *args: Any, **kwargs: Any) -> Any:
        here = awake()
        if len(here) == pictures:
            return inner(sample, timestep, *args, **kwargs)
        rows = [start + one for start in range(0, len(sample), pictures) for one in here]
        own = {name: picked(value, rows, len(sample)) for name, value in kwargs.items()}
        answer = inner(sample[rows], timestep, *(picked(value, rows, len(sample)) for value in args), **own)
        return (_spread(answer[0], rows, len(sample)), *answer[1:]) if isinstance(answer, tuple) else type(answer)(
            sample=_spread(answer.sample, rows, len(sample)))

    unet.forward = forward
    try:
        yield
    finally:
        if before is None:
            del unet.forward
        else:
            unet.forward = before


def picked(value: Any, rows: Sequence[int] | slice, whole: int) -> Any:
    """What belongs to `rows` of anything that has one entry a row: embeddings, sizes, masks, also in mappings and lists."""
    if isinstance(value, dict):
        return {name: picked(one, rows, whole) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(picked(one, rows, whole) for one in value)
    return value[rows] if getattr(value, "ndim", 0) and len(value) == whole else value


def _spread(answer: Tensor, rows: Sequence[int], whole: int) -> Tensor:
    spread = answer.new_zeros((whole, *answer.shape[1:]))
    spread[rows] = answer
    return spread
