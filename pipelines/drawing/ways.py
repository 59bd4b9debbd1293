"""Which way a drawing is followed: by what was asked for and by what there is for the model. Names only; no torch, no files."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.spec.errors import FieldError
from pipelines.spec.parts import Sketch

AUTOMATIC, CONTROLNET, PREDICTOR, COLOURS, BRANCHES = (
    "Automatic", "ControlNet", "Guidance predictor", "Colour refinement", "Three branches")


@dataclass(frozen=True)
class Available:
    """What lies on the disk for one model; "" for what does not.

    lines_net: a ControlNet that reads lines (scribble, lineart, canny).   colours_net: one that reads colours (tile, colour).
    predictor: a latent guidance predictor.   missing_net, missing_predictor: what to put where, in one line each.
    """

    lines_net: str = ""
    colours_net: str = ""
    predictor: str = ""
    missing_net: str = "Put a scribble ControlNet of the model's family into models/ControlNet"
    missing_predictor: str = "Put a guidance predictor trained for this model into its own folder sketch/, or into models/sketch/"


@dataclass(frozen=True)
class Chosen:
    """How a drawing is followed. lines: CONTROLNET, PREDICTOR, COLOURS, BRANCHES or "" (nothing follows the lines).

    colours: whether what was drawn is held, whole at first and then its low pass.
    """

    lines: str
    colours: bool
    net: str = ""
    colours_net: str = ""
    predictor: str = ""

    @property
    def comb(self) -> bool:
        """Whether lines and colours together are held: nothing else follows the lines."""
        return self.lines == COLOURS


def choose(sketch: Sketch, has: Available) -> Chosen:
    """The way for this drawing and these knobs. Raises FieldError: nothing drawn, or what was asked for is not there."""
    if not (sketch.lines or sketch.strokes):
        raise FieldError("Sketch", "none", "there is nothing to follow", fix="Draw something, or choose a drawing")
    lined, coloured = bool(sketch.lines and sketch.faithfulness), bool(sketch.strokes and sketch.stroke_faithfulness)
    if sketch.way == BRANCHES:
        return _branches(sketch, has)
    if sketch.way == COLOURS or not lined:
        return Chosen(COLOURS if lined else "", lined or coloured)
    if sketch.way == CONTROLNET and not has.lines_net:
        raise FieldError("Way", sketch.way, "no ControlNet that reads lines is here for this model", fix=has.missing_net)
    if sketch.way == PREDICTOR and not has.predictor:
        raise FieldError("Way", sketch.way, "no guidance predictor is here for this model", fix=has.missing_predictor)
    if has.lines_net and sketch.way != PREDICTOR:
        return Chosen(CONTROLNET, coloured, net=has.lines_net)
    if has.predictor:
        return Chosen(PREDICTOR, coloured, predictor=has.predictor)
    return Chosen(COLOURS, True)


def _branches(sketch: Sketch, has: Available) -> Chosen:
    """Both nets where both are drawn: the branches are the two conditions, each alone beside the words."""
    if not has.lines_net or (sketch.strokes and not has.colours_net):
        which = "a ControlNet that reads lines" if not has.lines_net else "a ControlNet that reads colours (tile or colour)"
        raise FieldError("Way", sketch.way, f"it needs {which} for this model", fix=has.missing_net)
    return Chosen(BRANCHES, False, has.lines_net, has.colours_net)


def said(sketch: Sketch, chosen: Chosen) -> str:
    """The way in one line, for the picture's metadata; names the approximation as one."""
    lines = {CONTROLNET: f"lines by ControlNet {chosen.net}", PREDICTOR: f"lines by guidance predictor {chosen.predictor}",
             COLOURS: "low pass of the whole drawing",
             BRANCHES: f"three branches (training-free approximation of DiSS) by {chosen.net}"
                       + (f" and {chosen.colours_net}" if chosen.colours_net and sketch.strokes else "")}.get(chosen.lines, "")
    colours = "low pass of the colours" if chosen.colours and not chosen.comb else ""
    return ", ".join(filter(None, (lines, colours))) or "all knobs at 0: the drawing is not followed"
