"""A picture enlarged and painted again in tiles; beyond the picture's own buffers memory does not grow with its size.

"Blended": all windows at every step (`tasks/blended.py`).   "Feathered": window after window from the enlarged picture, laid
over one another with sloping weights.   "Separate": tile after tile from what is painted already, as the Ultimate SD Upscale
script does, with its second round over the borders. All windows take their part of one noise, so that overlaps agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipelines import samplers
from pipelines.families.family import Family
from pipelines.loading.encode import encode
from pipelines.loading.store import give_memory_back
from pipelines.previews import jpeg
from pipelines.spec.events import Emit, Note, Preview, Stage
from pipelines.spec.geometry import Size, Tile
from pipelines.spec.larger import larger
from pipelines.spec.parts import LAST_SEED, Init, Outpaint, Tiled
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import text
from pipelines.tasks.begin import Begin
from pipelines.tasks.blended import tiled
from pipelines.tasks.canvas import colours_like, extended
from pipelines.tasks.enlarge import Enlarger, clearness
from pipelines.tasks.hires import pixels
from pipelines.tasks.kept import Kept
from pipelines.tasks.noise import first_noise, generator
from pipelines.tasks.tiles import (
    Job,
    Quilt,
    borders,
    jobs,
    padded,
    seam_score,
    soft,
    strength_of,
    tile_side,
    weights,
    windows,
)

if TYPE_CHECKING:
    from torch import Tensor

CODED = 512         # px of a window of the VAE, at least: what is decoded together has one tone
NO_SEAMS = 1.05     # a score up to here is not seen


@dataclass(frozen=True)
class TiledTask:
    """source: RGB, enlarged, its sides multiples of the family's step.   size: of the result, cut from its upper left corner.

    kept: what an interrupted run had finished.   extra: what the picture's file says of the run.
    alpha: L of `size`, the transparency that the result gets; a model knows none.
    """

    requests: Sequence[GenerationRequest]
    source: Image.Image
    size: Size
    family: Family
    emit: Emit
    kept: Callable[[GenerationRequest], Kept]
    extra: dict[str, Any] = field(default_factory=dict)
    alpha: Image.Image | None = None

    @classmethod
    def of(cls, requests: Sequence[GenerationRequest], picture: Image.Image, family: Family, enlarge: Enlarger,
           kept: Callable[[GenerationRequest], Kept]) -> TiledTask:
        """picture: RGB or RGBA, what is started from, at its own size. Raises as the upscaler does."""
        wanted = requests[0].tiled or Tiled()
        sizes = larger(Size(*picture.size), wanted)
        source = enlarge(picture.convert("RGB"), wanted.upscaler, sizes)
        frame = padded(sizes.final, family.size_step)
        if frame != sizes.final:
            source = extended(source, Outpaint.model_construct(
                left=0, top=0, right=frame.width - source.width, bottom=frame.height - source.height))
        return cls(requests, source, sizes.final, family, enlarge.emit, kept, alpha=clearness(picture, sizes))

    @property
    def _tiled(self) -> Tiled:
        return self.requests[0].tiled or Tiled()

    @property
    def _init(self) -> Init:
        return self.requests[0].init or Init()

    @cached_property
    def jobs(self) -> list[Job]:
        return jobs(Size(*self.source.size), self._tiled, tile_side(self._tiled, self.family), self.family.size_step)

    @property
    def shown(self) -> Size:
        """The largest window of the UNet or the VAE."""
        seen = [job.window for job in self.jobs] + self._coded
        return Size(max(w.width for w in seen), max(w.height for w in seen))

    @property
    def unchanged(self) -> bool:
        return self._init.denoising_strength == 0

    def untouched(self) -> Image.Image:
        """The enlarged picture, not painted again."""
        return self._cut(self.source)

    def _cut(self, picture: Image.Image) -> Image.Image:
        """Without what was added to come to the grid, as clear as its source; the picture itself where nothing is to do."""
        whole = picture if picture.size == tuple(self.size) else picture.crop((0, 0, *self.size))
        return whole if self.alpha is None else Image.merge("RGBA", (*whole.split(), self.alpha))

    @cached_property
    def _coded(self) -> list[Tile]:
        """Windows of the VAE, in pixels."""
        side = max(tile_side(self._tiled, self.family), CODED)
        return windows(Size(*self.source.size), side, side // 4, self.family.size_step)

    # -- painting ----------------------------------------------------------------------------------------------------------

    def paint(self, pipe: Any, on_step: text.OnStep, means: text.Means) -> list[Any]:
        """For every request its latents ("Blended") or its finished canvas."""
        way = self._blended if self._tiled.method == "Blended" else self._by_one
        results, before = [], 0
        for request in self.requests:
            told = [before]

            def step(done: int, _steps: int, glimpse: Any, before: int = before, told: list[int] = told) -> None:
                told[0] = before + done
                on_step(before + done, 0, glimpse)

            results.append(way(pipe, request, step, means))
            before = told[0]
        return results

    def _blended(self, pipe: Any, request: GenerationRequest, on_step: text.OnStep, means: text.Means) -> Tensor:
        factor = pipe.vae_scale_factor
        cells = [_cells(job.window, factor) for job in self.jobs]

        def after_step(step: int, steps: int, glimpse: Any) -> None:
            on_step(step * len(cells), 0, glimpse)

        kept = self.kept(request)
        feature = tiled(cells, kept, lambda done: on_step(done, 0, None))
        begin = Begin(self._latents(pipe), self._init.denoising_strength, self._init.exact_steps)
        painted = text.paint(pipe, [_alone(request)], after_step, replace(means, features=(*means.features, feature)), begin)
        kept.clear()
        return painted

    def _by_one(self, pipe: Any, request: GenerationRequest, on_step: text.OnStep, means: text.Means) -> Image.Image:
        canvas, scheduler, kept, done = self.source.copy(), pipe.scheduler, self.kept(request), 0
        quilt = Quilt(canvas, [job.window for job in self.jobs])
        noise = {seam: _noise(pipe, _other(request, int(seam)), canvas.size) for seam in {job.seam for job in self.jobs}}
        for number, job in enumerate(self.jobs):
            begin = self._begin(pipe, request, job, canvas, noise[job.seam])
            steps = begin.run(request.steps)
            if not steps:
                continue
            picture = kept.get(number)
            if picture is None:
                pipe.scheduler = scheduler      # each run makes its own from the model's
                begin = replace(begin, latents=encode(pipe.vae, pixels(self._seen(job, canvas))))
                picture = self._window(pipe, _other(request, number + 2), on_step, means, (begin, done))
                kept.put(number, picture)
            done += samplers.callback_count(request.sampler, steps)
            on_step(done, 0, None)
            if self._tiled.method == "Feathered":
                quilt.lay(job.window, picture)
            else:
                canvas.paste(picture, job.window.box[:2], soft(job, self._tiled.mask_blur))
            self.emit(Preview(jpeg(canvas)))
        kept.clear()
        return self._tinted(canvas)

    def _tinted(self, canvas: Image.Image) -> Image.Image:
        """With the colours of the enlarged picture, if so asked: measured over all of it, or tiles would differ in tone."""
        return colours_like(canvas, self.source) if self._init.color_correction else canvas

    def _seen(self, job: Job, canvas: Image.Image) -> Image.Image:
        """Separate tiles go on from what is painted; feathered ones do not depend on their order."""
        return (self.source if self._tiled.method == "Feathered" else canvas).crop(job.window.box)

    def _begin(self, pipe: Any, request: GenerationRequest, job: Job, canvas: Image.Image, noise: Tensor) -> Begin:
        """Where a window begins; its latents are still missing."""
        place = _cells(job.window, pipe.vae_scale_factor)
        part = noise[:, :, place.top:place.bottom, place.left:place.right]
        return Begin(part, strength_of(request, job.seam), self._init.exact_steps, noise=part,
                     place=(Size(*canvas.size), place.box))

    def _window(self, pipe: Any, request: GenerationRequest, on_step: text.OnStep, means: text.Means,
                begun: tuple[Begin, int]) -> Image.Image:
        """One window painted. begun: where it begins, and how many steps were done before."""
        begin, done = begun

        def step(now: int, _steps: int, _glimpse: Any) -> None:
            on_step(done + now, 0, None)

        latents = text.paint(pipe, [_alone(request)], step, means, begin)
        return text.pictures(pipe, latents, False, self.emit)[0]

    # -- pixels and latents, window by window ------------------------------------------------------------------------------

    def _latents(self, pipe: Any) -> Tensor:
        """(1, channels, height, width) of the whole source."""
        import torch

        factor = pipe.vae_scale_factor
        whole = Size(*(side // factor for side in self.source.size))
        cells = [_cells(window, factor) for window in self._coded]
        total = torch.zeros(1, pipe.vae.config.latent_channels, whole.height, whole.width)
        shares = torch.zeros(whole.height, whole.width)
        for window, cell in self._told("encoding", zip(self._coded, cells, strict=True)):
            share = torch.from_numpy(weights(cell, cells, whole))
            here = (..., slice(cell.top, cell.bottom), slice(cell.left, cell.right))
            total[here] += encode(pipe.vae, pixels(self.source.crop(window.box))).cpu() * share
            shares[here] += share
        return total / shares

    def developed(self, pipe: Any, painted: list[Any], emit: Emit) -> list[Image.Image]:
        """The pictures at their size; says how much of the tiles one sees."""
        made = [self._cut(self._decoded(pipe, one) if self._tiled.method == "Blended" else one) for one in painted]
        score = max(seam_score(picture, *borders(self.jobs, self.size), self.family.size_step) for picture in made)
        self.extra["Seam score"] = round(score, 3)
        emit(Note(f"Seams: {score:.2f} - " + ("they do not show (1 is the picture elsewhere)." if score <= NO_SEAMS else
                                             "they may show, or edges of the picture lie on them (1 is the picture elsewhere).")))
        return made

    def _decoded(self, pipe: Any, latents: Tensor) -> Image.Image:
        give_memory_back()      # what sampling left at the size of the whole picture, before decoding takes its own
        canvas = Image.new("RGB", self.source.size)
        quilt = Quilt(canvas, self._coded)
        for window in self._told("decoding", iter(self._coded)):
            cell = _cells(window, pipe.vae_scale_factor)
            part = latents[:, :, cell.top:cell.bottom, cell.left:cell.right]
            quilt.lay(window, text.pictures(pipe, part, False, self.emit)[0])
        return self._tinted(canvas)

    def _told(self, what: str, windows_: Iterator[Any]) -> Iterator[Any]:
        """`windows_`, each announced, so that a run can be stopped between two."""
        for number, window in enumerate(windows_, 1):
            self.emit(Stage(f"{what} {number}/{len(self._coded)}"))
            yield window


def _cells(window: Tile, factor: int) -> Tile:
    """Pixels as latent pixels."""
    return Tile(*(value // factor for value in window))


def _alone(request: GenerationRequest) -> GenerationRequest:
    """For one window: nothing of it is larger or tiled again."""
    return request.merged({"tiled": None, "hires": None})


def _other(request: GenerationRequest, number: int) -> GenerationRequest:
    """Another seed for each use, so that no window's noise repeats another's. 0 is the request itself."""
    return request.merged({"seed": (request.seed + number) % (LAST_SEED + 1)}) if number else request


def _noise(pipe: Any, request: GenerationRequest, size: tuple[int, int]) -> Tensor:
    """(1, channels, height, width): unit noise of the whole picture."""
    factor = pipe.vae_scale_factor
    shape = (pipe.vae.config.latent_channels, size[1] // factor, size[0] // factor)
    return first_noise(request, generator(request), shape)[None]
