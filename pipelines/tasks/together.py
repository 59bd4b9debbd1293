"""Which pictures may be sampled in one batch although their prompts, CFG scales and seeds differ, and how that is done.

The result equals the single run up to rounding. Nothing here decides whether rounding matters: the grid's `exact` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipelines.prompt.embed import EmbeddingCache, Segment, Wanted, encode
from pipelines.prompt.inversion import Inversions
from pipelines.prompt.networks import networks
from pipelines.prompt.parse import parts
from pipelines.spec.parts import Part
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import text
from pipelines.tasks.task import TextTask

if TYPE_CHECKING:
    from PIL.Image import Image

FREE: Mapping[str, Any] = {"seed": 0, "prompt": "", "negative_prompt": "", "variation": None}
MAIN_MEMORY_PIXELS = 8 * 256 * 256      # a larger batch no longer fits a processor's caches and is slower again
CARD_PIXELS = 8 * 512 * 512
MOST = 16       # pictures; a batch is saved when all of it is done


def key(request: GenerationRequest) -> object | None:
    """Equal for pictures that may be sampled together; None for one that must be alone.

    Alone are: a prompt that changes on the way or has an AND (its embeddings are several), and whatever starts from a
    picture or has further parts (ControlNet, hires …). The CFG scale may differ while it guides and is not rescaled.
    """
    prompts = [parts(prompt, request.emphasis != "None") for prompt in (request.prompt, request.negative_prompt)]
    if any(_is_part(value) for name, value in request if name != "variation"):
        return None
    if any(len(found) > 1 or found[0].changing or found[0].weight != 1 for found in prompts):
        return None
    free = dict(FREE) | ({"cfg_scale": 7.0} if request.cfg_scale > 1 and not request.cfg_rescale else {})
    return request.merged(free), networks(request.prompt)


def _is_part(value: object) -> bool:
    return isinstance(value, Part) or (isinstance(value, tuple) and any(isinstance(one, Part) for one in value))


def most(request: GenerationRequest, main_memory: bool) -> int:
    """How many pictures of this size one batch takes."""
    pixels = MAIN_MEMORY_PIXELS if main_memory else CARD_PIXELS
    return min(MOST, max(1, pixels // request.size.pixels) * (1 if request.cfg_scale > 1 else 2))


@dataclass(frozen=True)
class CellsTask(TextTask):
    """Pictures from words alone; the requests share their `key`."""

    @property
    def said(self) -> dict[str, Any]:
        """For the file: why this picture may differ from its single run in the last bit."""
        return {"together": len(self.requests)}

    def paint(self, pipe: Any, on_step: text.OnStep, means: text.Means) -> Any:
        """Latents (n, channels, height, width); prompts of unlike length (in chunks of 75) go one batch after another."""
        import torch

        rows = [_encoded(pipe, request, means.cache, means.inversions) for request in self.requests]
        done: dict[int, Any] = {}
        for width in dict.fromkeys(row["prompt_embeds"].shape[1] for row in rows):
            at = [i for i, row in enumerate(rows) if row["prompt_embeds"].shape[1] == width]
            latents = self._painted(pipe, at, rows, on_step, means)
            done |= dict(zip(at, latents.split(1), strict=True))
        return torch.cat([done[i] for i in range(len(rows))])

    def _painted(self, pipe: Any, at: Sequence[int], rows: Sequence[dict[str, Any]], on_step: text.OnStep,
                 means: text.Means) -> Any:
        from pipelines.patches.channels_last import channels_last
        from pipelines.patches.scales import Scales

        requests = [self.requests[i] for i in at]
        segment = Segment(0, {name: _stacked([rows[i][name] for i in at]) for name in rows[0]})

        @contextmanager
        def wording(*_: Any) -> Iterator[Sequence[Segment]]:
            yield [segment]

        patches = [*means.patches, channels_last(pipe.unet)]
        if requests[0].cfg_scale > 1:
            patches.append(Scales(pipe.unet, [r.cfg_scale for r in requests]))
        return text.paint(pipe, requests, on_step, replace(means, wording=wording, patches=tuple(patches)))

    def developed(self, pipe: Any, painted: Any, emit: Any) -> list[Image]:
        from pipelines.patches.channels_last import channels_last

        with channels_last(pipe.vae):
            return super().developed(pipe, painted, emit)


def task(requests: Sequence[GenerationRequest], main_memory: bool) -> TextTask:
    """For one picture, or a batch of one prompt on a card, what it always was; else the one that knows them apart."""
    first = requests[0]
    same = all((r.prompt, r.negative_prompt, r.cfg_scale) == (first.prompt, first.negative_prompt, first.cfg_scale)
               for r in requests)
    return TextTask(requests) if len(requests) == 1 or (same and not main_memory) else CellsTask(requests)


def _encoded(pipe: Any, request: GenerationRequest, cache: EmbeddingCache | None, inversions: Inversions) -> dict[str, Any]:
    wanted = Wanted(request.prompt, request.negative_prompt, request.clip_skip, request.steps, request.emphasis)
    return encode(pipe, wanted, cache, inversions)[0].call_kwargs


def _stacked(rows: Sequence[Any]) -> Any:
    import torch

    return torch.cat(list(rows))
