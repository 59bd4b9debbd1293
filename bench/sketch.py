"""Do pictures follow their drawings? Forty sketches of held-out scenes through the studio: lines, colours, the three ways.

`python -m bench sketch` prints the rows; `python -m bench.sketch 8 sheet.png` looks at eight drawings and keeps a sheet of them:
lines, strokes, without either, faithfulness 0.4, 0.8, 1, realism 0, 0.8, colours by usual and faithful knobs, predictor, branches.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from bench.measure import Figure
from bench.own_studio import model_name, own_studio, painted, told
from pipelines.drawing.lines import flat
from pipelines.drawing.ways import BRANCHES, PREDICTOR

if TYPE_CHECKING:
    from pipelines.studio import Studio

COUNT = 40
REACH = 4           # pixels that an edge may stand aside from its line
RUN = {"steps": 12, "cfg_scale": 7.0, "sampler": "DPM++ 2M", "schedule": "Karras"}
LADDER = (0.4, 0.8, 1.0)        # faithfulness, at realism 0.4
REALISM = (0.0, 0.4, 0.8)       # at faithfulness 0.8
HALVED = 0.5        # of the colours' distance must go
JUDGED = 12         # drawings at which the predictor's loss is looked
GUIDED = 0.6        # of the predictor's loss may stay
Scored = dict[str, float]


@dataclass(frozen=True)
class Drawing:
    """One scene drawn by an untrained hand: `lines` dark on white, `strokes` broad bars of colour on nothing; what it shows."""

    seed: int
    lines: Image.Image
    strokes: Image.Image
    words: str

    @classmethod
    def of(cls, number: int, rng: Random) -> Drawing:
        """The drawing of a held-out scene. The words say neither colours nor the hour: those are the strokes' to tell."""
        from pipelines.training.mini.conditions import condition
        from pipelines.training.mini.control_score import WORLD
        from pipelines.training.mini.pictures import HELD_OUT
        from pipelines.training.mini.score import setting
        from pipelines.training.mini.world.draw import record
        from pipelines.training.mini.world.labels import labels
        from pipelines.training.mini.world.scene import sample
        from pipelines.training.mini.world.truth import strokes

        scene = sample(HELD_OUT + 300 + number, WORLD)
        subject, place = labels(scene)["subject"], setting(scene, rng).rpartition(", ")[0]
        bars = strokes(record(scene)).convert("RGBA")
        bars.putalpha(ImageOps.invert(bars.convert("L").point(lambda grey: 255 if grey == 255 else 0)))
        return cls(number, ImageOps.invert(Image.fromarray(condition("scribble", scene))), bars,
                   place if subject == "nothing" else f"a {subject}, {place}")

    def request(self, studio: Studio, lines: bool = True, strokes: bool = False, **knobs: Any) -> dict[str, Any]:
        """For a picture of it. Without either the drawing is not followed."""
        parts = {"lines": studio.inputs.lend(self.lines) if lines else "",
                 "strokes": studio.inputs.lend(self.strokes) if strokes else ""}
        return {**RUN, "prompt": self.words, "seed": self.seed, **({"sketch": parts | knobs} if lines or strokes else {})}

    def met(self, picture: Image.Image) -> float:
        """F1 of the picture's Canny edges with the lines."""
        import torch

        from pipelines.training.mini.control_score import lines
        from pipelines.training.mini.estimators import f1

        return f1(lines(picture), torch.from_numpy(np.asarray(self.lines.convert("L")) < 128), REACH)

    def apart(self, picture: Image.Image) -> float:
        """Mean ΔE (CIE 1976) to the strokes' colours, where colour was laid."""
        import cv2

        one, two = (cv2.cvtColor(np.asarray(p.convert("RGB"), np.float32) / 255, cv2.COLOR_RGB2LAB)
                    for p in (picture, self.strokes))
        return float(np.linalg.norm(one - two, axis=-1)[np.asarray(self.strokes)[..., 3] > 127].mean())


def sketch() -> list[Figure]:
    """All rows, over forty drawings."""
    with own_studio() as studio:
        return Easel(studio, COUNT).figures()


