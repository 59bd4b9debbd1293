"""Scores of several kinds to one order, and the k best of n: arithmetic only, no torch.

Kinds are measured in unlike units (an aesthetic mark of 1-10, cosines near 0.25), so each is brought to mean 0 and
deviation 1 within the batch before it is weighted. A kind that does not tell the pictures apart says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from pipelines.spec.errors import FieldError

SAME = 1e-9     # deviations below this, relative to the values, are rounding


@dataclass(frozen=True)
class Ranked:
    """One picture of a batch: its place in the batch (from 0), its joint score, and what every source said of it."""

    index: int
    score: float
    parts: Mapping[str, float]


def rank(scores: Mapping[str, Sequence[float]], weights: Mapping[str, float] | None = None) -> list[Ranked]:
    """The pictures, best first; equal ones keep their order. Pictures without a finite score come last.

    scores: by source, one a picture.   weights: by source, 1 where not given; a negative one turns a source round.
    Raises FieldError when the sources do not agree on the number of pictures or a weight is of no source.
    """
    counts = {len(values) for values in scores.values()}
    if len(counts) > 1:
        raise FieldError("Ranking", sorted(counts), "the sources scored different numbers of pictures")
    weights = weights or {}
    stray = next((name for name in weights if name not in scores), None)
    if stray is not None:
        raise FieldError("Ranking", stray, "there is no such score", ", ".join(scores) or "none are installed")
    count = counts.pop() if counts else 0
    even = {name: standardised(values) for name, values in scores.items()}
    rows = [Ranked(i, sum(weights.get(name, 1.0) * even[name][i] for name in scores),
                   {name: float(values[i]) for name, values in scores.items()}) for i in range(count)]
    return sorted(rows, key=lambda row: (not math.isfinite(row.score), -row.score if math.isfinite(row.score) else 0))


def best(scores: Mapping[str, Sequence[float]], k: int, weights: Mapping[str, float] | None = None) -> list[Ranked]:
    """The `k` best, best first; all of them when there are fewer. Raises FieldError for k below 1."""
    if k < 1:
        raise FieldError("Keep best", k, "too small", "1 or more")
    return rank(scores, weights)[:k]


def standardised(values: Sequence[float]) -> list[float]:
    """Mean 0 and deviation 1 over the finite ones; zeros where they are all alike; what is not finite stays so."""
    finite = [float(v) for v in values if math.isfinite(v)]
    if not finite:
        return [math.nan] * len(values)
    mean, spread = fmean(finite), pstdev(finite)
    if spread <= SAME * max(1.0, abs(mean)):
        return [0.0 if math.isfinite(v) else math.nan for v in values]
    return [(float(v) - mean) / spread if math.isfinite(v) else math.nan for v in values]
