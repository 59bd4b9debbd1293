"""Does the border of an outpainted picture show? Ten renders of mini's world, 128 pixels more at each side.

The steps across each old border are held against those across every parallel line of the result: a seam would stand out of the
picture's own distribution. `python -m bench outpaint`; `python -m bench.outpaint KEEP` keeps a sheet to look at.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from bench.measure import Figure
from bench.pictures import Bench

PICTURES, ADDED = 10, 128
FIRST = 9_700           # of the held-out seeds
MOST = 0.95             # quantile of the picture's own lines that a border may reach


def beyond(picture: Image.Image, added: int = ADDED) -> float:
    """The highest quantile, among all parallel lines of the picture, of the mean step across one of its four old borders."""
    grey = np.asarray(picture.convert("L"), float)
    ranks = []
    for rows in (grey, grey.T):
        steps = np.abs(np.diff(rows, axis=1))[added:-added].mean(0)       # along the old picture's sides only
        ranks += [float((steps < steps[at]).mean()) for at in (added - 1, len(steps) - added)]
    return max(ranks)


def outpaint(keep: Path | None = None, count: int = PICTURES) -> list[Figure]:
    from pipelines.training.mini.pictures import HELD_OUT
    from pipelines.training.mini.score import WORLD, prompt
    from pipelines.training.mini.world.draw import draw
    from pipelines.training.mini.world.scene import sample

    made, same = [], []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for number in range(count):
            scene = sample(HELD_OUT + FIRST + number, WORLD)
            picture = draw(scene)
            made.append(bench.painted(picture, prompt(scene, Random(number)), number, init={"denoising_strength": 1.0},
                                      outpaint=dict.fromkeys(("left", "right", "top", "bottom"), ADDED)))
            inner = np.asarray(made[-1])[ADDED + 64:-ADDED - 64, ADDED + 64:-ADDED - 64]
            same.append(bool((inner == np.asarray(picture)[64:-64, 64:-64]).all()))
            print(f"picture {number}: {beyond(made[-1]):.2f}", file=sys.stderr, flush=True)
    if keep is not None:
        _kept(made, keep)
    ranks = [beyond(picture) for picture in made]
    return [
        Figure("outpaint", f"pictures (of {count}) with a border above the {MOST:.0%} quantile of their own lines",
               sum(rank > MOST for rank in ranks), "pictures", 0, {"quantiles": ranks}),
        Figure("outpaint", "pictures whose middle is not the source's, bit for bit", same.count(False), "pictures", 0)]


def _kept(pictures: list[Image.Image], folder: Path) -> None:
    side = pictures[0].width
    sheet = Image.new("RGB", (5 * side, -(-len(pictures) // 5) * side))
    for at, picture in enumerate(pictures):
        sheet.paste(picture, (at % 5 * side, at // 5 * side))
    folder.mkdir(parents=True, exist_ok=True)
    sheet.save(folder / "outpainted.png")


if __name__ == "__main__":
    from pipelines.loading.environment import prepare_environment

    prepare_environment()
    for told in outpaint(Path(sys.argv[1])):
        print(told)
