"""B11: every deterministic sampler against its published algorithm on an analytic model (the checker is the tests' own)."""

from __future__ import annotations

from bench.measure import Figure


def fidelity() -> list[Figure]:
    from pipelines.samplers import SAMPLERS
    from tests.samplers.fidelity import BY_ROW, EPSILON, V_PREDICTION, error

    worst = {}
    for row in SAMPLERS:
        if row.stochastic or row.broken or row.name not in BY_ROW:
            continue
        worst[row.name] = max(
            error(row, schedule, config) for config in (EPSILON, V_PREDICTION) for schedule in row.schedules
            if (config is EPSILON or schedule != "Align Your Steps") and (row.name, schedule) != ("DDIM", "Simple"))
    name = max(worst, key=worst.__getitem__)
    return [Figure("B11", f"largest error of {len(worst)} deterministic samplers ({name})", worst[name], "", 1e-3, worst)]
