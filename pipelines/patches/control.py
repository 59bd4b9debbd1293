"""A ControlNet (arXiv 2302.05543), ControlNet-Union or T2I-Adapter (arXiv 2302.08453) steers a UNet, and leaves no trace.

The UNet's `forward` is wrapped while a run lasts: the net is shown the same noisy sample, and what it answers is added to
what the UNet is called with. Wrappers add up, so units combine; whoever wraps further out (tiles) shows both a part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.spec.parts import BALANCED, CONTROL_LEADS

if TYPE_CHECKING:
    from torch import Tensor

DECAY = 0.825               # of the strength from one layer to the one above it, in both modes that are not balanced
PUBLISHED = (10, 13)        # residuals of a ControlNet of XL, and of 1.x and 2.x, with the middle
ADAPTER_DECAY = (0.25, 0.62, 0.825, 1.0)
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Guide:
    """What a net is shown and how much its answer counts.

    pixels: (1, 3, height, width), 0 to 1.   mask: (1, 1, height, width), 1 is steered, or None for all of it.
    start, end: share of the model calls; call c of n is steered when start <= c/n and (c+1)/n <= end (as diffusers has it).
    task: which input of a ControlNet-Union takes the pixels; None for other nets.
    """

    pixels: Tensor
    mask: Tensor | None = None
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: str = BALANCED
    task: int | None = None

    def holds(self, call: int, calls: int) -> bool:
        """Whether model call `call` (0-based) of `calls` is steered."""
        return self.weight != 0 and call / calls >= self.start and (call + 1) / calls <= self.end


class Steering:
    """Use as a context manager round a sampling run; call `turn` after each call of the model.

    window: its `box` is the part of the picture in latent pixels that the UNet is shown just now, None all of it.
    """

    def __init__(self, net: Any, guide: Guide, run: Any) -> None:
        """net: a diffusers ControlNetModel, ControlNetUnionModel or T2IAdapter.   run: of `tasks/feature.py`."""
        self._net, self._guide, self._run = net, guide, run
        self._unet, self._factor = run.pipe.unet, run.pipe.vae_scale_factor
        self._adapts = not hasattr(net, "controlnet_mid_block")
        self._only_prompted = guide.mode == CONTROL_LEADS or bool(getattr(net.config, "global_pool_conditions", False))
        self._features: tuple[Box | None, list[Tensor]] | None = None

    def __enter__(self) -> Callable[[int], None]:
        first = next(self._net.parameters())
        self._home = first.device
        place = getattr(self._run.pipe, "_execution_device", first.device)
        if place != self._home:     # under a policy that keeps nothing on the device
            self._net.to(place)
        self._pixels = self._guide.pixels.to(place, first.dtype)
        self._mask = None if self._guide.mask is None else self._guide.mask.to(place, first.dtype)
        self._wrapped = vars(self._unet).get("forward")
        self._inner = self._unet.forward
        self._unet.forward = self._steered
        self.turn(0)
        return self.turn

    def __exit__(self, *_: object) -> None:
        if self._wrapped is None:
            del self._unet.forward
        else:
            self._unet.forward = self._wrapped
        if next(self._net.parameters()).device != self._home:
            self._net.to(self._home)
        self._features = None

    def turn(self, call: int) -> None:
        """`call`: number of the model's next call, from 0."""
        self._on = self._guide.holds(call, self._run.calls)

    def _steered(self, *args: Any, **kwargs: Any) -> Any:
        if not self._on:
            return self._inner(*args, **kwargs)
        named = dict(zip(("sample", "timestep", "encoder_hidden_states"), args, strict=False)) | kwargs
        rows = named["sample"].shape[0]
        # Negative rows stand first; AND brings them even where nothing is guided.
        silent = self._run.batch if self._only_prompted and rows > self._run.batch else 0
        if self._adapts:
            key, more = "down_intrablock_additional_residuals", self._adapted(rows, silent)
        else:
            *more, middle = self._controlled(named, silent)
            named["mid_block_additional_residual"] = _sum(named.get("mid_block_additional_residual"), middle)
            key = "down_block_additional_residuals"
        before = named.get(key) or [None] * len(more)
        named[key] = [_sum(one, other) for one, other in zip(before, more, strict=True)]
        return self._inner(**named)

    def _controlled(self, named: dict[str, Any], silent: int) -> list[Tensor]:
        """Residuals of every down layer and of the middle, for all rows."""
        config, rows = self._net.config, named["sample"].shape[0]
        told: dict[str, Any] = {key: _rows(named.get(key), silent, rows)
                                for key in ("timestep", "encoder_hidden_states", "added_cond_kwargs")}
        sample = named["sample"][silent:, :config.in_channels]      # an inpainting UNet is given more
        pixels: Any = self._part(self._pixels, self._factor)
        if self._guide.task is not None:
            kinds = sample.new_zeros(len(sample), config.num_control_type)
            kinds[:, self._guide.task] = 1
            # A union weighs its pictures against one another, row by row.
            told |= {"control_type": kinds, "control_type_idx": [self._guide.task]}
            pixels = [pixels.expand(len(sample), -1, -1, -1)]
        down, middle = self._net(sample, controlnet_cond=pixels, return_dict=False, **told)
        scales = strengths(len(down) + 1, self._guide.mode)
        return [self._weighed(one, scale, silent) for one, scale in zip([*down, middle], scales, strict=True)]

    def _adapted(self, rows: int, silent: int) -> list[Tensor]:
        """Features of a T2I-Adapter, which sees no noise: once for each part of the picture."""
        box = self._run.window.box
        if self._features is None or self._features[0] != box:
            self._features = box, self._net(_to_multiple(self._part(self._pixels, self._factor), self._net.downscale_factor))
        found = self._features[1]
        scales = ADAPTER_DECAY if self._guide.mode != BALANCED else (1.0,) * len(found)
        return [self._weighed(one.expand(rows - silent, -1, -1, -1), scale, silent)
                for one, scale in zip(found, scales, strict=False)]

    def _weighed(self, answer: Tensor, scale: float, silent: int) -> Tensor:
        answer = answer * (self._guide.weight * scale)
        if self._mask is not None:
            from torch.nn import functional

            answer = answer * functional.interpolate(self._part(self._mask, self._factor), answer.shape[-2:], mode="area")
        if not silent:
            return answer
        import torch

        return torch.cat([torch.zeros_like(answer[:1]).expand(silent, -1, -1, -1), answer])

    def _part(self, pixels: Tensor, factor: int) -> Tensor:
        """What of a picture the UNet is shown just now."""
        box = self._run.window.box
        if box is None:
            return pixels
        left, top, right, bottom = (side * factor for side in box)
        return pixels[..., top:bottom, left:right]


