"""Guidance by text, sketch and strokes at independent scales, after DiSS (arXiv 2208.12675).

`trained` is DiSS's own formula, for models trained on sketch and stroke with dropped conditions. `ThreeBranches` is the
training-free approximation for any text model with two ControlNets, and is to be named so: the branches were not trained
together. It asks the UNet twice more a step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

Branch = Callable[["Tensor", Any, dict[str, Any]], dict[str, Any]]
"""(sample, timestep, the UNet's keyword arguments) of the prompted rows -> the arguments with the condition in them."""


def trained(null: Tensor, sketch: Tensor, stroke: Tensor, sketch_scale: float = 1.0, stroke_scale: float = 1.0) -> Tensor:
    """eps(0,0) + s_sketch·(eps(sketch,0) - eps(0,0)) + s_stroke·(eps(0,stroke) - eps(0,0))."""
    return null + sketch_scale * (sketch - null) + stroke_scale * (stroke - null)


def approximated(text: Tensor, sketch: Tensor, stroke: Tensor, scales: tuple[float, float], cfg_scale: float) -> Tensor:
    """What to hand the pipeline as its prompted answer, so that its own guidance null + cfg·(answer - null) becomes
    null + cfg·(text - null) + s_sketch·(sketch - text) + s_stroke·(stroke - text).
    """
    return text + (scales[0] * (sketch - text) + scales[1] * (stroke - text)) / cfg_scale


class ThreeBranches:
    """Use as a context manager round a guided run (CFG above 1). `scales`: of sketch and stroke, 0 leaves a branch out.

    pictures: of the batch. A call of as many rows is not guided: its answer is text + (what the branches add) / cfg, as strong.
    """

    call_args: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, pipe: Any, sketch: Branch, stroke: Branch, scales: tuple[float, float], cfg_scale: float,
                 pictures: int = 1) -> None:
        self._unet, self._branches, self._scales, self._cfg = pipe.unet, (sketch, stroke), scales, cfg_scale
        self._pictures = pictures

    def __enter__(self) -> ThreeBranches:
        # Both scales at 0 means no hook at all, so the run is the plain one bit for bit.
        on = self._cfg > 1 and any(self._scales)
        self._hook = self._unet.register_forward_hook(self._mixed, with_kwargs=True) if on else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._hook is not None:
            self._hook.remove()

    def _mixed(self, unet: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> Any:
        import torch

        whole = output[0] if isinstance(output, tuple) else output.sample
        rows = whole.shape[0]
        null, text = whole[:-self._pictures], whole[-self._pictures:]
        sample, timestep = args[0][-self._pictures:], args[1]
        prompted = kwargs if rows == self._pictures else {k: _second_half(v, rows) for k, v in kwargs.items()}
        # `forward` and not a call: a call would run this hook again.
        answers = [unet.forward(sample, timestep, **branch(sample, timestep, prompted))[0] if scale else text
                   for branch, scale in zip(self._branches, self._scales, strict=True)]
        mixed = torch.cat([null, approximated(text, answers[0], answers[1], self._scales, self._cfg)])
        return (mixed, *output[1:]) if isinstance(output, tuple) else type(output)(sample=mixed)


def controlled(controlnet: Any, picture: Tensor) -> Branch:
    """The branch of a ControlNet shown `picture` (1, 3, H, W) in 0-1."""
    def branch(sample: Tensor, timestep: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        import torch

        with torch.no_grad():
            down, middle = controlnet(
                sample, timestep, encoder_hidden_states=kwargs["encoder_hidden_states"],
                controlnet_cond=picture.to(sample).expand(sample.shape[0], -1, -1, -1),
                added_cond_kwargs=kwargs.get("added_cond_kwargs"), return_dict=False)
        return {**kwargs, "down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    return branch


def _second_half(value: Any, rows: int) -> Any:
    import torch

    if isinstance(value, dict):
        return {k: _second_half(v, rows) for k, v in value.items()}
    if isinstance(value, torch.Tensor) and value.ndim > 0 and value.shape[0] == rows:
        return value.chunk(2)[1]
    return value
