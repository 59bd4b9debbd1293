"""Whole grids as the studio paints them against as many single runs of the bare diffusers pipeline, eight cells in turns.

In turns, so that a busy neighbour hits both. The figure is CPU seconds of one thread; both wall clocks stand beside it.
`python -m bench grid` runs all of them whole; `python -m bench.grid strength 1` the first eight cells of those so named.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from bench.measure import ROOT, Figure
from bench.painting import REQUEST, Bench
from pipelines import experiments, samplers
from pipelines.grid import Grid
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest

PORTION = 8
STEPS = 25
START = ROOT / "presets" / "experiments" / "start.png"
GRIDS: Mapping[str, tuple[float, Mapping[str, Any], Sequence[tuple[str, str]]]] = {     # target, what is set, axes
    "CFG × seed, 8 × 8": (0.7, {}, [("cfg_scale", "2-9"), ("seed", "1-8")]),
    "seeds × prompts, 8 × 2": (0.8, {}, [("seed", "1-8"), ("prompt_sr", "red, blue")]),
    "strength × seed, 8 × 2": (0.8, {"init": {}}, [("init.denoising_strength", "0.3-1 (+0.1)"), ("seed", "1-2")]),
    "sampler × steps, 4 × 2": (1.05, {"schedule": "Automatic"},         # of unlike samplers nothing is shared
                               [("sampler", "Euler, Euler a, DPM++ 2M, DDIM"), ("steps", "8, 16")])}


def grid(named: str = "", portions: int = 8) -> list[Figure]:
    """Those whose name holds `named`; at most so many portions of eight cells of each."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        return [_figure(bench, name, target, (_grid(bench, changes, axes), portions))
                for name, (target, changes, axes) in GRIDS.items() if named in name]


def _grid(bench: Bench, changes: Mapping[str, Any], axes: Sequence[tuple[str, str]]) -> Grid:
    start = {"init": {"image": bench.studio.inputs.keep_file(START)}} if "init" in changes else {}
    base = GenerationRequest.parse({**REQUEST, "steps": STEPS, **changes, **start})
    return experiments.grid_of(bench.studio, base, axes)


def _figure(bench: Bench, name: str, target: float, part: tuple[Grid, int]) -> Figure:
    """part: the grid, and how many portions of it are painted."""
    wanted, portions = part
    order = wanted.order()[:portions * PORTION]
    _alone(bench, [wanted.cell(order[0])])
    _take(_painting(bench, wanted, order[:2]), 2)        # both have seen their first picture
    cells = _painting(bench, wanted, order)
    spent: dict[str, list[float]] = {"grid": [], "bare": [], "grid wall": [], "bare wall": []}
    for begin in range(0, len(order), PORTION):
        portion = order[begin:begin + PORTION]
        _timed(spent, "grid", lambda portion=portion: _take(cells, len(portion)))
        _timed(spent, "bare", lambda portion=portion: _alone(bench, [wanted.cell(index) for index in portion]))
    return Figure("G", f"grid {name} on mini, {len(order)} cells saved / as many single runs of bare diffusers (CPU, 256², "
                  f"{STEPS} steps at most, one thread)", sum(spent["grid"]) / sum(spent["bare"]), "×", target, spent)


def _timed(spent: dict[str, list[float]], name: str, work: Callable[[], None]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    spent[name].append(time.process_time() - cpu)
    spent[f"{name} wall"].append(time.perf_counter() - wall)


def _painting(bench: Bench, wanted: Grid, order: Sequence[int]) -> Any:
    """As the studio paints a grid: sampled together where they may be; a cell comes when it is asked for."""
    def failed(_index: int, error: StudioError) -> None:
        raise error

    for finished in bench.studio.engine.run_cells(order, wanted.cell, lambda event: None, failed, wanted.exact):
        bench.studio.keep(finished, lambda event: None)
        yield finished


def _take(cells: Any, count: int) -> None:
    for _ in islice(cells, count):
        pass


def _alone(bench: Bench, cells: Sequence[GenerationRequest]) -> None:
    """As a script would: a fresh scheduler and one call of the pipeline for each, its picture saved."""
    from pipelines.loading.compat import torch

    for request in cells:
        pipe, more = _pipeline(bench, request)
        pipe.scheduler, timing = samplers.build(request.sampler, request.schedule, bench.bare.scheduler.config, request.steps)
        made = pipe(request.prompt, negative_prompt=request.negative_prompt, guidance_scale=request.cfg_scale,
                    generator=torch.Generator().manual_seed(request.seed), **more, **timing)
        made.images[0].save(bench.file)


def _pipeline(bench: Bench, request: GenerationRequest) -> tuple[Any, dict[str, Any]]:
    """The pipeline a script would take, and what only that one is called with."""
    if request.init is None:
        return bench.bare, {"width": request.width, "height": request.height}
    from diffusers import StableDiffusionImg2ImgPipeline

    pipe = StableDiffusionImg2ImgPipeline(**bench.bare.components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    with Image.open(START) as picture:
        start = picture.convert("RGB").resize((request.width, request.height))
    return pipe, {"image": start, "strength": request.init.denoising_strength}


if __name__ == "__main__":
    for figure in grid(sys.argv[1], int(sys.argv[2])):
        print(figure, {name: round(sum(values), 1) for name, values in figure.runs.items()})
