"""What one field of a request says of itself; its widget, message, flag, metadata and grid axis follow from it."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any

from pydantic import BaseModel

from pipelines.spec.errors import FieldError, shown
from pipelines.spec.geometry import snap

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Param:
    """One declaration.

    label: the field's name as the user reads it.   help: one sentence.
    group: where the form shows it ("prompt", "model", "sampling", "size", "seed", "batch", "extra").
    minimum, maximum, step: numbers; `multiple` demands an exact multiple of `step`.
    source: name of the list the value must come from ("samplers", "schedules", "models", "vaes", "styles").
    infotext: the key in A1111's `parameters` text, where it has one.
    cost: how dear a change of this field is along a grid axis (1 = reload a checkpoint, 0 = free).
    max_length: characters, for text.
    choices: the only values a text may take.
    picture: the text names an input picture by the sha256 of its file (64 hex digits; empty: none).
    """

    label: str
    help: str = ""
    group: str = "extra"
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    multiple: bool = False
    source: str = ""
    infotext: str = ""
    cost: float = 0.0
    max_length: int = 0
    choices: tuple[str, ...] = ()
    picture: bool = False

    @property
    def allowed(self) -> str:
        """The range in words, for messages."""
        if self.choices:
            return ", ".join(self.choices)
        if self.multiple:
            return f"{self.minimum:g}-{self.maximum:g} in steps of {self.step:g}"
        if self.minimum is not None and self.maximum is not None:
            between = " to " if self.minimum < 0 else "-"
            return f"{number(self.minimum)}{between}{number(self.maximum)}"
        return f"up to {self.max_length} characters" if self.max_length else ""

    def check(self, value: Any, kind: type) -> Any:
        """`value` as a `kind` (int, float, bool, str, or tuple of names) within the range. Raises FieldError."""
        if kind is bool:
            return self._boolean(value)
        if kind in (int, float):
            return self._number(value, kind)
        return self._text(value) if kind is str else self._names(value)

    def _names(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            raise FieldError(self.label, value, "not a list of names")
        return tuple(self._text(v) for v in value)

    def _boolean(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise FieldError(self.label, value, "neither true nor false", "true, false")

    def _text(self, value: Any) -> str:
        if not isinstance(value, str):
            raise FieldError(self.label, value, "not a text", self.allowed)
        if self.max_length and len(value) > self.max_length:
            raise FieldError(self.label, shown(value, 20), f"{len(value)} characters are too long", self.allowed)
        if self.choices:
            return self._choice(value)
        if self.picture and value and not SHA256.fullmatch(value):
            raise FieldError(self.label, shown(value, 20), "not the name of a kept picture", "64 hex digits")
        return value

    def _choice(self, value: str) -> str:
        """The choice of that name, whatever its capitals."""
        found = next((c for c in self.choices if c.lower() == value.strip().lower()), None)
        if found is None:
            raise FieldError(self.label, shown(value, 40), "no such choice", self.allowed)
        return found

    def _number(self, value: Any, kind: type) -> int | float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise FieldError(self.label, value, "not a number", self.allowed)
        try:
            parsed = kind(value) if isinstance(value, str) else value
        except ValueError:
            raise FieldError(self.label, value, "not a number", self.allowed) from None
        if isinstance(parsed, float) and not math.isfinite(parsed):
            raise FieldError(self.label, value, "not a finite number", self.allowed)
        if kind is int and parsed != int(parsed):
            raise FieldError(self.label, value, "not a whole number", self.allowed)
        if self.minimum is not None and parsed < self.minimum:
            raise FieldError(self.label, value, "too small", self.allowed)
        if self.maximum is not None and parsed > self.maximum:
            raise FieldError(self.label, value, "too large", self.allowed)
        if self.multiple and self.step and parsed % self.step:
            raise FieldError(self.label, value, f"must be a multiple of {self.step:g}", self.allowed,
                             f"Nearest: {snap(int(parsed), int(self.step))}")
        return kind(parsed)


@dataclass(frozen=True)
class Declared:
    """One field of a request with its address, for whoever walks them all (form, flags, metadata, presets, grid)."""

    path: str           # "steps", "variation.seed"
    param: Param
    kind: type          # int, float, bool, str or tuple (of str)
    default: Any


def number(value: float) -> str:
    """`value` without a needless fraction or exponent: 4294967295, 0.05."""
    return str(int(value)) if value == int(value) else f"{value:g}"


@functools.cache         # asked for every field of every request
def param_of(model: type[BaseModel], field: str) -> Param | None:
    """The declaration on `model.field`, or None when that field is a part or is written by the studio itself."""
    return next((m for m in model.model_fields[field].metadata if isinstance(m, Param)), None)


@functools.cache
def kind_of(model: type[BaseModel], field: str) -> type:
    """int, float, bool, str, or tuple for a list of names."""
    annotation: Any = model.model_fields[field].annotation
    return annotation if annotation in (int, float, bool, str) else tuple


def declared(model: type[BaseModel], prefix: str = "") -> Iterator[Declared]:
    """Every declared field of `model` and of its parts, in the order they are written."""
    for name, field in model.model_fields.items():
        param = param_of(model, name)
        if param is not None:
            yield Declared(prefix + name, param, kind_of(model, name), field.get_default())
            continue
        if isinstance(field.annotation, UnionType):     # a part that may be absent; lists of parts have no fixed addresses
            for option in field.annotation.__args__:
                if issubclass(option, BaseModel):
                    yield from declared(option, f"{prefix}{name}.")


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """{"variation.seed": 1} -> {"variation": {"seed": 1}}."""
    result: dict[str, Any] = {}
    for path, value in flat.items():
        *parts, last = path.split(".")
        place = result
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = value
    return result
