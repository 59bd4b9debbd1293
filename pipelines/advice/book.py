"""The advice's data: the study's numbers, what was measured for a family, and the texts of one language.

Knows files and YAML, not requests: a `Book` answers "which range holds this value" and "how is that said".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from pipelines.advice.verdict import LEVELS, SOURCES, Zone
from pipelines.spec.errors import StudioError

SHIPPED = Path(__file__).resolve().parents[2] / "presets"
LANGUAGES = ("en", "uk")


@dataclass(frozen=True)
class Range:
    """A stretch of values with one level. It ends at `end`, which belongs to it only when `closed`."""

    id: str
    level: str
    end: float = float("inf")
    closed: bool = True

    def holds(self, value: float) -> bool:
        """Whether a value not held by any earlier range belongs here."""
        return value <= self.end if self.closed else value < self.end


@dataclass(frozen=True)
class Scale:
    """The ranges of one numeric field, in rising order, with the recommended value and where all that comes from."""

    name: str
    ranges: tuple[Range, ...]
    recommended: float
    best: tuple[float, float]
    legal: tuple[float, float]
    source: str = "study"
    paper: str = ""

    @classmethod
    def read(cls, name: str, data: Mapping[str, Any]) -> Scale:
        """Raises StudioError naming the field when the data is not a scale."""
        try:
            ranges = tuple(Range(r["id"], r["level"], float(r.get("up_to", r.get("below", "inf"))), "below" not in r)
                           for r in data["ranges"])
            scale = cls(name, ranges, data["recommended"], tuple(data["best"]), tuple(data["legal_range"]),
                        data.get("source", "study"), data.get("paper", ""))
        except (KeyError, TypeError, ValueError) as error:
            raise StudioError(f"Advice: the numbers of {name} are incomplete ({error!r})") from None
        ends = [r.end for r in ranges]
        if (ends != sorted(ends) or ends[-1:] != [float("inf")] or scale.source not in SOURCES
                or any(r.level not in LEVELS for r in ranges)):
            raise StudioError(f"Advice: the ranges of {name} do not rise to an open end or name an unknown level")
        return scale

    def range_of(self, value: float) -> Range:
        """The first range that holds `value`; the last has no end."""
        return next((r for r in self.ranges if r.holds(value)), self.ranges[-1])


class Book:
    """Everything the advice knows, in one language. `Book(folder, language)`; files are read when first needed."""

    def __init__(self, folder: Path = SHIPPED, language: str = "en") -> None:
        self.folder = folder
        self.language = language if language in LANGUAGES else "en"

    @cached_property
    def study(self) -> Mapping[str, Any]:
        """recommendations.yaml as it is written."""
        return load(self.folder / "recommendations.yaml")

    @cached_property
    def vocabulary(self) -> Mapping[str, Any]:
        return load(self.folder / "advice" / "vocabulary.yaml")

    @cached_property
    def families(self) -> Mapping[str, Mapping[str, Any]]:
        """What each families/*.yaml says, by the family's name."""
        found = [load(file) for file in sorted((self.folder / "families").glob("*.yaml"))]
        return {entry["name"]: entry for entry in found if entry.get("kind") == "family"}

    @cached_property
    def _texts(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        english = load(self.folder / "advice" / "en.yaml")
        return (english if self.language == "en" else load(self.folder / "advice" / f"{self.language}.yaml")), english

    def scale(self, name: str, family: str) -> Scale | None:
        """The scale of a field: what was measured for this family, else the study's; None where there is neither."""
        study = self.study["fields"].get(name)
        measured = (self.families.get(family, {}).get("fields") or {}).get(name)
        if measured:
            return Scale.read(name, {"legal_range": (study or {}).get("legal_range"), **measured})
        return Scale.read(name, study) if study else None

    def zones(self, scale: Scale, low: float, high: float) -> tuple[Zone, ...]:
        """`scale` cut to a slider from `low` to `high`."""
        zones, start = [], low
        for part in scale.ranges:
            end = min(part.end, high)
            if end > start:
                zones.append(Zone(start, end, part.level, self.label(f"{scale.name}.{part.id}")))
                start = end
        return tuple(zones)

    def say(self, key: str, **values: Any) -> str:
        """The text of `key` ("steps.s1", "steps.cost") with `values` filled in; English where it is not translated."""
        found = self._entry(key)
        return (found["text"] if isinstance(found, Mapping) else found).format_map(values)

    def label(self, key: str) -> str:
        """The short label of `key`, or "" when it has a text only."""
        found = self._entry(key)
        return found["label"] if isinstance(found, Mapping) else ""

    def _entry(self, key: str) -> Any:
        for texts in self._texts:
            found: Any = texts
            for part in key.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
            if found is not None:
                return found
        raise KeyError(key)


def load(file: Path) -> Any:
    """One of the advice's own YAML files. Raises StudioError naming the file and the line."""
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except OSError as error:
        raise StudioError(f"Advice: presets/{file.name} cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise StudioError(f"Advice: presets/{file.name}{where} is not valid YAML") from None
    if not isinstance(data, dict):
        raise StudioError(f"Advice: presets/{file.name} holds no table")
    return data
