"""Do the tiles of a tiled upscale show? Sixteen scenes ×4 by the default and by separate tiles without a seam fix.

Gradient energy across the tiles' borders over that across the rest of the model's grid, as each run says of itself; 1 is the
picture elsewhere. The same borders are read in the enlarged picture that no tile has touched: edges of the scene lie on some.
`python -m bench seams`; `python -m bench.seams KEEP [SCENES]` keeps the pictures and takes up what is there already.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any

from PIL import Image

from bench.measure import Figure
from pipelines.settings import checked
from pipelines.spec.geometry import Size
from pipelines.spec.parts import Tiled
from pipelines.spec.request import GenerationRequest

SCENES, SCALE = 16, 4
FIRST = 9_500           # of the held-out seeds
WAYS = {"Blended": "blended (the default)", "Feathered": "feathered", "Separate": "separate, no seam fix"}
REQUEST: Mapping[str, Any] = {"model": "mini", "steps": 12, "cfg_scale": 5.0, "sampler": "DPM++ 2M", "schedule": "Karras",
                              "width": 256, "height": 256}
STRENGTH = 0.3


@dataclass(frozen=True)
class Scene:
    """A render of mini's world, with a caption."""

    number: int
    picture: Image.Image
    words: str

    @classmethod
    def of(cls, number: int) -> Scene:
        from pipelines.training.mini.pictures import HELD_OUT
        from pipelines.training.mini.score import WORLD, prompt
        from pipelines.training.mini.world.draw import draw
        from pipelines.training.mini.world.scene import sample

        scene = sample(HELD_OUT + FIRST + number, WORLD)
        return cls(number, draw(scene), prompt(scene, Random(number)))


class Bench:
    """A studio and the folder its pictures are kept in."""

    def __init__(self, folder: Path) -> None:
        from extensions.loader import load
        from pipelines.studio import Studio

        settings = checked({"data_dir": folder / "studio"})
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.studio = folder, Studio(settings, load(settings))
        self.studio.library.scan()

    def larger(self, scene: Scene, way: str, strength: float = STRENGTH) -> Image.Image:
        """The scene ×4; a picture that is kept from an earlier run is read."""
        file = self.folder / f"{scene.number:02d}-{way if strength else 'enlarged'}.png"
        if file.is_file():
            return Image.open(file).convert("RGB")
        request = GenerationRequest.parse({
            **REQUEST, "prompt": scene.words, "seed": scene.number, "tiled": {"scale": SCALE, "method": way},
            "init": {"image": self.studio.inputs.keep(scene.picture), "denoising_strength": strength}})
        [made] = self.studio.engine.run(self.studio.check(request), lambda event: None)
        made.image.save(file, compress_level=1)
        return made.image

    def score(self, picture: Image.Image, way: str) -> float:
        """Of the borders that `way` has in a picture of this size."""
        from pipelines.tasks.tiles import borders, plan, seam_score

        family = self.studio.model("mini").family
        first = Size(picture.width // SCALE, picture.height // SCALE)
        todo = plan(first, Tiled(scale=SCALE, method=way), family)
        return seam_score(picture, *borders(todo, Size(*picture.size)), family.size_step)


def seams(keep: Path | None = None, scenes: int = SCENES) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(keep or Path(folder))
        found: dict[str, list[float]] = {name: [] for way in WAYS for name in (way, f"{way}, enlarged alone")}
        for scene in map(Scene.of, range(scenes)):
            untouched = bench.larger(scene, "Blended", 0)
            for way in WAYS:
                found[way].append(bench.score(bench.larger(scene, way), way))
                found[f"{way}, enlarged alone"].append(bench.score(untouched, way))
            print(f"scene {scene.number}: " + ", ".join(f"{name} {row[-1]:.2f}" for name, row in found.items()), file=sys.stderr,
                  flush=True)
    return [figure for way, told in WAYS.items() for figure in _figures(way, told, found[way], found[f"{way}, enlarged alone"])]


def _figures(way: str, told: str, painted: Sequence[float], untouched: Sequence[float]) -> list[Figure]:
    """The score as the run says it; and over that of the same borders before a tile was painted, which leaves out the scene."""
    target = 1.05 if way == "Blended" else 99.0         # what the script does is shown beside it
    return [Figure("seams", f"{told}: mean of {len(painted)} scenes ×{SCALE}", fmean(painted), "x", target,
                   {"painted": list(painted), "enlarged alone": list(untouched)}),
            Figure("seams", f"{told}: over the enlarged picture's, median", median(
                one / other for one, other in zip(painted, untouched, strict=True)), "x", 99.0)]


if __name__ == "__main__":
    from pipelines.loading.environment import prepare_environment

    prepare_environment()
    for told in seams(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else SCENES):
        print(told)
