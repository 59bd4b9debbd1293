"""Experiments: axes over a request become cells, each cell a request. Knows no torch, no picture, no list of names."""

from pipelines.grid.axis import Axis, Value
from pipelines.grid.kinds import AxisKind, Names, kinds
from pipelines.grid.plan import MOST_CELLS, Grid

__all__ = ["MOST_CELLS", "Axis", "AxisKind", "Grid", "Names", "Value", "kinds"]
