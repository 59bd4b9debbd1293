"""`a AND b :0.5` while sampling: every model call answers for each prompt, and the answers are added by their weights.

    u + cfg * sum of w_i (c_i - u)          Composable Diffusion, arXiv 2206.01714, eq. 11, as AUTOMATIC1111 has it

The pipeline goes on as with one prompt. A hook widens what it gives to the UNet to one row a prompt, another folds the
answer into u and u + sum of w_i (c_i - u), of which the pipeline's own guidance makes the line above. With a CFG scale of
1 the pipeline sends no u: a row of the negative prompt is added, since weights that do not add up to 1 need it.
A ControlNet (`control.py`) stands further in and is shown every prompt; residuals given from outside are repeated.
A part with a region counts in its box only, and the parts without one weigh less there: `laid`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.prompt.regions import WHOLE, Region, Shares

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipelines.prompt.embed import Part, Segment


class Composition:
    """Use as a context manager round a sampling run; `use` says which prompts hold from the next call on.

    Without parts (an ordinary prompt) the calls pass through untouched.
    """

    def __init__(self, unet: nn.Module, pictures: int, segment: Segment, seen: Callable[[], Shares] = lambda: WHOLE) -> None:
        """pictures: of the batch; a call of more rows is guided.   seen: which part of the picture the UNet is shown just now."""
        self._unet, self._rows, self._seen = unet, pictures, seen
        self._guided = False    # the call in progress
        self.use(segment)

    def use(self, segment: Segment) -> None:
        """segment: of `prompt.embed.encode`."""
        self._segment = segment
        self._weights = [part.weight for part in segment.parts]

    def __enter__(self) -> Composition:
        self._hooks = [self._unet.register_forward_pre_hook(self._widen, prepend=True, with_kwargs=True),
                       # first of all, so that whoever else looks on sees the answer of one prompt
                       self._unet.register_forward_hook(self._fold, prepend=True)]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _widen(self, _module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        if not self._weights:
            return None
        sample = args[0] if args else kwargs["sample"]
        given = sample.shape[0]
        self._guided = given > self._rows
        named = dict(zip(("sample", "timestep", "encoder_hidden_states"), args, strict=False)) | kwargs
        wide = {name: self._repeated(value, given) for name, value in named.items()}
        wide["encoder_hidden_states"] = self._stacked("prompt_embeds").to(named["encoder_hidden_states"])
        added = wide.get("added_cond_kwargs")
        if isinstance(added, Mapping) and "text_embeds" in added:
            wide["added_cond_kwargs"] = {**added, "text_embeds": self._stacked("pooled_prompt_embeds").to(added["text_embeds"])}
        return (), wide

    def _repeated(self, value: Any, given: int) -> Any:
        """A tensor of `given` rows with its last block of pictures once more for every further prompt."""
        if isinstance(value, Mapping):
            return {key: self._repeated(inner, given) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._repeated(inner, given) for inner in value)
        if not hasattr(value, "shape") or not value.shape or value.shape[0] != given:
            return value
        more = len(self._weights) - (1 if self._guided else 0)
        return _cat([value, *[value[-self._rows:]] * more])

    def _stacked(self, name: str) -> Tensor:
        """Rows of the negative prompt, then of every prompt."""
        rows = [self._segment.call_kwargs[f"negative_{name}"], *(part.call_kwargs[name] for part in self._segment.parts)]
        return _cat([row.repeat_interleave(self._rows, dim=0) for row in rows])

    def _fold(self, _module: nn.Module, _args: tuple, output: Any) -> Any:
        if not self._weights:
            return None
        wide = output[0] if isinstance(output, tuple) else output.sample
        without, *conditions = wide.split(self._rows)
        combined = laid(without, conditions, self._segment.parts, self._seen())
        answer = _cat([without, combined]) if self._guided else combined
        return (answer, *output[1:]) if isinstance(output, tuple) else type(output)(sample=answer)


def folded(without: Tensor, conditions: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """without + sum of weights[i] * (conditions[i] - without)."""
    combined = without
    for weight, condition in zip(weights, conditions, strict=True):
        combined = combined + weight * (condition - without)
    return combined


def laid(without: Tensor, conditions: Sequence[Tensor], parts: Sequence[Part], seen: Shares) -> Tensor:
    """The answers added, each where its part counts: b without regions, else s (b - u) + sum of w_j m_j (c_j - u) added to u.

    b are the parts without a region, added by their weights; m_j is what region j covers, less where several lie on one
    another (together at most 1); s is what is left of b, 1 outside and each region's `base` inside. A region that weighs less
    than 1 covers less of b, one that weighs less than 0 nothing of it.
    """
    import torch

    rest = [(answer, part.weight) for part, answer in zip(parts, conditions, strict=True) if part.region is None]
    base = folded(without, [answer for answer, _ in rest], [weight for _, weight in rest])
    boxes = [(answer, part.weight, part.region) for part, answer in zip(parts, conditions, strict=True) if part.region]
    if not boxes:
        return base
    masks = [cover(region, seen, without) for _, _, region in boxes]
    hides = [mask * min(1.0, max(0.0, weight)) for mask, (_, weight, _) in zip(masks, boxes, strict=True)]
    shared = torch.stack(hides).sum(0).clamp(min=1)
    left = 1 - torch.stack([(1 - region.base) * one for one, (_, _, region) in zip(hides, boxes, strict=True)]).sum(0) / shared
    combined = without + left * (base - without)
    for mask, (answer, weight, _) in zip(masks, boxes, strict=True):
        combined = combined + weight * mask / shared * (answer - without)
    return combined


def cover(region: Region, seen: Shares, like: Tensor) -> Tensor:
    """(height, width) of `like`, 0 to 1: what of each cell of the part `seen` lies in the region."""
    height, width = like.shape[-2:]
    return like.new_tensor(region.rows(seen, height))[:, None] * like.new_tensor(region.columns(seen, width))


def _cat(rows: Sequence[Tensor]) -> Tensor:
    import torch

    return torch.cat(list(rows))