def strengths(layers: int, mode: str) -> list[float]:
    """What each of `layers` residuals counts, the middle last: all alike, or ever less towards the first.

    As sd-webui-controlnet has it: 0.825 ** (12 - i), which ends in 1 for the thirteen of 1.x and 2.x; XL's ten are the first ten
    of these, so that its middle counts 0.825 ** 3. Nets that are not published (mini's seven) count from their own middle.
    """
    if mode == BALANCED:
        return [1.0] * layers
    top = max(PUBLISHED) if layers in PUBLISHED else layers
    return [DECAY ** (top - 1 - i) for i in range(layers)]


def _sum(one: Any, other: Tensor) -> Tensor:
    return other if one is None else one + other


def _rows(value: Any, silent: int, rows: int) -> Any:
    """A tensor (or mapping of tensors) that has a row for each picture without its first `silent` ones."""
    if isinstance(value, dict):
        return {key: _rows(inner, silent, rows) for key, inner in value.items()}
    if silent and getattr(value, "shape", None) and value.shape[0] == rows:
        return value[silent:]
    return value


def _to_multiple(pixels: Tensor, step: int) -> Tensor:
    """Grown at its right and lower edge by repeating them, as the adapter folds `step` pixels into one."""
    from torch.nn import functional

    height, width = pixels.shape[-2:]
    missing: Sequence[int] = (0, -width % step, 0, -height % step)
    return functional.pad(pixels, list(missing), mode="replicate") if any(missing) else pixels
