"""How CFG steers mini, measured instead of taken over: what networks taught on renders read from its pictures at each scale.

Prompts state subject, count, colour, place, hour, pose and the colours of hair, top and trousers; two thirds of them tell
of a person. `python -m bench guidance`; `python -m bench.guidance COUNT SHEET` keeps the pictures: a row for each scale.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from statistics import fmean

from bench.measure import ROOT, Figure
from bench.readings import saturation

LADDER = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 14.0)
SCENES = 48
LOST = 0.03         # of the ladder's best mean, at the scale that is recommended
MODEL = ROOT / "models" / "mini"


def guidance(count: int = SCENES, keep: Path | None = None) -> list[Figure]:
    """Shares of attributes read rightly at every scale; the figure is what the recommended one loses against the best."""
    from safetensors.torch import load_file

    from pipelines.advice.book import Book
    from pipelines.tasks.picture_book import PictureBook
    from pipelines.training.mini import probe, score, sheet
    from pipelines.training.mini.pictures import HELD_OUT, renders, to_picture
    from pipelines.training.mini.world.scene import sample

    network = PictureBook()
    network.load_state_dict(load_file(MODEL / "estimators" / "mini-estimators.safetensors"))
    readers = probe.opened(MODEL / "probe"), network.eval()
    seeds, rng, pipeline = range(HELD_OUT, HELD_OUT + count), Random(1), sheet.load(MODEL)
    scenes = [sample(seed, score.RICH) for seed in seeds]
    prompts = [score.rich_prompt(scene, rng) for scene in scenes]
    drawn = fmean(map(saturation, map(to_picture, renders(list(seeds), score.RICH))))
    rows, means = [], {}
    for scale in LADDER:
        painted = sheet.paint(pipeline, prompts, cfg=scale)
        read = score.told(readers, painted, scenes)
        means[scale] = fmean(read.values())
        shares = ", ".join(f"{name} {share:.0%}" for name, share in read.items())
        burnt = fmean(map(saturation, painted)) / drawn
        print(f"CFG {scale:g}: mean {means[scale]:.1%} ({shares}); saturation {burnt:.2f} of renders'", file=sys.stderr, flush=True)
        rows += painted
    if keep:
        sheet.sheet(rows, count).save(keep)
    scale = Book().scale("cfg_scale", "mini")
    assert scale is not None
    nearest = min(LADDER, key=lambda one: abs(one - scale.recommended))
    best = max(means, key=means.__getitem__)
    what = f"attributes lost at the recommended CFG ({scale.recommended:g}) against the ladder's best ({best:g})"
    return [Figure("guidance", what, means[best] - means[nearest], "", LOST, {f"CFG {k:g}": v for k, v in means.items()})]


if __name__ == "__main__":
    for figure in guidance(int(sys.argv[1]), Path(sys.argv[2])):
        print(figure)
