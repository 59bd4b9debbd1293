"""Sees what the UNet is given and answers, so that a preview can show the clean picture the model expects.

A pipeline's step callback shows only the noisy latents. The clean estimate follows from the model's own input and
output for every prediction type and every scheduler: with x_in = sqrt(a)·x0 + sqrt(1-a)·eps (all schedulers scale their
input to that form), epsilon gives x0 = (x_in - sqrt(1-a)·eps) / sqrt(a), v gives x0 = sqrt(a)·x_in - sqrt(1-a)·v
(arXiv 2202.00512, appendix D).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


class Glimpse:
    """Use as a context manager round a sampling run. It only keeps references; `clean` does the arithmetic when asked."""

    def __init__(self, unet: nn.Module, scheduler: Any, cfg_scale: float) -> None:
        self._unet, self._scheduler, self._cfg_scale = unet, scheduler, cfg_scale
        self._seen: tuple[Tensor, Any, Tensor] | None = None

    def __enter__(self) -> Glimpse:
        self._hook = self._unet.register_forward_hook(self._keep, with_kwargs=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()
        self._seen = None

    def _keep(self, _module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        sample = args[0] if args else kwargs["sample"]
        timestep = args[1] if len(args) > 1 else kwargs["timestep"]
        self._seen = (sample, timestep, output[0] if isinstance(output, tuple) else output.sample)

    def clean(self) -> Tensor | None:
        """Estimated clean latents of the last call, (batch, channels, height, width), or None before the first."""
        if self._seen is None:
            return None
        sample, timestep, out = self._seen
        if self._cfg_scale > 1:
            without, with_prompt = out.chunk(2)
            out = without + self._cfg_scale * (with_prompt - without)
        # Guidance and AND widen the batch; an inpainting UNet is given the mask and the masked picture besides.
        sample = sample[:len(out), :out.shape[1]]
        alpha = self._alpha(float(timestep))
        signal, noise = alpha**0.5, (1 - alpha) ** 0.5
        kind = self._scheduler.config.get("prediction_type", "epsilon")
        if kind == "v_prediction":
            return signal * sample - noise * out
        return out if kind == "sample" else (sample - noise * out) / signal

    def _alpha(self, timestep: float) -> float:
        """Cumulative alpha at a timestep between 0 and 999; fractional ones (Karras) are interpolated."""
        table = self._scheduler.alphas_cumprod
        low = min(int(timestep), len(table) - 1)
        high = min(low + 1, len(table) - 1)
        part = timestep - low
        return float(table[low]) * (1 - part) + float(table[high]) * part
