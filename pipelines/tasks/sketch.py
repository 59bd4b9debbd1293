"""A drawing on its way into a run: its way is chosen, it becomes a control unit and changes of the latents.

The request that is kept says what was drawn; `laid_out` gives the one that is painted. Torch comes in with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from pipelines.drawing import ways
from pipelines.drawing.knobs import Knobs
from pipelines.drawing.lines import colour_start, flat, lines
from pipelines.drawing.split import joined
from pipelines.loading.sketch_files import Predictor, available
from pipelines.prompt.parse import pieces
from pipelines.samplers import SAMPLERS
from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size
from pipelines.spec.parts import BALANCED, Sketch
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.canvas import fitted
from pipelines.tasks.feature import Feature, Run, Turn

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.archive.inputs import Inputs
    from pipelines.loading.library import Library, ModelFile

NEAR = 5        # of 128 pixels: how far round a line the sheet counts as drawn on


@dataclass(frozen=True)
class SketchPlan:
    """One drawing for one model. Nothing is loaded until a feature is entered."""

    sketch: Sketch
    chosen: ways.Chosen
    inputs: Inputs
    predictor: Predictor | None = None
    cfg_scale: float = 1.0
    mode: str = BALANCED

    @classmethod
    def of(cls, request: GenerationRequest, library: Library, inputs: Inputs) -> SketchPlan | None:
        """None without a sketch. Raises FieldError: nothing drawn, or a way that is not there."""
        if request.sketch is None:
            return None
        file = library.find(request.model)
        found = available(library, file)
        chosen = ways.choose(request.sketch, found.names)
        return cls(request.sketch, chosen, inputs, found.predictor if chosen.lines == ways.PREDICTOR else None,
                   request.cfg_scale, file.family.control_mode)

    @property
    def knobs(self) -> Knobs:
        return Knobs(self.sketch.faithfulness, self.sketch.stroke_faithfulness, self.sketch.realism)

    @property
    def said(self) -> dict[str, str]:
        """For the picture's metadata."""
        return {"Sketch way": ways.said(self.sketch, self.chosen)}

    def laid_out(self, requests: Sequence[GenerationRequest]) -> list[GenerationRequest]:
        """`requests` with the lines as their first control unit, where a ControlNet follows them."""
        changes: dict[str, Any] = {}
        if self.chosen.lines == ways.CONTROLNET:
            unit = {"image": self.inputs.lend(self.condition()), "model": self.chosen.net, "preprocessor": "none",
                    "weight": self.knobs.control_scale, "end": self.knobs.control_end, "control_mode": self.mode}
            changes["control"] = [unit, *(u.model_dump() for u in requests[0].control)]
        return [r.merged(changes) for r in requests] if changes else list(requests)

    def features(self, net: Callable[[str], Any]) -> tuple[Feature, ...]:
        """What changes the latents on their way. net: a loaded ControlNet by its name."""
        wanted: list[Feature] = []
        if self.chosen.lines == ways.BRANCHES:
            wanted.append(self._branched(net))
        if self.chosen.lines == ways.PREDICTOR and self.predictor:
            wanted.append(self._guided)
        if self.chosen.colours:
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

    def drawn_on(self) -> Image.Image:
        """L: white where colour was laid, and round the lines where nothing else follows those."""
        strokes, lined = self._open(self.sketch.strokes), self._open(self.sketch.lines) if self.chosen.comb else None
        where = strokes.convert("RGBA").getchannel("A") if strokes else None
        if lined is None:
            return where or Image.new("L", (64, 64), 255)
        ink = Image.fromarray((lines(lined) * 255).round().astype(np.uint8))
        near = ink.resize((128, 128)).filter(ImageFilter.MaxFilter(NEAR)).resize(ink.size)
        return near if where is None else ImageChops.lighter(near.resize(where.size), where)

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
        """What was drawn is held at first, then its low pass; what was not drawn on is free all the while."""
        from pipelines.patches.low_pass import LowPass

        knobs = self.knobs
        lines = knobs.sketch if self.chosen.comb else 0.0
        held = Knobs(knobs.sketch, max(lines, knobs.stroke if self.sketch.strokes else 0.0), knobs.realism)
        with LowPass(_latents(run, self.start()), run.noise, knobs.realism, _share(run, self.drawn_on()), 1 - held.strength) as on:
            run.changes.append(on.on_step)
            yield _nothing

    def _branched(self, net: Callable[[str], Any]) -> Feature:
        """Sketch and strokes as branches beside the words; a knob of 1 is as strong as a ControlNet at weight 1."""
        lines_net = net(self.chosen.net)
        colours_net = net(self.chosen.colours_net) if self.sketch.strokes else lines_net

        @contextmanager
        def branched(run: Run) -> Iterator[Turn]:
            from pipelines.patches.three_branch import ThreeBranches, controlled

            sketch = controlled(lines_net, _pixels(self.condition() if self.sketch.lines else Image.new("RGB", (64, 64)), run))
            stroke = controlled(colours_net, _pixels(self.start(), run)) if self.sketch.strokes else sketch
            scales = (self.sketch.faithfulness * self.cfg_scale if self.sketch.lines else 0.0,
                      self.sketch.stroke_faithfulness * self.cfg_scale if self.sketch.strokes else 0.0)
            with ThreeBranches(run.pipe, sketch, stroke, scales, self.cfg_scale, run.batch):
                yield _nothing

        return branched

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
    if chosen.lines == ways.BRANCHES and request.cfg_scale <= 1:
        raise FieldError("CFG scale", request.cfg_scale, "three branches are laid over guidance", "above 1", "Raise it")
    if chosen.lines == ways.BRANCHES and len(pieces(request.prompt)) > 1:
        raise FieldError("Prompt", request.prompt, "AND cannot be combined with three branches", "one prompt",
                         "Take AND and regions out of it, or choose another way")
    if SAMPLERS.get(request.sampler).calls_per_step > 1 and chosen.colours:
        raise FieldError("Sampler", request.sampler, "it asks the model twice a step, a drawing's colours need once",
                         "Euler, DPM++ 2M, DDIM, …", "Choose one of these")


