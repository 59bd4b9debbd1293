"""Out of memory is caught, explained and tried once more the cheaper way; the next job starts as if nothing had been."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, TypeVar

from pipelines.loading.compat import torch
from pipelines.loading.device import Device
from pipelines.loading.store import give_memory_back
from pipelines.spec.errors import OutOfMemory
from pipelines.spec.events import Emit, Note

T = TypeVar("T")
# How allocators other than CUDA's say it; all of them are RuntimeError.
SAID = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory", "alloc_failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that an allocation failed, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in SAID)


def with_memory_ladder(run: Callable[[], T], pipe: Any, device: Device, emit: Emit, what: str = "the picture") -> T:
    """`run()`; when memory runs out, once more with a tiled VAE and, on a card, with components moved in one by one.

    Raises OutOfMemory when that fails too. The pipeline's shared VAE is put back as it was in every case.
    """
    if not _ran_out(attempt := _attempt(run)):
        return attempt
    free(device)
    tried = ["decoding in tiles"]
    with cheaper(pipe, device, tried):
        emit(Note(f"Memory was full; trying again with {' and '.join(tried)}."))
        again = _attempt(run)
    if not _ran_out(again):
        return again
    free(device)
    raise OutOfMemory(what, tried)


class _RanOut:
    """What `_attempt` gives instead of a result; it holds no traceback and so no tensors."""


RAN_OUT = _RanOut()


def _ran_out(result: object) -> bool:
    return result is RAN_OUT


def _attempt(run: Callable[[], T]) -> T | Any:
    try:
        return run()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)     # the frames hold the tensors that did not fit
        return RAN_OUT


def free(device: Device) -> None:
    """Give back what torch and the allocator keep for later."""
    give_memory_back()
    device.empty_cache()


@contextmanager
def cheaper(pipe: Any, device: Device, tried: list[str]) -> Any:
    """The pipeline in its cheapest mode; everything shared is as before afterwards. Adds what it did to `tried`."""
    vae = pipe.vae
    before = getattr(vae, "use_tiling", False), getattr(vae, "use_slicing", False)
    vae.enable_tiling()
    vae.enable_slicing()
    offload = not device.is_main_memory and device.policy.keep
    if offload:
        tried.append("one component on the card at a time")
        pipe.enable_model_cpu_offload(device=device.torch)
    try:
        yield
    finally:
        if not before[0]:
            vae.disable_tiling()
        if not before[1]:
            vae.disable_slicing()
        if offload:
            pipe.remove_all_hooks()
            free(device)        # what the failed try left, before the weights come back
            pipe.to(device.torch)
