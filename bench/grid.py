"""Grids: cells sampled together against as many single runs of the bare diffusers pipeline, row by row in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.measure import Figure, cpu, in_turns
from bench.painting import REQUEST, Bench
from pipelines import samplers
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest

ROW = 8
STEPS = 25
TARGETS = {"CFG × seed": 0.7, "seeds × prompts": 0.8, "sampler × steps": 1.05}     # of unlike samplers nothing is shared


def grid(rounds: int = 3) -> list[Figure]:
    """A row of each grid; `rounds` rows of 8 cells (8 make the whole 8 × 8)."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        rows: Mapping[str, Callable[[int], Sequence[GenerationRequest]]] = {
            "CFG × seed": lambda seed: [cell(cfg_scale=float(2 + scale), seed=seed) for scale in range(ROW)],
            "seeds × prompts": lambda n: [cell(seed=seed, prompt=f"a {colour} car, in the snow")
                                          for seed in range(4 * n, 4 * n + 4) for colour in ("red", "blue")],
            "sampler × steps": lambda seed: [cell(sampler=sampler, schedule="Automatic", steps=steps, seed=seed)
                                             for sampler in ("Euler", "Euler a", "DPM++ 2M", "DDIM") for steps in (8, 16)]}
        return [_figure(bench, name, row, rounds) for name, row in rows.items()]


def cell(**changes: Any) -> GenerationRequest:
    return GenerationRequest.parse({**REQUEST, "steps": STEPS, **changes})


def _figure(bench: Bench, name: str, row: Callable[[int], Sequence[GenerationRequest]], rounds: int) -> Figure:
    together(bench, row(0)[:2])
    alone(bench, row(0)[:1])
    turn = iter(range(1, 2 * rounds + 1))
    ours, theirs = in_turns(lambda: cpu(lambda: together(bench, row(next(turn)))),
                            lambda: cpu(lambda: alone(bench, row(next(turn)))), rounds)
    return Figure("G", f"grid {name}, {ROW} cells a row, saved / single runs of bare diffusers (CPU, 256², one thread)",
                  min(ours) / min(theirs), "×", TARGETS[name], {"grid": ours, "bare": theirs})


def together(bench: Bench, cells: Sequence[GenerationRequest]) -> None:
    """As the studio paints a grid: sampled together where they may be, decoded, saved."""
    def failed(_index: int, error: StudioError) -> None:
        raise error

    for finished in bench.studio.engine.run_cells(range(len(cells)), cells.__getitem__, lambda event: None, failed, exact=False):
        bench.studio.keep(finished, lambda event: None)


def alone(bench: Bench, cells: Sequence[GenerationRequest]) -> None:
    """As a script would: a fresh scheduler and one call of the pipeline for each, its picture saved."""
    from pipelines.loading.compat import torch

    for request in cells:
        bench.bare.scheduler, timing = samplers.build(request.sampler, request.schedule, bench.bare.scheduler.config, request.steps)
        made = bench.bare(request.prompt, negative_prompt=request.negative_prompt, width=256, height=256,
                          guidance_scale=request.cfg_scale, generator=torch.Generator().manual_seed(request.seed), **timing)
        made.images[0].save(bench.file)
