"""What a picture's file says of the machine that painted it: all that may change a pixel and is not in the request."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.loading.device import Device

LABELS = {"torch": "torch", "diffusers": "diffusers", "transformers": "transformers", "device": "device",
          "precision": "precision", "processor": "processor", "threads": "threads", "python": "python"}
"""What is recorded, in the order in which it is most likely to be the cause of a difference."""


def environment(device: Device) -> dict[str, Any]:
    """Versions, device, precision ("fp32"), processor (instruction set of a CPU, name of a card), threads."""
    import diffusers
    import transformers

    from pipelines.loading.compat import torch
    from pipelines.loading.device import PRECISIONS

    precision = next(name for name, dtype in PRECISIONS.items() if dtype == device.dtype)
    card = torch.cuda.get_device_name(device.index) if device.kind == "cuda" else ""
    return {"device": device.kind, "precision": precision,
            "processor": card or f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
            "threads": torch.get_num_threads(), "torch": torch.__version__, "diffusers": diffusers.__version__,
            "transformers": transformers.__version__, "python": platform.python_version()}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """"torch 2.13.0 → 2.14.0" for everything recorded in both that is not the same."""
    return [f"{label} {before[key]} → {now[key]}" for key, label in LABELS.items()
            if before.get(key) not in (None, "") and key in now and str(before[key]) != str(now[key])]
