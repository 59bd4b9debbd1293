"""LoRA and LyCORIS files laid over a pipeline's weights for the length of a block; afterwards nothing of them is left.

Each touched weight becomes W + s * dW and is given its own tensor back at the end: the very same one, so that nothing is
left over, which subtracting again (`unfuse_lora`: 1.5e-4 off) cannot promise. diffusers' `load_lora_weights` is not used:
it refuses kohya text encoders without out_proj, drops DoRA's magnitudes, knows no LoHa, and re-arranges offloading hooks.
Sampling costs nothing extra: there are no extra layers. Knows no files: tensors come in by their names in the file.

    LoRA   dW = up @ down * alpha / rank                              arXiv 2106.09685; with `lora_mid` CP-decomposed
    LoHa   dW = (w1_a @ w1_b) * (w2_a @ w2_b) * alpha / rank          arXiv 2108.06098 (LyCORIS)
    LoKr   dW = kron(w1, w2) * alpha / rank                           arXiv 2309.14859; no alpha where both are whole
    full   dW = diff (and diff_b for the bias)
    DoRA   W + dW takes the norms of `dora_scale`                     arXiv 2402.09353
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.patches.lora_names import Targets
from pipelines.spec.errors import FieldError, shown

if TYPE_CHECKING:
    from torch import Tensor, nn

Factors = Mapping[str, "Tensor"]        # "up", "down", "alpha", "hada_w1_a" … of one module


@dataclass(frozen=True)
class Lora:
    """One file to lay over: its tensors by their names in it, and its strengths (any sign, 0 leaves that part alone)."""

    name: str
    tensors: Mapping[str, Tensor]
    te: float = 1.0
    unet: float = 1.0


@contextmanager
def applied(pipe: Any, loras: Sequence[Lora]) -> Iterator[list[str]]:
    """The pipeline with `loras`, in their order; yields one note for every file of which something did not fit.

    Raises FieldError naming the LoRA when nothing of it fits the model or a shape is another's. Whatever ends the block,
    every weight is the tensor it was, on the device where its module now is.
    """
    active = [lora for lora in loras if lora.te or lora.unet]
    kept: dict[tuple[int, str], tuple[nn.Module, str, Tensor]] = {}
    notes: list[str] = []
    try:
        if active:
            targets = Targets(pipe)
            for lora in active:
                notes += _lay_over(lora, targets, kept)
        yield notes
    finally:
        for module, name, weight in kept.values():
            parameter = getattr(module, name)
            parameter.data = weight.to(parameter.device)


def _lay_over(lora: Lora, targets: Targets, kept: dict[tuple[int, str], tuple[nn.Module, str, Tensor]]) -> list[str]:
    import torch

    found, strange = targets.sorted(lora.tensors)
    if not found:
        raise FieldError("LoRA", lora.name, "none of its layers exists in this model", fix="Use one made for this kind of model")
    with torch.no_grad():
        for (component, path), factors in found.items():
            strength = lora.unet if component == "unet" else lora.te
            if strength:
                _change(lora.name, targets.module(component, path), path, factors, strength, kept)
    return [f"LoRA {shown(lora.name)}: {len(strange)} of its layers are not in this model and were not used."] if strange else []


def _change(name: str, module: nn.Module, path: str, factors: Factors, strength: float,
            kept: dict[tuple[int, str], tuple[nn.Module, str, Tensor]]) -> None:
    for part, key in (("weight", ""), ("bias", "diff_b")):
        parameter = getattr(module, part, None)
        if parameter is None or (key and key not in factors) or (not key and not set(factors) - {"alpha", "diff_b"}):
            continue
        if parameter.is_meta:
            raise FieldError("LoRA", name, "the model's weights are kept on disk in this memory mode", fix="Choose another mode")
        before = parameter.data
        held = {k: v.to(before.device, _precise(before)) for k, v in factors.items()}
        base = before.to(_precise(before))
        try:
            change = held[key].reshape(base.shape) if key else delta(held, base)
        except KeyError:
            raise FieldError("LoRA", name, f"its layer {shown(path, 60)} lacks a part", fix="Download it again") from None
        except (RuntimeError, ValueError, IndexError, ZeroDivisionError):       # the last two: fewer dimensions, rank 0
            raise FieldError("LoRA", name, f"its layer {shown(path, 60)} has another shape than in this model",
                             fix="Use one made for this kind of model") from None
        if not change.isfinite().all():
            raise FieldError("LoRA", name, f"its layer {shown(path, 60)} holds values that are no numbers", fix="Use another one")
        kept.setdefault((id(module), part), (module, part, before))
        parameter.data = (base + strength * change).to(before.dtype)


def _precise(weight: Tensor) -> Any:
    """Half precision is too coarse for a sum of small changes, and slow on a CPU."""
    import torch

    return torch.float64 if weight.dtype == torch.float64 else torch.float32


def delta(factors: Factors, base: Tensor) -> Tensor:
    """What one module's `factors` add to its weight `base` at strength 1. Raises KeyError, RuntimeError for what does not fit."""
    import torch

    change = _raw(factors, base).reshape(base.shape)
    scale = factors.get("dora_scale")
    if scale is None:
        return change
    merged = base + change
    if scale.numel() == base.shape[0] and scale.shape[0] == base.shape[0]:     # one norm an output
        axes, shape = tuple(range(1, base.ndim)), (-1, *[1] * (base.ndim - 1))
    else:                                                                       # one norm an input
        axes, shape = (0, *range(2, base.ndim)), (1, -1, *[1] * (base.ndim - 2))
    norm = torch.linalg.vector_norm(merged, dim=axes, keepdim=True).clamp_min(torch.finfo(base.dtype).eps)
    return merged * (scale.reshape(shape) / norm) - base


