"""What the advice says of one field: a level, a reason, a band to draw and the change that follows the advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as filled
from typing import Any

LEVELS = ("recommended", "acceptable", "less_recommended", "not_recommended", "unusable")
SOURCES = ("study", "measured", "paper", "practice", "fact")


@dataclass(frozen=True)
class Zone:
    """One stretch of a slider, for drawing: from `low` to `high` in the field's own unit."""

    low: float
    high: float
    level: str
    label: str


@dataclass(frozen=True)
class Verdict:
    """Advice on one field; it never blocks anything.

    field: path in the request, or "size" for both sides.   level: one of LEVELS.   text: one sentence.
    band: the recommended stretch, or None where none is known.   recommended: the value to set, or None.
    changes: the partial request that follows the advice (`request.merged(verdict.changes)`), empty when there is none.
    source: who says so, one of SOURCES ("study", "measured" on this model, "paper", "practice", or a plain "fact").
    note: more to know: the scope of the numbers, what the sampler costs, where they come from.
    zones: the whole slider cut into levels, empty where the study has no ranges.
    """

    field: str
    level: str
    label: str
    text: str
    band: tuple[float, float] | None = None
    recommended: Any = None
    changes: Mapping[str, Any] = filled(default_factory=dict)
    source: str = "study"
    note: str = ""
    zones: tuple[Zone, ...] = ()

    @property
    def severity(self) -> int:
        """0 for recommended … 4 for unusable."""
        return LEVELS.index(self.level)

    @property
    def follows(self) -> bool:
        """Whether there is a recommended value that the request does not have yet."""
        return bool(self.changes)
