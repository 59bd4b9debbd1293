"""One sampling run of a diffusers pipeline for requests that differ only in their seeds: from noise, or from a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines import samplers
from pipelines.patches.composition import Composition
from pipelines.patches.glimpse import Glimpse
from pipelines.patches.interval import Interval
from pipelines.patches.tiling import seamless
from pipelines.prompt.embed import EmbeddingCache, Segment, Wanted, encode
from pipelines.prompt.inversion import NO_INVERSIONS, Inversions
from pipelines.spec.events import Emit
from pipelines.spec.geometry import Size
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.begin import Begin
from pipelines.tasks.feature import Feature, Run, Window
from pipelines.tasks.guided import guided_calls
from pipelines.tasks.noise import first_noise, generator
from pipelines.tasks.staggered import begun

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

OnStep = Callable[[int, int, Glimpse | None], None]
"""Called after every step with (step, steps, glimpse); steps counts from 1, glimpse is None within tiles. May raise to end
the run."""

Wording = Callable[[Any, Wanted, "EmbeddingCache | None", Inversions], AbstractContextManager[Sequence[Segment]]]
"""Stands in for `prompt.embed.encode` while a run lasts: (pipeline, what is wanted, cache, embeddings) -> its segments."""


@dataclass(frozen=True)
class Means:
    """What a run may use besides its requests.

    family: name, for schedules tuned for one.   cache: keeps encoded prompts from one call to the next.
    patches: reversible changes of the UNet (each a context manager), entered for this run.
    inversions: embeddings the prompts may name.   features: what must know the run it is laid over (`tasks/feature.py`).
    wording: makes embeddings of the prompts that words alone do not give (a likeness); None: `prompt.embed.encode`.
    """

    family: str = ""
    cache: EmbeddingCache | None = None
    patches: tuple[AbstractContextManager[Any], ...] = ()
    inversions: Inversions = NO_INVERSIONS
    features: tuple[Feature, ...] = ()
    wording: Wording | None = None


def paint(pipe: Any, requests: Sequence[GenerationRequest], on_step: OnStep, means: Means = Means(),
          begin: Begin | None = None) -> Tensor:
    """Latents (len(requests), channels, height, width) in the UNet's scale, from noise or from where `begin` says.

    Every picture has its own generator, so a picture of a batch starts from the noise of its single run.
    """
    first = requests[0]
    steps, laid = (begin.run(first.steps), begin.laid(first.steps)) if begin else (first.steps, first.steps)
    config = pipe.scheduler.config

    def built(rows: Sequence[int]) -> tuple[Any, dict[str, Any]]:
        return samplers.build(first.sampler, first.schedule, config, laid, [requests[row].seed for row in rows], means.family)

    pipe.scheduler, timing = built(range(len(requests)))
    scheduler = pipe.scheduler
    pipe.set_progress_bar_config(disable=True)
    sources = [generator(r) for r in requests]
    noise = _noise(pipe, requests, sources, begin)
    beginning = begun(begin, noise, first.steps, lambda rows: built(rows)[0]) if begin else None
    wanted = Wanted(first.prompt, first.negative_prompt, first.clip_skip, steps, first.emphasis)
    with ExitStack() as stack:
        if beginning:
            beginning.lay_over(pipe)
            stack.callback(beginning.lift_off, pipe)
        segments = (stack.enter_context(means.wording(pipe, wanted, means.cache, means.inversions)) if means.wording
                    else encode(pipe, wanted, means.cache, means.inversions, begin.earlier if begin else 0))
        for patch in (*means.patches, *([seamless([pipe.unet])] if first.tiling else [])):
            stack.enter_context(patch)
        height, width = (side * pipe.vae_scale_factor for side in noise.shape[-2:])
        whole, box = begin.place if begin and begin.place else (Size(width, height), None)
        window = Window(box, begin.shows) if begin else Window()
        cells = [side // pipe.vae_scale_factor for side in whole]
        composition = stack.enter_context(Composition(pipe.unet, len(requests), segments[0], lambda: window.seen(*cells)))
        starts = [samplers.call_of_step(first.sampler, s.start_step) for s in segments]
        at_call = dict(zip(starts, segments, strict=True))
        prompts = _Prompts({start: s.call_kwargs for start, s in at_call.items()}, len(requests), first.cfg_scale > 1)
        total = samplers.callback_count(first.sampler, steps)
        run = Run(pipe, total, whole.width, whole.height, len(requests), first.cfg_scale > 1, window, noise)
        turns = [stack.enter_context(feature(run)) for feature in means.features]
        if beginning:
            stack.enter_context(beginning.attended(pipe.unet))
        guided = guided_calls(first, steps)
        if first.cfg_scale > 1 and len(guided) < total:
            turns.append(stack.enter_context(Interval(pipe.unet, len(requests), guided)).turn)
        # Last: a feature may stand in for the UNet (tiles), and a preview shows the whole picture.
        glimpse = stack.enter_context(Glimpse(pipe.unet, scheduler, first.cfg_scale))

        def after_step(_pipe: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            on_step(min(index + 1, total), total, glimpse)
            for change in run.changes:
                tensors = change(_pipe, index, _timestep, tensors)
            for turn in turns:
                turn(index + 1)
            if beginning:
                tensors = tensors | {"latents": beginning.kept_apart(index + 1, tensors["latents"])}
            if index + 1 in at_call:
                composition.use(at_call[index + 1])
            return prompts.switched(index + 1, tensors)

        return pipe(
            **prompts.first(), **timing, **run.call_args, latents=noise, generator=sources,
            width=width, height=height, guidance_scale=first.cfg_scale, guidance_rescale=first.cfg_rescale,
            output_type="latent", callback_on_step_end=after_step, callback_on_step_end_tensor_inputs=prompts.watched,
        ).images


def _noise(pipe: Any, requests: Sequence[GenerationRequest], sources: Sequence[Any], begin: Begin | None) -> Tensor:
    """First noise of every picture on the UNet's device, of the shape that is painted."""
    import torch

    if begin and begin.noise is not None:
        return begin.noise.to(pipe.unet.device, pipe.unet.dtype)
    first = requests[0]
    shape = (pipe.vae.config.latent_channels, first.height // pipe.vae_scale_factor, first.width // pipe.vae_scale_factor)
    if begin:
        shape = (begin.latents.shape[1], begin.latents.shape[2], begin.latents.shape[3])
    noise = torch.stack([first_noise(r, g, shape) for r, g in zip(requests, sources, strict=True)])
    return noise.to(pipe.unet.device, pipe.unet.dtype)


def pictures(pipe: Any, latents: Tensor, tiling: bool, emit: Emit) -> list[Image]:
    """Latents (n, channels, height, width) of `paint` as pictures, decoded one by one: a picture does not depend on
    its neighbours, and the peak of memory is that of one.
    """
    from PIL import Image

    from pipelines.loading.decode import decode

    made = []
    with seamless([pipe.vae] if tiling else []):
        for one in latents.split(1):
            pixels = decode(pipe.vae, one, emit)[0].movedim(0, -1)
            made.append(Image.fromarray((pixels * 255).round().byte().cpu().numpy()))
    return made


class _Prompts:
    """The embeddings of a prompt that may change during the run, as the pipeline wants them."""

    def __init__(self, segments: Mapping[int, Mapping[str, Any]], batch: int, guided: bool) -> None:
        """segments: call arguments by the model call they begin at (0 is always there)."""
        self._segments = {start: {k: _repeat(v, batch) for k, v in call.items()} for start, call in segments.items()}
        self._guided = guided
        self.watched = ["latents"] if len(segments) == 1 else ["latents", *self._tensor_names()]

    def first(self) -> dict[str, Any]:
        return self._segments[0]

    def _tensor_names(self) -> list[str]:
        return ["prompt_embeds", *(["add_text_embeds"] if "pooled_prompt_embeds" in self._segments[0] else [])]

    def switched(self, step: int, tensors: dict[str, Any]) -> dict[str, Any]:
        """What the callback returns before model call `step` (0-based): the tensors, with a new prompt where one begins."""
        segment = self._segments.get(step)
        if segment is None or step == 0:
            return tensors
        return tensors | {"prompt_embeds": self._joined(segment, "prompt_embeds")} | (
            {"add_text_embeds": self._joined(segment, "pooled_prompt_embeds")} if "pooled_prompt_embeds" in segment else {})

    def _joined(self, segment: dict[str, Any], name: str) -> Any:
        """The pipelines keep negative and positive stacked in one tensor while they guide."""
        import torch

        return torch.cat([segment[f"negative_{name}"], segment[name]]) if self._guided else segment[name]


def _repeat(tensor: Any, batch: int) -> Any:
    """One row a picture; what has them already stays."""
    return tensor if tensor is None or len(tensor) == batch else tensor.repeat_interleave(batch, dim=0)
