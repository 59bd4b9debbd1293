"""What suits a control type ("canny", "pose", "depth" …) here: which preprocessor, which control model. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipelines.families.family import Family
from pipelines.loading.controls import LABEL, WORDS, controls
from pipelines.loading.library import Library
from pipelines.spec.errors import FieldError, unknown
from pipelines.tasks.preprocess import Preprocessors

NONE = "none"
SHORT: Mapping[str, str] = MappingProxyType({"pose": "OpenPose", "normal": "NormalMap", "sketch": "Scribble", "hed": "SoftEdge",
                                             "lines": "Lineart"})
OWN = "mini"        # how the names of the picture-book's own estimators begin; they read nothing else well


def type_of(name: str, preprocessors: Preprocessors) -> tuple[str, str]:
    """(control type, preprocessor) that `name` means: a type names no preprocessor, a preprocessor names both.

    Raises FieldError.
    """
    wanted = name.strip().lower()
    known = {control.lower(): control for control in WORDS} | dict(SHORT)
    if wanted in known:
        return known[wanted], ""
    if wanted in preprocessors.rows:
        row = preprocessors.rows.get(wanted)
        return row.control, row.name
    raise unknown("Control type", name, [*known, *preprocessors.rows.names()])


def preprocessor_for(control: str, family: Family, preprocessors: Preprocessors) -> str:
    """The first preprocessor of that type whose weights are there; the family's own before all others, others' never."""
    rows = [row for row in preprocessors.rows if row.control == control and not preprocessors.missing(row.name)]
    own = [row.name for row in rows if row.name.startswith(OWN)]
    others = [row.name for row in rows if not row.name.startswith(OWN)]
    found = [*own, *others] if family.name == "mini" else others
    return found[0] if found else NONE


def model_for(control: str, family: Family, library: Library) -> str:
    """The first control model of that type for the family. Raises FieldError when there is none."""
    fitting = controls(library, family)
    found = next((c.name for c in fitting if c.control == control), "")
    if not found:
        raise FieldError(LABEL, control or "none", f"none of this type for {family.label} is installed",
                         ", ".join(c.name for c in fitting[:6]) or "none are installed", "Name one with model=…")
    return found
