"""A declared field as an axis: what is typed is read by its declaration, what may be typed is suggested from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.grid.axis import TOGETHER, Axis, Value
from pipelines.grid.values import as_list, listed, numbers
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.param import Declared, declared, number
from pipelines.spec.parts import LAST_SEED, RANDOM_SEED
from pipelines.spec.request import GenerationRequest

Names = Callable[[str], Sequence[str]]
"""The names a field may take, by the `source` of its declaration; also "presets"."""
Draw = Callable[[], int]


@dataclass(frozen=True)
class AxisKind:
    """key: as the command line names it.   read: text to values, raises FieldError or RequestError.   fill: a suggestion.

    hint: what may be typed, for an empty field.
    """

    key: str
    label: str
    hint: str
    read: Callable[[str, GenerationRequest], list[Value]]
    fill: Callable[[GenerationRequest], str]
    cost: float = 0.0
    inner: bool = False

    def axis(self, text: str, base: GenerationRequest) -> Axis:
        """The axis of what was typed; the same value twice counts once. Raises RequestError, a line a refused value."""
        try:
            values = self.read(text, base)
        except FieldError as error:
            raise RequestError([error]) from None
        kept = {repr((v.shown, v.changes, v.edit)): v for v in values}
        return Axis(self.key, self.label, tuple(kept.values()), self.cost, self.inner)


def of_field(row: Declared, names: Names, draw: Draw) -> AxisKind:
    def read(text: str, base: GenerationRequest) -> list[Value]:
        _needs_its_part(row, base)
        return _checked(row, text, draw)

    param = row.param
    return AxisKind(row.path, param.label, hint_of(row), read, lambda base: suggestion(row, names, base), param.cost,
                    row.path in TOGETHER)


def hint_of(row: Declared) -> str:
    """What may be typed: the range and how lists are written, or the names."""
    param = row.param
    if row.kind is bool:
        return "off, on"
    if param.minimum is None:
        return ", ".join(param.choices) or param.label
    small = row.kind is float and (param.maximum or 0) <= 2
    return f"{param.allowed}: " + ("0.2, 0.5, 0-1 [5]" if small else "1, 5, 1-5, 1-10 (+2), 1-10 [5]")


def _needs_its_part(row: Declared, base: GenerationRequest) -> None:
    """A part with an input picture cannot be switched on by an axis: the picture would be missing."""
    part = row.path.partition(".")[0]
    pictured = any(d.param.picture for d in declared(GenerationRequest) if d.path.startswith(part + "."))
    if "." in row.path and pictured and getattr(base, part) is None:
        raise FieldError(row.param.label, "", "the request has no input picture", fix="Give it one first")


def _checked(row: Declared, text: str, draw: Draw) -> list[Value]:
    values, refusals = [], []
    for entry in entries(row, text):
        try:
            value = row.param.check(typed(row, entry, draw), row.kind)
            values.append(Value(shown_value(value), nested(row.path, list(value) if row.kind is tuple else value)))
        except FieldError as error:
            refusals.append(error)
    if refusals:
        raise RequestError(refusals)
    return values


def entries(row: Declared, text: str) -> Iterator[Any]:
    label = row.param.label
    for entry in listed(label, text):
        if row.kind in (int, float):
            yield from numbers(label, entry, row.kind is int)
        else:
            yield entry


def typed(row: Declared, entry: Any, draw: Draw) -> Any:
    if row.kind is bool and isinstance(entry, str):
        return {"true": True, "on": True, "yes": True, "1": True,
                "false": False, "off": False, "no": False, "0": False}.get(entry.lower(), entry)
    if row.kind is tuple:       # styles: "none", or several joined by +
        return () if entry.lower() == "none" else tuple(part.strip() for part in entry.split("+"))
    if row.path in ("seed", "variation.seed") and str(entry) == str(RANDOM_SEED):
        return draw() % (LAST_SEED + 1)
    return entry


def shown_value(value: Any) -> str:
    if isinstance(value, tuple):
        return " + ".join(value) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return number(value) if isinstance(value, (int, float)) else str(value) or "–"


def nested(path: str, value: Any) -> dict[str, Any]:
    """("variation.seed", 1) gives {"variation": {"seed": 1}}."""
    head, _, rest = path.partition(".")
    return {head: nested(rest, value) if rest else value}


def suggestion(row: Declared, names: Names, base: GenerationRequest) -> str:
    """Values worth trying: every name, or five numbers around the one in the form."""
    param = row.param
    if param.source or param.choices:
        found = list(param.choices or names(param.source))
        return as_list(["none", *found] if row.kind is tuple else found)
    if row.kind is bool:
        return "off, on"
    if row.path.endswith("seed"):
        return "1-4"
    if row.kind is str or param.minimum is None or param.maximum is None:
        return as_list([getattr(base, row.path, "")])
    step, low, high = param.step or 1, param.minimum, param.maximum
    if (high - low) <= 1:
        return f"{low:g}-{high:g} [5]"
    if (high - low) / step <= 12:
        return f"{low:g}-{high:g} (+{step:g})"
    at = float(getattr(base, row.path, None) or row.default or low)
    around = {min(high, max(low, round(at * part / step) * step)) for part in (0.25, 0.5, 1, 1.5, 2)}
    return ", ".join(number(n) for n in sorted(around))
