"""What guidance in an interval of the run costs and gains on mini: what networks taught on renders read from the pictures.

Prompts and reading are those of `bench/guidance.py`. `python -m bench interval`; `python -m bench.interval COUNT SHEET` keeps the
pictures: a row for each interval.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random
from statistics import fmean
from time import process_time

from bench.guidance import MODEL, SCENES
from bench.measure import ROOT, Figure
from bench.readings import saturation

SCALE = 7.0
INTERVALS = ((0.0, 1.0), (0.2, 0.8), (0.0, 0.6), (0.2, 1.0))     # the first is all of the run
SHARE = 0.92        # of the time of a picture that is guided throughout, at 0.2-0.8: 0.8 by the count of passes, then it is decoded


def interval(count: int = SCENES, keep: Path | None = None) -> list[Figure]:
    """Shares of attributes read rightly and CPU seconds a picture for every interval; the figure is the time at 0.2-0.8."""
    from safetensors.torch import load_file

    from pipelines.engine import Engine
    from pipelines.loading.device import Device
    from pipelines.loading.library import Library
    from pipelines.loading.residency import Residency
    from pipelines.spec.request import GenerationRequest
    from pipelines.tasks.picture_book import PictureBook
    from pipelines.training.mini import probe, score, sheet
    from pipelines.training.mini.pictures import HELD_OUT, renders, to_picture
    from pipelines.training.mini.world.scene import sample

    network = PictureBook()
    network.load_state_dict(load_file(MODEL / "estimators" / "mini-estimators.safetensors"))
    readers = probe.opened(MODEL / "probe"), network.eval()
    seeds, rng = range(HELD_OUT, HELD_OUT + count), Random(1)
    scenes = [sample(seed, score.RICH) for seed in seeds]
    prompts = [score.rich_prompt(scene, rng) for scene in scenes]
    drawn = fmean(map(saturation, map(to_picture, renders(list(seeds), score.RICH))))
    rows, spent = [], {}
    with tempfile.TemporaryDirectory() as own:
        engine = Engine(Residency(Library([ROOT / "models"], Path(own)), Device.pick("cpu")))
        for start, end in INTERVALS:
            def cell(index: int, start: float = start, end: float = end) -> GenerationRequest:
                return GenerationRequest(prompt=prompts[index], seed=index, cfg_scale=SCALE, cfg_start=start, cfg_end=end)

            before = process_time()
            made = sorted(engine.run_cells(range(count), cell, lambda event: None, _raised, exact=False), key=lambda one: one.index)
            seconds, painted = (process_time() - before) / count, [one.image for one in made]
            read, spent[f"{start:g}-{end:g}"] = score.told(readers, painted, scenes), seconds
            shares = ", ".join(f"{name} {share:.0%}" for name, share in read.items())
            print(f"CFG {SCALE:g} in {start:g}-{end:g}: mean {fmean(read.values()):.1%} ({shares}); saturation "
                  f"{fmean(map(saturation, painted)) / drawn:.2f} of renders'; {seconds:.2f} s a picture",
                  file=sys.stderr, flush=True)
            rows += painted
    if keep:
        sheet.sheet(rows, count).save(keep)
    return [Figure("interval", f"time of a picture with CFG {SCALE:g} in 0.2-0.8 of the run, over that of all of it",
                   spent["0.2-0.8"] / spent["0-1"], "", SHARE, {f"{name} s": one for name, one in spent.items()})]


def _raised(_index: int, error: Exception) -> None:
    raise error


if __name__ == "__main__":
    for figure in interval(int(sys.argv[1]), Path(sys.argv[2])):
        print(figure)