def _inked(drawing: Image.Image) -> Image.Image:
    """Its lines black on white, whatever they were drawn on."""
    return Image.fromarray((255 * (1 - lines(drawing))).round().astype(np.uint8))


def _latents(run: Run, picture: Image.Image) -> Tensor:
    """(1, channels, height, width) in the UNet's scale, of a picture brought to the size that is painted."""
    from pipelines.loading.encode import encode

    return encode(run.pipe.vae, _pixels(picture, run))


def _pixels(picture: Image.Image, run: Run) -> Tensor:
    """(1, 3, height, width), 0 to 1, at the size that is painted."""
    import torch

    fit = fitted(picture.convert("RGB"), Size(run.width, run.height), "Crop and resize")
    return torch.from_numpy(np.array(fit, np.float32) / 255).movedim(-1, 0)[None]


def _share(run: Run, where: Image.Image) -> Tensor:
    """(1, 1, h, w): how much of every latent pixel is white."""
    import torch

    factor = run.pipe.vae_scale_factor
    fit = fitted(where.convert("RGB"), Size(run.width, run.height), "Crop and resize").convert("L")
    small = fit.resize((run.width // factor, run.height // factor), Image.Resampling.BOX)
    return torch.from_numpy(np.array(small, np.float32) / 255)[None, None]


def _nothing(_turn: int) -> None:
    """A feature that only changes latents has nothing to do at a turn."""


def outlook(library: Library, model: ModelFile, way: str) -> str:
    """How lines would be followed on `model`, and what is missing for a better way; one line for the user."""
    names = available(library, model).names
    try:
        chosen = ways.choose(Sketch(lines="0" * 64, way=way), names)
    except FieldError as error:
        return str(error)
    told = ways.said(Sketch(lines="0" * 64), chosen)
    better = "" if chosen.lines != ways.COLOURS or way == ways.COLOURS else f" For lines that are met exactly: {names.missing_net}."
    return f"{told[0].upper()}{told[1:]}.{better}"