def _raw(factors: Factors, base: Tensor) -> Tensor:
    if "up" in factors:
        down, up = factors["down"], factors["up"]
        scale = _scale(factors, down.shape[0])
        if "mid" in factors:
            return _composed(factors["mid"], up.flatten(1).T, down.flatten(1)) * scale
        return (up.flatten(1) @ down.flatten(1)) * scale
    if "hada_w1_a" in factors:
        from peft.tuners.loha.layer import make_weight, make_weight_cp

        w = [factors[f"hada_{part}"] for part in ("w1_a", "w1_b", "w2_a", "w2_b")]
        scale = _scale(factors, w[1].shape[0])
        if "hada_t1" in factors:
            return make_weight_cp(factors["hada_t1"], w[0], w[1], factors["hada_t2"], w[2], w[3], base.new_tensor(scale))
        return make_weight(w[0], w[1], w[2], w[3], base.new_tensor(scale))
    if "lokr_w1" in factors or "lokr_w1_a" in factors:
        return _kronecker(factors)
    return factors["diff"]


def _kronecker(factors: Factors) -> Tensor:
    from peft.tuners.lokr.layer import make_kron

    rank = next((factors[k].shape[0] for k in ("lokr_w2_b", "lokr_w1_b") if k in factors), 0)
    first = factors["lokr_w1"] if "lokr_w1" in factors else factors["lokr_w1_a"] @ factors["lokr_w1_b"]
    if "lokr_w2" in factors:
        second = factors["lokr_w2"]
    elif "lokr_t2" in factors:
        second = _composed(factors["lokr_t2"], factors["lokr_w2_a"], factors["lokr_w2_b"])
    else:
        second = factors["lokr_w2_a"] @ factors["lokr_w2_b"]
    return make_kron(first, second, _scale(factors, rank) if rank else 1.0)


def _composed(middle: Tensor, out: Tensor, into: Tensor) -> Tensor:
    """A convolution from its core (rank, rank, h, w), `out` (rank, outputs) and `into` (rank, inputs)."""
    from peft.tuners.lokr.layer import make_weight_cp

    return make_weight_cp(middle, out, into)


def _scale(factors: Factors, rank: int) -> float:
    """alpha / rank; 1 without an alpha."""
    return float(factors["alpha"]) / rank if "alpha" in factors else 1.0
