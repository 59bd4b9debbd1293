"""Weights by (file version, component, number format), least recently used first out, under two budgets.

Knows neither pipelines nor families: it holds modules, moves them between device and main memory, and drops them.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from pipelines.loading.compat import torch
from pipelines.loading.device import Budget, Device


class Key(NamedTuple):
    """Names one component's weights. `version` is the file's size and time, so a replaced file is another key."""

    path: str
    version: str
    component: str
    dtype: torch.dtype


@dataclass
class Held:
    """One component in memory."""

    module: torch.nn.Module
    model: str
    bytes: int
    on_device: bool


class Store:
    """The one holder of weights. Not thread-safe by itself: `Residency` locks around it."""

    def __init__(self, device: Device, budget: Budget) -> None:
        self.device, self.budget = device, budget
        self.loads = 0          # components read from disk
        self.bytes_moved = 0    # between device and main memory, both ways
        self._held: OrderedDict[Key, Held] = OrderedDict()

    def get(self, key: Key) -> torch.nn.Module | None:
        """The component, marked as just used; None when it is not held."""
        held = self._held.get(key)
        if held is None:
            return None
        self._held.move_to_end(key)
        return held.module

    def put(self, key: Key, module: torch.nn.Module, model: str) -> None:
        """Hold a component that was just loaded into main memory."""
        self.loads += 1
        self._held[key] = Held(module, model, module_bytes(module), self.device.is_main_memory)

    def make_room(self, needed: Collection[Key], missing_bytes: int) -> None:
        """Evict others so that `needed`, of which `missing_bytes` are not loaded yet, fit the budgets.

        Least recently used first: from the device into main memory, and out of main memory altogether. What is needed
        is never evicted, so one model larger than the budget is still tried.
        """
        others = [key for key in self._held if key not in needed]
        if not self.device.is_main_memory:
            waiting = sum(self._held[k].bytes for k in needed if k in self._held and not self._held[k].on_device)
            for key in others:
                if self.device_bytes() + waiting + missing_bytes <= self.budget.vram:
                    break
                self._move(self._held[key], on_device=False)
        dropped: list[Key] = []
        wanted = self.main_memory_bytes() + missing_bytes
        for key in others:
            if wanted <= self.budget.ram:
                break
            if self.device.is_main_memory or not self._held[key].on_device:
                dropped.append(key)
                wanted -= self._held[key].bytes
        self._forget(dropped)

    def bring(self, keys: Collection[Key]) -> None:
        """Have these components on the device, where the policy keeps them."""
        if self.device.policy.keep:
            for key in keys:
                self._move(self._held[key], on_device=True)

    def drop(self, unwanted: Callable[[Key], bool]) -> None:
        """Drop every component `unwanted` names."""
        self._forget([key for key in self._held if unwanted(key)])

    def held(self) -> list[tuple[Key, Held]]:
        """Least recently used first."""
        return list(self._held.items())

    def device_bytes(self) -> int:
        return sum(h.bytes for h in self._held.values() if h.on_device)

    def main_memory_bytes(self) -> int:
        return sum(h.bytes for h in self._held.values() if self.device.is_main_memory or not h.on_device)

    def _forget(self, keys: list[Key]) -> None:
        if not keys:
            return
        modules = [weakref.ref(self._held.pop(key).module) for key in keys]
        # A full collection costs 0.1 s and is needed only when a pipeline in a reference circle still holds one.
        give_memory_back(collect=any(module() is not None for module in modules))
        self.device.empty_cache()

    def _move(self, held: Held, on_device: bool) -> None:
        if held.on_device == on_device or self.device.is_main_memory:
            return
        held.module.to(self.device.torch if on_device else "cpu")
        held.on_device = on_device
        self.bytes_moved += held.bytes


def module_bytes(module: torch.nn.Module) -> int:
    """Bytes of its parameters and buffers, each storage once."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum({t.data_ptr(): t.nbytes for t in tensors if t.device.type != "meta"}.values())


def give_memory_back(collect: bool = True) -> None:
    """Return freed blocks to the system: glibc keeps blocks below 32 MB for itself, which adds up over checkpoints."""
    if collect:
        gc.collect()
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
