"""Which device computes, in which number format, and how much memory it may hold. Policies are data.

Everything here runs and is tested on the CPU. The CUDA and MPS rows are written from the documentation; no figure of
theirs is claimed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines.loading.compat import torch
from pipelines.spec.errors import FieldError

GB = 2**30
PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(gb|gib|g|mb|mib|m)?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Policy:
    """How weights reach the device.

    keep: all components stay on the device between jobs. Otherwise a component is there only while it works:
    "model" moves whole components (medvram), "leaf" single layers (lowvram: slow, a few hundred MB).
    """

    name: str
    keep: bool
    offload: str = ""
    tile_vae: bool = False


POLICIES = {
    "normal": Policy("normal", keep=True),
    "medvram": Policy("medvram", keep=False, offload="model", tile_vae=True),
    "lowvram": Policy("lowvram", keep=False, offload="leaf", tile_vae=True),
}


@dataclass(frozen=True)
class Budget:
    """Bytes that weights may take: `vram` on the device, `ram` in main memory. On the CPU only `ram` counts."""

    vram: int
    ram: int

    @classmethod
    def of_this_machine(cls, device: Device, vram_budget: str = "") -> Budget:
        """Half of the free main memory, and 80 % of the device's free memory or `vram_budget` ("8", "8GB", "6000MB")."""
        import psutil

        ram = psutil.virtual_memory().available // 2
        return cls(parse_size(vram_budget) if vram_budget else device.free_memory() * 8 // 10, ram)


@dataclass(frozen=True)
class Device:
    """Where and how to compute. `dtype` is that of the weights."""

    kind: str               # "cpu", "cuda", "mps"
    index: int = 0
    dtype: torch.dtype = torch.float32
    policy: Policy = POLICIES["normal"]

    @classmethod
    def pick(cls, name: str = "auto", precision: str = "auto", policy: str = "normal") -> Device:
        """The device called `name` ("auto", "cpu", "cuda", "cuda:1", "mps"). Raises FieldError for one that is not there."""
        kind, _, index = name.strip().lower().partition(":")
        if kind == "auto":
            kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if not there.get(kind) or (index and not index.isdigit()):
            raise FieldError("Device", name, "not available here", ", ".join(["auto", *(k for k, ok in there.items() if ok)]))
        if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
            raise FieldError("Device", name, "no such card", f"cuda:0-cuda:{torch.cuda.device_count() - 1}")
        if policy not in POLICIES:
            raise FieldError("Memory policy", policy, "not known", ", ".join(POLICIES))
        return cls(kind, int(index or 0), _dtype(kind, precision), POLICIES[policy])

    @property
    def torch(self) -> torch.device:
        return torch.device(self.kind, self.index) if self.kind == "cuda" else torch.device(self.kind)

    @property
    def is_main_memory(self) -> bool:
        """Weights on this device lie in main memory and need no move."""
        return self.kind == "cpu"

    def free_memory(self) -> int:
        """Bytes free for weights and pictures."""
        import psutil

        if self.kind == "cuda":
            kept = torch.cuda.memory_reserved(self.torch) - torch.cuda.memory_allocated(self.torch)
            return torch.cuda.mem_get_info(self.torch)[0] + kept    # what torch keeps for later can be had at once
        return psutil.virtual_memory().available

    def empty_cache(self) -> None:
        """Give memory that torch keeps for later back to the device."""
        if self.kind == "cuda":
            torch.cuda.empty_cache()
        elif self.kind == "mps":
            torch.mps.empty_cache()


def parse_size(text: str) -> int:
    """"8", "8GB", "6000 MB" -> bytes; a bare number counts GB. Raises FieldError."""
    match = SIZE.match(text)
    if match is None or float(match[1]) <= 0:
        raise FieldError("VRAM budget", text, "not a size", "a number of GB such as 8, 8GB or 6000MB")
    return int(float(match[1]) * (2**20 if (match[2] or "g").lower().startswith("m") else GB))


def _dtype(kind: str, precision: str) -> torch.dtype:
    """fp32 on the CPU (fp16 arithmetic there is slow and overflows); bf16 or fp16 on a card."""
    if precision in PRECISIONS:
        return PRECISIONS[precision]
    if precision != "auto":
        raise FieldError("Precision", precision, "not known", ", ".join(["auto", *PRECISIONS]))
    if kind == "cpu":
        return torch.float32
    # fp16 is what SD 1.x-XL were published in and what their fine-tunes are stored in; older cards have no fast bf16
    return torch.float16
