"""Which axes there are: every declared field of a request (`fields`), and the ones that are more than a field (`special`)."""

from __future__ import annotations

from pipelines.grid.fields import AxisKind, Draw, Names, of_field
from pipelines.grid.special import PresetChanges, special
from pipelines.spec.param import declared
from pipelines.spec.parts import Loopback
from pipelines.spec.request import GenerationRequest

__all__ = ["AxisKind", "Draw", "Names", "PresetChanges", "kinds"]

NOT_AXES = ("batch_count", "batch_size", "identity.vectors", *(f"loopback.{row.path}" for row in declared(Loopback)))
"""A cell is one picture, not several or a row of them; seeds are an axis of their own, and nobody types a face's numbers."""


def kinds(names: Names, preset: PresetChanges, draw: Draw) -> dict[str, AxisKind]:
    """Every kind by its key, in the order of the form. `draw` gives a random seed for each -1."""
    found = [of_field(row, names, draw) for row in declared(GenerationRequest)
             if row.path not in NOT_AXES and not row.param.picture]
    return {kind.key: kind for kind in [*found, *special(names, preset)]}
