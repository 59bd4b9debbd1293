"""Out of memory is foreseen and told, or caught, explained and tried once more the cheaper way; the next job starts anew."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from pipelines.loading import estimate
from pipelines.loading.compat import torch
from pipelines.loading.device import Device
from pipelines.loading.store import give_memory_back
from pipelines.spec.errors import DeviceLost, OutOfMemory
from pipelines.spec.events import Emit, Note
from pipelines.spec.geometry import Size

T = TypeVar("T")
# CUDA's and HIP's words for faults after which a process gets nothing more from its card, whatever it asks for.
LOST = ("device-side assert", "illegal memory access", "an illegal address", "illegal instruction", "misaligned address",
        "unspecified launch failure", "launch timed out", "uncorrectable ecc", "hardware stack error", "gpu is lost")
# How allocators other than CUDA's say it; all of them are RuntimeError.
SAID = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory", "alloc_failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that an allocation failed, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in SAID)


def is_lost(error: BaseException) -> bool:
    """Whether `error` says that the device computes nothing more for this process."""
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in LOST)


@contextmanager
def explained() -> Iterator[None]:
    """What the device says in there, as the one line for the user. Raises OutOfMemory, DeviceLost; all else passes."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_lost(error):
            raise DeviceLost(str(error).partition("\n")[0]) from error
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)     # the frames hold the tensors that did not fit
    else:
        return
    raise OutOfMemory("the picture")


def with_others_away(load: Callable[[], T], put_away: Callable[[], None], device: Device, emit: Emit | None) -> T:
    """`load()`; when memory runs out, once more after `put_away()` dropped all models. Raises OutOfMemory when that fails too."""
    if not _ran_out(loaded := _attempt(load)):
        return loaded
    put_away()
    free(device)
    if emit is not None:
        emit(Note("Memory was full; trying again with all other models put away."))
    if not _ran_out(loaded := _attempt(load)):
        return loaded
    put_away()
    free(device)
    raise OutOfMemory("the model", ["putting all others away"])


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


def foreseen(pipe: Any, size: Size, batch: int, device: Device, emit: Emit) -> AbstractContextManager[None]:
    """The mode in which a run of `batch` pictures of `size` is to take place: the usual one while the estimate fits.

    Otherwise one `Note` for each stage that would not fit, with the estimate and what will be done about it.
    batch: pictures sampled at once; they are decoded one by one. To be entered before sampling.
    """
    free_now = device.free_memory()
    item = _bytes(pipe.unet)
    latent = Size(size.width // pipe.vae_scale_factor, size.height // pipe.vae_scale_factor)
    to_sample = estimate.sampling(pipe.unet.config, latent, 2 * batch, item)
    to_decode, in_tiles = _decoding(pipe.vae, size)
    offload = _may_offload(device)
    if to_sample > free_now:
        _warn(emit, f"{size} × {batch}" if batch > 1 else str(size), "sampling", to_sample, free_now,
              "One component at a time will be on the card, which is slower." if offload else
              "It will be tried and may fail; a smaller size or batch size is safe.")
    if to_decode > free_now:
        helps = in_tiles < to_decode and not getattr(pipe.vae, "use_tiling", False)
        _warn(emit, str(size), "decoding", to_decode, free_now,
              "It will be decoded in tiles." if helps else "It will be tried and may fail; a smaller size is safe.")
    if offload and (to_sample > free_now or min(to_decode, in_tiles) > free_now):
        return cheaper(pipe, device, [])
    return tiled(pipe.vae) if to_decode > free_now else nullcontext()


def _warn(emit: Emit, what: str, stage: str, needed: int, there: int, then: str) -> None:
    emit(Note(f"Size: {what} - {stage} needs about {estimate.told(needed)}, {estimate.told(there)} are free. {then}"))


def _decoding(vae: Any, size: Size) -> tuple[int, int]:
    """Bytes for one picture the way the VAE is set now, and in tiles. A VAE that overflows in fp16 works in fp32."""
    overflows = getattr(vae.config, "force_upcast", False) and next(vae.parameters()).dtype == torch.float16
    item = 4 if overflows else _bytes(vae)
    in_tiles = estimate.decoding_in_tiles(vae.config, size, item, vae.tile_sample_min_size)
    return (in_tiles if getattr(vae, "use_tiling", False) else estimate.decoding(vae.config, size, item)), in_tiles


def _bytes(module: Any) -> int:
    """Bytes of one number of its weights."""
    return next(module.parameters()).element_size()


def _may_offload(device: Device) -> bool:
    """Whether moving components in one by one frees anything: weights are kept on a card."""
    return not device.is_main_memory and device.policy.keep


@contextmanager
def tiled(vae: Any) -> Iterator[None]:
    """A VAE that decodes one picture at a time, in tiles; as before afterwards."""
    before = getattr(vae, "use_tiling", False), getattr(vae, "use_slicing", False)
    vae.enable_tiling()
    vae.enable_slicing()
    try:
        yield
    finally:
        if not before[0]:
            vae.disable_tiling()
        if not before[1]:
            vae.disable_slicing()


@contextmanager
def cheaper(pipe: Any, device: Device, tried: list[str]) -> Iterator[None]:
    """The pipeline in its cheapest mode; everything shared is as before afterwards. Adds what it did to `tried`."""
    offload = _may_offload(device)
    with tiled(pipe.vae):
        if offload:
            tried.append("one component on the card at a time")
            pipe.enable_model_cpu_offload(device=device.torch)
        try:
            yield
        finally:
            if offload:
                pipe.remove_all_hooks()
                free(device)        # what the failed try left, before the weights come back
                pipe.to(device.torch)
