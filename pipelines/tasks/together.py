"""Which pictures may be sampled in one batch although prompt, CFG scale, strength and seed differ, and how that is done.

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
from pipelines.spec.events import Emit
from pipelines.spec.geometry import Size
from pipelines.spec.parts import Part
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import text
from pipelines.tasks.task import TextTask

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipelines.tasks.image import ImageTask

FREE: Mapping[str, Any] = {"seed": 0, "prompt": "", "negative_prompt": "", "variation": None}
MAIN_MEMORY_PIXELS = 8 * 256 * 256      # a larger batch no longer fits a processor's caches and is slower again
ALLOWED = ("variation", "init", "inpaint", "outpaint")
CARD_PIXELS = 8 * 512 * 512
MOST = 16       # pictures; a batch is saved when all of it is done


def key(request: GenerationRequest) -> object | None:
    """Equal for pictures that may be sampled together; None for one that must be alone.

    Alone are: a prompt that changes on the way or has an AND (its embeddings are several), a start that differs from
    picture to picture, and whatever has further parts (ControlNet, hires …). The CFG scale may differ while it guides and is
    not rescaled, the denoising strength while it decides only where to begin.
    """
    prompts = [parts(prompt, request.emphasis != "None") for prompt in (request.prompt, request.negative_prompt)]
    if any(_is_part(value) for name, value in request if name not in ALLOWED) or not _starts_alike(request):
        return None
    if any(len(found) > 1 or found[0].changing or found[0].weight != 1 for found in prompts):
        return None
    free = dict(FREE) | ({"cfg_scale": 7.0} if request.cfg_scale > 1 and not request.cfg_rescale else {})
    limited = 0 < request.guided_share < 1      # a share of the steps that are run: of other calls for every strength
    if request.init and not request.init.exact_steps and not limited:       # exact ones lay levels of their own for every strength
        free["init"] = {"denoising_strength": 1.0}
    return request.merged(free), networks(request.prompt)


def _starts_alike(request: GenerationRequest) -> bool:
    """Whether its start does not depend on the seed, and something is painted at all."""
    if request.init is None:
        return True
    noisy = request.inpaint is not None and request.inpaint.masked_content == "latent noise"
    return request.init.denoising_strength > 0 and not noisy


def _is_part(value: object) -> bool:
    return isinstance(value, Part) or (isinstance(value, tuple) and any(isinstance(one, Part) for one in value))


def most(request: GenerationRequest, main_memory: bool) -> int:
    """How many pictures of this size one batch takes."""
    pixels = MAIN_MEMORY_PIXELS if main_memory else CARD_PIXELS
    return min(MOST, max(1, pixels // request.size.pixels) * (1 if request.cfg_scale > 1 else 2))


@dataclass(frozen=True)
class CellsTask:
    """Pictures whose requests share their `key`. `alike` paints them when their prompts are taken care of."""

    alike: TextTask | ImageTask

    @property
    def requests(self) -> Sequence[GenerationRequest]:
        return self.alike.requests

    @property
    def shown(self) -> Size:
        return self.alike.shown

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

        scales = (Scales(pipe.unet, [r.cfg_scale for r in requests]),) if requests[0].cfg_scale > 1 else ()
        means = replace(means, wording=wording, patches=(*means.patches, *scales))
        with channels_last(pipe.unet):      # round all passes of the task: it cannot be entered twice, as a patch would be
            return replace(self.alike, requests=requests).paint(pipe, on_step, means)

    def developed(self, pipe: Any, painted: Any, emit: Emit) -> list[Image]:
        from pipelines.patches.channels_last import channels_last

        with channels_last(pipe.vae):
            return self.alike.developed(pipe, painted, emit)


def task(alike: TextTask | ImageTask, main_memory: bool) -> TextTask | ImageTask | CellsTask:
    """For one picture, or a batch of one prompt on a card, what it always was; else the one that knows them apart."""
    requests = alike.requests
    seedless = {(r.prompt, r.negative_prompt, r.cfg_scale, r.init and r.init.denoising_strength) for r in requests}
    return alike if len(requests) == 1 or (len(seedless) == 1 and not main_memory) else CellsTask(alike)


def _encoded(pipe: Any, request: GenerationRequest, cache: EmbeddingCache | None, inversions: Inversions) -> dict[str, Any]:
    wanted = Wanted(request.prompt, request.negative_prompt, request.clip_skip, request.steps, request.emphasis)
    return encode(pipe, wanted, cache, inversions)[0].call_kwargs


def _stacked(rows: Sequence[Any]) -> Any:
    import torch

    return torch.cat(list(rows))
