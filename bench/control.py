"""Do pictures follow their conditions? Mini's ControlNets through the studio's own engine, alone and two together.

The conditions are the truth of held-out scenes of mini's world; what a picture followed is read with the studio's edge
detector and mini's estimators. `python -m bench control` needs the nets in `models/mini/controlnet`; without them it says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from bench.measure import Figure
from pipelines.settings import checked
from pipelines.spec.request import GenerationRequest

COUNT = 12
PAIRS = (("canny", "depth"), ("pose", "canny"))     # both are asked of one picture
LOWER_IS_BETTER = ("normal",)       # degrees
KEPT = 0.8          # of its own score, with a second unit beside it
REQUEST = {"model": "mini", "steps": 25, "cfg_scale": 7.0, "sampler": "DPM++ 2M", "schedule": "Karras", "width": 256, "height": 256}


@dataclass(frozen=True)
class Scenes:
    """Held-out scenes with their captions and, by kind, the conditions they would be drawn from."""

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

    def painted(self, studio: Any, kinds: Sequence[str]) -> list[Image.Image]:
        """A picture of each scene, a unit for each kind."""
        from pipelines.training.mini.conditions import condition

        made = []
        for seed, (scene, caption) in enumerate(zip(self.scenes, self.captions, strict=True)):
            units = [{"model": f"mini/{kind}", "image": studio.inputs.keep(Image.fromarray(condition(kind, scene)))}
                     for kind in kinds]
            request = GenerationRequest.parse({**REQUEST, "prompt": caption, "seed": seed, "control": units})
            made += [f.image for f in studio.engine.run(studio.check(request), lambda event: None)]
        return made

    def followed(self, kind: str, pictures: Sequence[Image.Image], network: Any) -> float:
        """Mean over the pictures: F1 of edges, rank correlation of depth, degrees between normals, share of key points."""
        from pipelines.training.mini.control_score import follows

        return float(np.mean([follows(kind, *pair, network) for pair in zip(self.scenes, pictures, strict=True)]))


def control() -> list[Figure]:
    """Prints the table; the figures are what must hold of it."""
    with tempfile.TemporaryDirectory() as folder:
        from extensions.loader import load
        from pipelines.studio import Studio

        settings = checked({"data_dir": Path(folder)})
        studio = Studio(settings, load(settings))
        studio.library.scan()
        return scored(studio, COUNT)


def scored(studio: Any, count: int) -> list[Figure]:
    """The table of every net that is there."""
    from pipelines.training.mini.conditions import CONDITIONS

    there = [kind for kind in CONDITIONS if f"mini/{kind}" in {c.name for c in studio.controls("mini")}]
    if not there:
        print("No ControlNets in models/mini/controlnet: nothing to measure.")
        return []
    network = estimators(studio)
    worlds = {people: Scenes.of(people, count) for people in {kind == "pose" for kind in there}}
    plain = {people: world.painted(studio, ()) for people, world in worlds.items()}
    alone: dict[tuple[str, bool], float] = {}
    figures = []
    for kind in there:
        world = worlds[kind == "pose"]
        alone[kind, kind == "pose"] = world.followed(kind, world.painted(studio, (kind,)), network)
        without = world.followed(kind, plain[kind == "pose"], network)
        print(f"{kind}: {alone[kind, kind == 'pose']:.3f} with, {without:.3f} without", flush=True)
        figures.append(_better(kind, alone[kind, kind == "pose"], without))
    for pair in PAIRS:
        if set(pair) <= set(there):
            figures += _together(studio, pair, worlds["pose" in pair], alone, network)
    return figures


def _together(studio: Any, pair: tuple[str, str], world: Scenes, alone: dict[tuple[str, bool], float],
              network: Any) -> list[Figure]:
    both, figures = world.painted(studio, pair), []
    for kind in pair:
        people = "pose" in pair
        if (kind, people) not in alone:
            alone[kind, people] = world.followed(kind, world.painted(studio, (kind,)), network)
        score = world.followed(kind, both, network)
        print(f"{kind} beside {pair[1 - pair.index(kind)]}: {score:.3f}, alone {alone[kind, people]:.3f}", flush=True)
        figures.append(Figure("control", f"{kind} beside {pair[1 - pair.index(kind)]}: share of its score that is lost",
                              1 - score / alone[kind, people], "", 1 - KEPT, {"alone": alone[kind, people], "both": score}))
    return figures


def _better(kind: str, score: float, without: float) -> Figure:
    """Without the net over with it (or the other way round where less is better): below 1 the net steers."""
    value = score / without if kind in LOWER_IS_BETTER else without / max(score, 1e-6)
    return Figure("control", f"{kind}: what chance gives, as a share of what the net gives", value, "", 1.0,
                  {"with": score, "without": without})


def estimators(studio: Any) -> Any:
    """Mini's estimators as they lie beside it; None where only edges can be read."""
    from pipelines.loading.annotators import fill
    from pipelines.tasks.picture_book import PictureBook

    files = sorted(p for root in studio.settings.model_roots for p in Path(root).glob("mini/estimators/*.safetensors"))
    return fill(PictureBook(), files[0]) if files else None
