"""ControlNet units in the infotext, as sd-webui-controlnet writes them; its pictures are never in that text.

    ControlNet 0: "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 1.0, Resize Mode: Crop and Resize, …"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from pipelines.preprocess import ROWS
from pipelines.spec.errors import FieldError, shown
from pipelines.spec.param import kind_of, param_of
from pipelines.spec.parts import UNITS, ControlUnit

KEY = re.compile(r"ControlNet (\d{1,3})")
# A threshold that is the preprocessor's own, as Forge has it, and what holds where nothing is said.
UNTOLD = (("Threshold A", -1.0), ("Threshold B", -1.0), ("Hr Option", "Both"))
NAMES: Mapping[str, str] = MappingProxyType({       # in the order they are written
    "Module": "preprocessor", "Model": "model", "Weight": "weight", "Resize Mode": "resize_mode", "Processor Res": "resolution",
    "Threshold A": "threshold_a", "Threshold B": "threshold_b", "Guidance Start": "start", "Guidance End": "end",
    "Pixel Perfect": "pixel_perfect", "Control Mode": "control_mode", "Hr Option": "hr_option"})
# Versions before 1.1.233 wrote small letters and put several values into brackets.
OLD: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "preprocessor": ("preprocessor",), "starting/ending": ("start", "end"),
    "preprocessor params": ("resolution", "threshold_a", "threshold_b")})
LABELS = sorted((*NAMES, *OLD, "Enabled", "Low Vram", "Mask Blur", "Effective Region Mask"), key=len, reverse=True)
PAIR = re.compile(rf"(?:^|,)\s*({'|'.join(map(re.escape, LABELS))})\s*:\s*", re.IGNORECASE)


def control_text(unit: ControlUnit, digest: str = "") -> str:
    """One unit as the value of its key. digest: of its net's file."""
    told = unit.model_dump() | {"model": f"{unit.model} [{digest}]" if digest else unit.model}
    values = ((label, told[field]) for label, field in NAMES.items())
    return ", ".join(f"{label}: {value}" for label, value in values if (label, value) not in UNTOLD)


def read_units(pairs: dict[str, str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The units of a text, taken out of its `pairs`, and notes. Their pictures have to be chosen again."""
    keys = sorted((int(match[1]), key) for key in pairs if (match := KEY.fullmatch(key)))
    units: list[dict[str, Any]] = []
    notes: list[str] = []
    for number, key in keys:
        text = pairs.pop(key)
        if len(units) < UNITS:
            units.append(_unit(text, notes))
            notes.append(f"ControlNet {number}: its picture is not in this text; choose it again.")
        else:
            notes.append(f"ControlNet {number}: left out; a request has at most {UNITS} units.")
    return units, notes


def _unit(text: str, notes: list[str]) -> dict[str, Any]:
    """`text` by known labels: a model's name may hold commas and colons."""
    found = list(PAIR.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    unit: dict[str, Any] = {}
    new = {label.lower(): field for label, field in NAMES.items()}
    for match, end in zip(found, ends, strict=False):
        label, value = match[1].lower(), text[match.end():end].strip()
        if label in OLD:
            parts = value.strip("()").split(",")
            told = dict(zip(OLD[label], (part.strip() for part in parts), strict=False))
        else:
            told = {new[label]: value} if label in new else {}
        for field, part in told.items():
            taken = _value(field, part, notes)
            if taken is not None:
                unit[field] = taken
    return unit


def _value(field: str, text: str, notes: list[str]) -> Any:
    """The field's value; what is out of its range, and a preprocessor nobody here knows, is left at its default."""
    if field == "model":        # their hash names their file
        return "" if text == "None" else re.sub(r"\s*\[[0-9a-fA-F]{6,64}\]$", "", text)
    if field == "preprocessor":
        wanted = "none" if text.lower() in ("none", "") else text
        if wanted not in ROWS:
            notes.append(f"Preprocessor: {shown(text, 40)} - not known here. Left at none.")
            return None
        return ROWS.get(wanted).name
    param = param_of(ControlUnit, field)
    assert param is not None, field
    if field == "pixel_perfect":
        return text.lower() == "true"
    if field == "hr_option":        # some versions wrote the name of the constant: HiResFixOption.LOW_RES_ONLY
        text = text.rpartition(".")[2].replace("_", " ")
    try:
        kind = kind_of(ControlUnit, field)
        return param.check(str(int(float(text))) if kind is int else text, kind)
    except (FieldError, ValueError, OverflowError):
        notes.append(f"{param.label}: {shown(text, 40)} - not a value it can have. Left at its default.")
        return None


def kept_units(value: Any) -> list[dict[str, Any]]:
    """Those units of a request of another version that this one takes as they are."""
    units = []
    for unit in value if isinstance(value, list) else ():
        try:
            units.append(ControlUnit.model_validate(unit).model_dump())
        except ValidationError:
            continue
    return units[:UNITS]
