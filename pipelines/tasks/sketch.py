"""A drawing on its way into a run: its way is chosen, it becomes a start, a control unit and changes of the latents.

The request that is kept says what was drawn; `laid_out` gives the one that is painted. Torch comes in with the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pipelines.drawing import ways
from pipelines.drawing.knobs import Knobs
from pipelines.drawing.lines import colour_start, flat, lines
from pipelines.drawing.split import joined
from pipelines.loading.sketch_files import Predictor, available
from pipelines.samplers import SAMPLERS
from pipelines.spec.errors import FieldError
from pipelines.spec.parts import Sketch
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.feature import Feature, Run, Turn

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.archive.inputs import Inputs
    from pipelines.loading.library import Library


@dataclass(frozen=True)
class SketchPlan:
    """One drawing for one model. Nothing is loaded until a feature is entered."""

    sketch: Sketch
    chosen: ways.Chosen
    inputs: Inputs
    predictor: Predictor | None = None

    @classmethod
    def of(cls, request: GenerationRequest, library: Library, inputs: Inputs) -> SketchPlan | None:
        """None without a sketch. Raises FieldError: nothing drawn, or a way that is not there."""
        if request.sketch is None:
            return None
        found = available(library, library.find(request.model))
        chosen = ways.choose(request.sketch, found.names)
        return cls(request.sketch, chosen, inputs, found.predictor if chosen.lines == ways.PREDICTOR else None)

    @property
    def knobs(self) -> Knobs:
        return Knobs(self.sketch.faithfulness, self.sketch.stroke_faithfulness, self.sketch.realism)

    @property
    def said(self) -> dict[str, str]:
        """For the picture's metadata."""
        return {"Sketch way": ways.said(self.sketch, self.chosen)}

    def laid_out(self, requests: Sequence[GenerationRequest]) -> list[GenerationRequest]:
        """`requests` with the colours as their start and the lines as their first control unit."""
        changes: dict[str, Any] = {}
        if self.chosen.colours and requests[0].init is None:
            held = self.sketch.faithfulness if self.chosen.comb else 0.0
            strokes = self.sketch.stroke_faithfulness if self.sketch.strokes else 0.0
            knobs = Knobs(self.sketch.faithfulness, max(held, strokes), self.sketch.realism)
            changes["init"] = {"image": self.inputs.lend(self.start()), "denoising_strength": knobs.strength,
                               "exact_steps": False, "resize_mode": "Crop and resize"}
        if self.chosen.lines == ways.CONTROLNET:
            unit = {"image": self.inputs.lend(self.condition()), "model": self.chosen.net, "preprocessor": "none",
                    "weight": self.knobs.control_scale, "end": self.knobs.control_end}
            changes["control"] = [unit, *(u.model_dump() for u in requests[0].control)]
        return [r.merged(changes) for r in requests] if changes else list(requests)

    def features(self) -> tuple[Feature, ...]:
        """What changes the latents on their way."""
        wanted: list[Feature] = []
        if self.chosen.lines == ways.PREDICTOR and self.predictor:
            wanted.append(self._guided)
        if self.chosen.colours and self.sketch.realism < 1:
            wanted.append(self._refined)
        return tuple(wanted)

    # -- pictures ------------------------------------------------------------------------------------------------------

    def start(self) -> Image.Image:
        """RGB: the strokes' colours led over the paper, with the lines on them where nothing else follows those."""
        strokes = self._open(self.sketch.strokes)
        drawn = self._open(self.sketch.lines) if self.chosen.comb else None
        if strokes is None:
            return flat(drawn) if drawn is not None else Image.new("RGB", (64, 64), "white")
        ground = colour_start(strokes)
        if drawn is None:
            return ground
        return joined(_inked(drawn), ground.convert("RGBA")) or ground

    def condition(self) -> Image.Image:
        """RGB: white lines on black, as scribble ControlNets and the predictors expect them."""
        drawing = self._open(self.sketch.lines)
        if drawing is None:
            raise FieldError("Sketch", "none", "there are no lines to follow", fix="Draw some")
        return Image.fromarray((lines(drawing) * 255).round().astype(np.uint8)).convert("RGB")

    def _open(self, name: str) -> Image.Image | None:
        return self.inputs.open(name) if name else None

    # -- features ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _refined(self, run: Run) -> Iterator[Turn]:
        """The low pass of the start is held while the run goes on."""
        from pipelines.patches.low_pass import LowPass

        with LowPass(_latents(run, self.start()), run.noise, self.sketch.realism) as on:
            run.changes.append(on.on_step)
            yield _nothing

    @contextmanager
    def _guided(self, run: Run) -> Iterator[Turn]:
        """The predictor's gradient leads the first part of the run."""
        from pipelines.patches.sketch_guidance import SketchGuidance

        if self.predictor is None:
            raise ValueError("no predictor to be guided by")
        guide, hooks = self.predictor.open(run.pipe.unet)
        target = _latents(run, self.condition().resize((run.width, run.height), Image.Resampling.LANCZOS))
        with SketchGuidance(run.pipe, guide.to(run.pipe.unet.device), target, self.knobs.beta, self.knobs.guided_part, hooks) as on:
            run.changes.append(on.on_step)
            yield _nothing


def check(request: GenerationRequest, library: Library, inputs: Inputs) -> None:
    """Raise FieldError for a sketch that could not be followed: before the run, and before it is queued."""
    plan = SketchPlan.of(request, library, inputs)
    if plan is None or request.sketch is None:
        return
    for name in filter(None, (request.sketch.lines, request.sketch.strokes)):
        inputs.check(name)
    chosen = plan.chosen
    if chosen.colours and request.init is not None:
        raise FieldError("Sketch", "colours", "the run starts from another picture already",
                         fix="Take that picture out, or set the faithfulness to the colours to 0")
    if SAMPLERS.get(request.sampler).calls_per_step > 1 and chosen.colours and request.sketch.realism < 1:
        raise FieldError("Sampler", request.sampler, "it asks the model twice a step, a drawing's colours need once",
                         "Euler, DPM++ 2M, DDIM, …", "Choose one of these, or set realism to 1")


def _inked(drawing: Image.Image) -> Image.Image:
    """Its lines black on white, whatever they were drawn on."""
    return Image.fromarray((255 * (1 - lines(drawing))).round().astype(np.uint8))


def _latents(run: Run, picture: Image.Image) -> Tensor:
    """(1, channels, height, width) in the UNet's scale, of a picture brought to the size that is painted."""
    import torch

    from pipelines.loading.encode import encode
    from pipelines.spec.geometry import Size
    from pipelines.tasks.canvas import fitted

    fit = fitted(picture.convert("RGB"), Size(run.width, run.height), "Crop and resize")
    return encode(run.pipe.vae, torch.from_numpy(np.array(fit, np.float32) / 255).movedim(-1, 0)[None])


def _nothing(_turn: int) -> None:
    """A feature that only changes latents has nothing to do at a turn."""