class Easel:
    """Paints every drawing in every way that is there, and keeps the pictures in rows."""

    def __init__(self, studio: Studio, count: int) -> None:
        rng = Random(5)
        self.studio = studio
        self.drawings = [Drawing.of(number, rng) for number in range(count)]
        self.rows: dict[str, list[Image.Image]] = {}

    def paint(self, name: str, **how: Any) -> list[Image.Image]:
        """One picture of each drawing."""
        if name not in self.rows:
            self.rows[name] = [painted(self.studio, drawing.request(self.studio, **how)) for drawing in self.drawings]
        return self.rows[name]

    def mean(self, judge: Callable[[Drawing, Image.Image], float], pictures: Sequence[Image.Image]) -> float:
        """Of what `judge` says of each drawing and its picture."""
        return float(np.mean([judge(*pair) for pair in zip(self.drawings, pictures, strict=True)]))

    def figures(self) -> list[Figure]:
        """Lines by the best way, colours, then the ways that need something of their own."""
        from pipelines.loading.sketch_files import available

        there = available(self.studio.library, self.studio.model(model_name()))
        plain = self.mean(Drawing.met, self.paint("without", lines=False))
        made = [*self.lines(plain), self.colours()]
        if there.predictor:
            made += [self.way(PREDICTOR, plain), predicted(self.studio, there.predictor, self.drawings[:JUDGED])]
        if there.names.lines_net:
            made.append(self.way(BRANCHES, plain))
        return made

    def lines(self, plain: float) -> list[Figure]:
        """Edge F1 rises with faithfulness and falls with realism."""
        ladder = {str(f): self.mean(Drawing.met, self.paint(f"faithfulness {f}", faithfulness=f, realism=0.4)) for f in LADDER}
        real = {str(r): ladder["0.8"] if r == 0.4 else self.mean(
            Drawing.met, self.paint(f"realism {r}", faithfulness=0.8, realism=r)) for r in REALISM}
        told("edge F1 by faithfulness", {"without": plain, **ladder})
        told("edge F1 by realism", real)
        count = len(self.drawings)
        return [Figure("sketch", f"edge F1 over {count} drawings: largest ratio of a faithfulness to the next higher",
                       steepest([plain, *ladder.values()]), "", 1.0, {"without": plain, **ladder}),
                Figure("sketch", f"edge F1 over {count} drawings: largest ratio of a realism to the next lower",
                       steepest(list(real.values())[::-1]), "", 1.0, real)]

    def colours(self) -> Figure:
        """How far the picture is from the strokes' colours, over what it is without them; and at the knobs' first values."""
        known = {"without": self.rows["without"],
                 "usual knobs": self.paint("colours, usual", lines=False, strokes=True),
                 "most faithful": self.paint("colours", lines=False, strokes=True, stroke_faithfulness=1.0, realism=0.0)}
        far = {name: self.mean(Drawing.apart, pictures) for name, pictures in known.items()}
        told("ΔE to the strokes", far)
        return Figure("sketch", "ΔE to the strokes' colours, most faithful / without", far["most faithful"] / far["without"], "",
                      HALVED, far)

    def way(self, way: str, plain: float) -> Figure:
        """Edge F1 of another way; what the words alone reach, as its share."""
        met = self.mean(Drawing.met, self.paint(way, faithfulness=0.8, realism=0.0, way=way))
        told(f"edge F1, {way}", {"without": plain, "with": met})
        return Figure("sketch", f"edge F1, {way}: without / with", plain / max(met, 1e-6), "", 1.0, {"without": plain, "with": met})

    def sheet(self) -> Image.Image:
        """A row for each drawing: its lines, its strokes, then every picture."""
        columns = [[flat(d.lines) for d in self.drawings], [flat(d.strokes) for d in self.drawings], *self.rows.values()]
        page = Image.new("RGB", (132 * len(columns), 132 * len(self.drawings)), "white")
        for x, column in enumerate(columns):
            for y, picture in enumerate(column):
                page.paste(picture.resize((128, 128), Image.Resampling.LANCZOS), (132 * x, 132 * y))
        return page


def predicted(studio: Studio, predictor: Any, drawings: Sequence[Drawing]) -> Figure:
    """The predictor's loss at the end of the guided half at β 1, over the same at β 0."""
    losses: dict[float, list[float]] = {0.0: [], 1.0: []}
    pipe = studio.engine.residency.pipeline("txt2img", model_name())
    for drawing in drawings:
        for beta, found in losses.items():
            found.append(loss_after(pipe, predictor, drawing, beta))
    free, led = (float(np.mean(losses[beta])) for beta in (0.0, 1.0))
    told("predictor's loss after the guided half", {"β 0": free, "β 1": led})
    return Figure("sketch", "predictor's loss after the guided half, β 1 / β 0", led / free, "", GUIDED, {"β 0": free, "β 1": led})


def loss_after(pipe: Any, predictor: Any, drawing: Drawing, beta: float, steps: int = 20) -> float:
    """The predictor's loss at the first step that is not guided any more."""
    import torch

    from pipelines.loading.encode import encode
    from pipelines.patches.sketch_guidance import SketchGuidance

    guide, hooks = predictor.open(pipe.unet)
    pixels = np.array(ImageOps.invert(drawing.lines.convert("RGB")), np.float32) / 255
    found: list[float] = []
    with SketchGuidance(pipe, guide, encode(pipe.vae, torch.from_numpy(pixels).movedim(-1, 0)[None]), beta, 0.5, hooks) as on:
        def watch(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if step == steps // 2 + 1:
                found.append(on.loss())
            return on.on_step(pipe, step, timestep, tensors)

        pipe.set_progress_bar_config(disable=True)
        pipe(drawing.words, num_inference_steps=steps, guidance_scale=RUN["cfg_scale"], width=256, height=256, output_type="latent",
             generator=torch.Generator().manual_seed(drawing.seed), callback_on_step_end=watch)
    return found[0]


def steepest(values: Sequence[float]) -> float:
    """The largest ratio of one value to the next: below 1 where every value is larger than the one before."""
    return max(a / max(b, 1e-6) for a, b in zip(values[:-1], values[1:], strict=True))


if __name__ == "__main__":
    with own_studio() as own:
        easel = Easel(own, int(sys.argv[1]))
        for row in easel.figures():
            print(row)
        easel.sheet().save(Path(sys.argv[2]))
