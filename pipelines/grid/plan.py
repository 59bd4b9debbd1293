"""A grid: a base request and up to three axes; its cells, the order in which they cost least, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

from pipelines.grid.axis import Axis, Value
from pipelines.grid.values import as_list
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.request import GenerationRequest

MOST_CELLS = 10_000
VERSION = 1
SCRIPT = "X/Y/Z plot"
MOST_TOLD = 20_000      # characters of the values of one axis


@dataclass(frozen=True)
class Grid:
    """axes: x, y, z; x runs fastest. Cell `index` is 0-based, and stays what it is in whatever order cells are made.

    exact: every cell is sampled alone, bit for bit like its single run; else those that may are sampled together.
    """

    base: GenerationRequest
    axes: tuple[Axis, ...]
    exact: bool = False

    @classmethod
    def of(cls, base: GenerationRequest, axes: Sequence[Axis], most: int = MOST_CELLS, exact: bool = False) -> Self:
        """Raises FieldError when there are too many cells, or two axes set the same thing."""
        taken = [axis.key for axis in axes]
        twice = next((axis.label for axis in axes if taken.count(axis.key) > 1), None)
        if twice:
            raise FieldError("Axis", twice, "stands on two axes", fix="Choose another for one of them")
        grid = cls(base.merged({"batch_count": 1, "batch_size": 1}), tuple(axes), exact)
        if grid.count > most:
            raise FieldError("Grid", " × ".join(str(len(a.values)) for a in axes) + f" = {grid.count} cells", "too many",
                             f"up to {most}", "Take shorter lists")
        return grid

    @property
    def count(self) -> int:
        return prod(len(axis.values) for axis in self.axes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Values along x, y and z; 1 where there is no axis."""
        lengths = [len(axis.values) for axis in self.axes]
        x, y, z = [*lengths, *[1] * (3 - len(lengths))]
        return x, y, z

    def place(self, index: int) -> tuple[int, ...]:
        """Which value of each axis cell `index` has."""
        found = []
        for axis in self.axes:
            index, at = divmod(index, len(axis.values))
            found.append(at)
        return tuple(found)

    def index(self, x: int, y: int = 0, z: int = 0) -> int:
        width, height, _ = self.shape
        return (z * height + y) * width + x

    def values(self, index: int) -> tuple[Value, ...]:
        return tuple(axis.values[at] for axis, at in zip(self.axes, self.place(index), strict=True))

    def cell(self, index: int) -> GenerationRequest:
        """The request of one cell: first what the values change, then their edits of the prompt.

        Raises FieldError or RequestError when the values do not go together.
        """
        values = self.values(index)
        request = self.base
        for value in values:
            request = request.merged(value.changes)
        for value in values:
            request = value.edited(request)
        return request.merged({"batch_count": 1, "batch_size": 1})

    def name(self, index: int) -> str:
        """"CFG scale 7, Steps 20", for messages and captions."""
        return ", ".join(f"{a.label} {v.shown}" for a, v in zip(self.axes, self.values(index), strict=True))

    def order(self) -> list[int]:
        """Every index, the dearest axis outermost, then those that break a batch; what stays together runs innermost."""
        ranked = sorted(range(len(self.axes)), key=lambda i: (-self.axes[i].cost, self.axes[i].inner, -i))
        return sorted(range(self.count), key=lambda index: tuple(self.place(index)[i] for i in ranked))

    def samples(self) -> Iterator[tuple[str, GenerationRequest]]:
        """Each value of each axis alone on the first cell: what a check has to look at instead of every cell."""
        for number, axis in enumerate(self.axes):
            for at, value in enumerate(axis.values):
                place = [0, 0, 0]
                place[number] = at
                yield f"{axis.label} {value.shown}", self.cell(self.index(*place))

    @property
    def script(self) -> dict[str, str]:
        """The axes as AUTOMATIC1111's text of a grid names them."""
        told = {"Script": SCRIPT}
        for side, axis in zip("XYZ", self.axes, strict=False):
            told |= {f"{side} Type": axis.label, f"{side} Values": as_list([value.shown for value in axis.values])[:MOST_TOLD]}
        return told

    def to_json(self) -> str:
        """The axes and `exact`; the base request travels beside them."""
        axes = [axis.as_json() for axis in self.axes]
        return json.dumps({"version": VERSION, "exact": self.exact, "axes": axes}, separators=(",", ":"))

    @classmethod
    def of_json(cls, base: GenerationRequest, text: str) -> Self:
        """Raises RequestError for what `to_json` did not write."""
        try:
            data = json.loads(text)
            if data["version"] != VERSION:
                raise ValueError(f"version {data['version']}")
            # A grid begun by a studio that did not know this word was sampled cell by cell.
            return cls(base, tuple(Axis.of_json(axis) for axis in data["axes"]), bool(data.get("exact", True)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RequestError([FieldError("Grid", text, f"cannot be read any more ({error})")]) from None

    def swapped(self) -> Self:
        """x and y changed over."""
        x, y, *rest = self.axes
        return type(self)(self.base, (y, x, *rest), self.exact)
