"""Reads an upscaler's file into a network through spandrel, which tells the architecture from the keys alone.

A .pth is a pickle, which this process never opens: `loading/pickled.py` has it converted.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from pipelines.loading.compat import torch
from pipelines.loading.facts import Facts
from pipelines.loading.header import read_header
from pipelines.loading.memory import is_out_of_memory
from pipelines.loading.pickled import safetensors_of
from pipelines.loading.residency import Residency
from pipelines.spec.errors import ModelFileError
from pipelines.upscalers.listing import Upscaler
from pipelines.upscalers.restorers import EXTRA

COMPONENT = "upscaler"


class Network(torch.nn.Module):
    """A spandrel model as one module: (1, channels, h, w) in 0-1 gives (1, channels, h·scale, w·scale) in 0-1."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.model = descriptor.model
        self._descriptor = descriptor
        self.scale: int = descriptor.scale
        self.channels: int = descriptor.input_channels
        self.whole: bool = descriptor.tiling.name == "INTERNAL"     # it wants the whole picture and tiles by itself
        self.architecture: str = descriptor.architecture.name

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self._descriptor(image)

    @property
    def place(self) -> tuple[torch.device, torch.dtype]:
        first = next(self.model.parameters())
        return first.device, first.dtype


def network(upscaler: Upscaler, holder: Residency) -> Network:
    """The network of `upscaler`, held with all other weights. Raises ModelFileError."""
    path = upscaler.path
    assert path is not None, "only files have networks"
    size = path.stat().st_size * 2 if path.exists() else 0      # fp16 on the disk may be fp32 in memory
    found = holder.module(path, COMPONENT, lambda: read(path, upscaler.name, holder.device.dtype,
                                                                  facts=holder.library.facts), size)
    assert isinstance(found, Network)
    return found


def read(path: Path, name: str, dtype: torch.dtype = torch.float32, kind: type[Network] = Network,
         facts: Facts | None = None) -> Network:
    """The file as a network on the CPU, in `dtype` where the architecture can. Raises ModelFileError, one line.

    facts: keeps the conversion of a pickle.
    """
    from spandrel import (
        ImageModelDescriptor,
        MaskedImageModelDescriptor,
        ModelLoader,
        UnsupportedModelError,
        canonicalize_state_dict,
    )

    facts = facts or Facts(None)        # must live while what it converted is read
    plain = safetensors_of(path, name, facts)
    read_header(plain, name)
    state: dict[str, Any] = load_file(plain)
    try:
        found = ModelLoader(registry=_registry()).load_from_state_dict(canonicalize_state_dict(state))
    except UnsupportedModelError:
        raise ModelFileError(name, "no known upscaler network has these tensors",
                             "It may be another kind of model; ESRGAN, Compact, SwinIR, HAT, DAT, SPAN … are known.") from None
    except Exception as error:      # an architecture's own reading of damaged tensors: spandrel raises a dozen kinds
        if is_out_of_memory(error):
            raise
        raise ModelFileError(name, f"its tensors do not fit together ({type(error).__name__})", "Download it again.") from None
    if isinstance(found, MaskedImageModelDescriptor) or not isinstance(found, ImageModelDescriptor):
        raise ModelFileError(name, "it fills masked holes and cannot upscale", "Choose another upscaler.")
    if found.input_channels not in (1, 3) or found.output_channels != found.input_channels:
        raise ModelFileError(name, f"it takes {found.input_channels} channels and gives {found.output_channels}",
                             "Choose one for RGB or grey pictures.")
    half = {torch.float16: found.supports_half, torch.bfloat16: found.supports_bfloat16}.get(dtype, True)
    found.eval().to(dtype=dtype if half else torch.float32)
    return kind(found).requires_grad_(False)


def _registry() -> Any:
    """The architectures that are known: spandrel's, and those of its second package where the user installed it."""
    from spandrel import MAIN_REGISTRY

    registry = MAIN_REGISTRY.copy()
    if importlib.util.find_spec(EXTRA):
        from spandrel_extra_arches import EXTRA_REGISTRY

        registry.add(*EXTRA_REGISTRY)
    return registry
