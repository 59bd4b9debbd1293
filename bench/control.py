"""Do pictures follow their conditions? Mini's ControlNets through the studio's own engine, alone and two together.

The conditions are the truth of held-out scenes of mini's world; what a picture followed is read with the studio's edge
detector and mini's estimators. `python -m bench control` takes whatever nets lie beside the model (`own_studio.py` says how
another model is measured) and says of the kinds that are not there that they were not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from bench.measure import Figure
from bench.own_studio import model_name, own_studio, painted
from pipelines.families.mini import MINI

COUNT = 8
PAIRS = (("canny", "depth"), ("pose", "canny"), ("scribble", "normal"))     # both are asked of one picture
MEASURES = {"canny": "F1 of edges", "scribble": "F1 of outlines", "depth": "rank correlation", "normal": "degrees, less is better",
            "pose": "share of key points"}
LOWER_IS_BETTER = ("normal",)
KEPT = 0.8          # of its own score, with a second unit beside it
REQUEST = {"steps": 25, "cfg_scale": 7.0, "sampler": "DPM++ 2M", "schedule": "Karras"}
Paint = Callable[[dict[str, Any]], Image.Image]
Units = tuple[str, ...]


@dataclass(frozen=True)
class Scenes:
    """Held-out scenes with their captions."""

    scenes: Sequence[Any]
    captions: Sequence[str]

    @classmethod
    def of(cls, people: bool, count: int) -> Scenes:
        from pipelines.training.mini.control_score import PEOPLE, WORLD
        from pipelines.training.mini.pictures import HELD_OUT
        from pipelines.training.mini.score import prompt
        from pipelines.training.mini.world.scene import sample

        found, rng = [sample(HELD_OUT + k, PEOPLE if people else WORLD) for k in range(count)], Random(3)
        return cls(found, [prompt(scene, rng) for scene in found])


@dataclass
class Table:
    """Scores of single kinds under any units; every picture is painted once.

    keep: a picture's name for a request.   paint: of a request in plain data.   network: mini's estimators.
    """

    keep: Callable[[Image.Image], str]
    paint: Paint
    network: Any
    count: int = COUNT
    request: dict[str, Any] = field(default_factory=lambda: dict(REQUEST))
    _made: dict[tuple[Units, bool], list[Image.Image]] = field(default_factory=dict)
    _worlds: dict[bool, Scenes] = field(default_factory=dict)

    def score(self, kind: str, units: Units, people: bool) -> float:
        """Mean over the pictures of how `kind`'s condition was followed while `units` steered."""
        from pipelines.training.mini.control_score import follows

        pairs = zip(self._world(people).scenes, self._pictures(units, people), strict=True)
        return float(np.mean([follows(kind, scene, picture, self.network) for scene, picture in pairs]))

    def alone(self, kind: str) -> tuple[float, float]:
        """(with its net, with none)."""
        people = kind == "pose"
        return self.score(kind, (kind,), people), self.score(kind, (), people)

    def beside(self, kind: str, pair: Units) -> tuple[float, float]:
        """(with both nets, with its own alone), of the same scenes."""
        people = "pose" in pair
        return self.score(kind, pair, people), self.score(kind, (kind,), people)

    def _world(self, people: bool) -> Scenes:
        if people not in self._worlds:
            self._worlds[people] = Scenes.of(people, self.count)
        return self._worlds[people]

    def _pictures(self, units: Units, people: bool) -> list[Image.Image]:
        from pipelines.training.mini.conditions import condition

        if (units, people) not in self._made:
            world, made = self._world(people), []
            for seed, (scene, caption) in enumerate(zip(world.scenes, world.captions, strict=True)):
                control = [{"model": f"{model_name()}/{kind}", "control_mode": MINI.control_mode,
                            "image": self.keep(Image.fromarray(condition(kind, scene)))}
                           for kind in units]
                made.append(self.paint(self.request | {"prompt": caption, "seed": seed, "control": control}))
            self._made[units, people] = made
        return self._made[units, people]


def control() -> list[Figure]:
    """Says the table on the way; the figures are what must hold of it."""
    with own_studio() as studio:
        there = kinds(studio)
        network = estimators(studio)
        return scored(Table(studio.inputs.keep, lambda request: painted(studio, request), network), there)


def kinds(studio: Any) -> list[str]:
    """Those whose net lies beside the model; the others are named."""
    from pipelines.training.mini.conditions import CONDITIONS

    names = {control.name for control in studio.controls(model_name())}
    missing = [kind for kind in CONDITIONS if f"{model_name()}/{kind}" not in names]
    if missing:
        print(f"not measured, no net is there: {', '.join(missing)}", file=sys.stderr)
    return [kind for kind in CONDITIONS if kind not in missing]


def scored(table: Table, there: Sequence[str]) -> list[Figure]:
    """The whole table of the nets that are there."""
    figures = []
    for kind in there:
        score, without = table.alone(kind)
        say(f"{kind}: {score:.3f} with its net, {without:.3f} without ({MEASURES[kind]})")
        figures.append(Figure("control", f"{kind}: what chance gives, as a share of what the net gives",
                              share(kind, without, score), "", 1.0, {"with": score, "without": without}))
    for pair in (pair for pair in PAIRS if set(pair) <= set(there)):
        for kind, other in (pair, pair[::-1]):
            both, alone = table.beside(kind, pair)
            say(f"{kind} beside {other}: {both:.3f}, alone {alone:.3f}")
            figures.append(Figure("control", f"{kind} beside {other}: share of its score that is lost",
                                  1 - share(kind, both, alone), "", round(1 - KEPT, 9), {"alone": alone, "both": both}))
    return figures


def share(kind: str, one: float, other: float) -> float:
    """`one` as a share of `other`, the other way round where less is better: above 1 it is the better one."""
    above, below = (other, one) if kind in LOWER_IS_BETTER else (one, other)
    return above / max(below, 1e-6)


def say(line: str) -> None:
    """Beside the table of the figures, which goes to the standard output."""
    print(line, file=sys.stderr, flush=True)


def estimators(studio: Any) -> Any:
    """Mini's estimators as they lie beside it. Raises StopIteration where there are none."""
    from pipelines.loading.annotators import fill
    from pipelines.tasks.picture_book import PictureBook

    files = (file for root in studio.settings.model_roots for file in sorted(Path(root).glob("mini/estimators/*.safetensors")))
    return fill(PictureBook(), next(files))
