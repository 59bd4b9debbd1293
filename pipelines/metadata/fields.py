"""Values from anywhere into a partial request: what fits is taken, what does not is clamped and said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipelines.spec.errors import FieldError, shown
from pipelines.spec.geometry import snap
from pipelines.spec.param import Declared, declared
from pipelines.spec.request import GenerationRequest

OFF: dict[str, Any] = {"clip_skip": 1, "emphasis": "Original", "tiling": False, "cfg_rescale": 0.0, "cfg_start": 0.0,
                       "cfg_end": 1.0, "variation": None, "styles": [], "hires": None, "tiled": None, "detailer": None,
                       "control": [], "loopback": None, "identity": None, "sketch": None}
"""What a text means that says nothing of these: the picture was made without them."""

LIMIT_UNKNOWN = 200     # unknown keys kept of one picture


def partial(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A partial request from `values` (paths such as "steps", "variation.seed"), and one note for each value changed.

    Values may be of any type; what cannot be made to fit is left out with a note. Raises nothing.
    """
    known = {d.path: d for d in declared(GenerationRequest)}
    request: dict[str, Any] = {}
    notes: list[str] = []
    for path, value in _names(values, notes).items():
        if path not in known or value is None:
            continue
        taken = _fit(known[path], value, notes)
        if taken is not None:
            _put(request, path, list(taken) if isinstance(taken, tuple) else taken)
    return request, notes


def _put(request: dict[str, Any], path: str, value: Any) -> None:
    part, _, name = path.rpartition(".")
    into = request.setdefault(part, {}) if part else request
    into[name] = value


def _fit(field: Declared, value: Any, notes: list[str]) -> Any:
    """`value` as the field takes it, the nearest allowed one, or None; says so in `notes` when it is not the same."""
    value = _typed(value, field.kind)
    try:
        return field.param.check(value, field.kind)
    except FieldError as error:
        nearest = _nearest(field, value)
        fate = "Left as it is." if nearest is None else f"Used: {nearest:g}."
        notes.append(f"{error} {fate}")
        return nearest


def _typed(value: Any, kind: type) -> Any:
    """Texts as numbers and flags where they plainly are such."""
    if not isinstance(value, str):
        return value
    if kind is bool:
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    if kind in (int, float):
        try:
            return int(value) if kind is int else float(value)
        except ValueError:
            return _whole(value)
    return value


def _whole(text: str) -> Any:
    """"20.0" as 20; anything else as it is."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if math.isfinite(number) and number == int(number) else text


def _nearest(field: Declared, value: Any) -> int | float | None:
    """The allowed number next to `value`; None for what is no number and for seeds."""
    param = field.param
    if field.kind not in (int, float) or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not math.isfinite(value) or field.path.endswith("seed") or param.minimum is None or param.maximum is None:
        return None
    near = min(max(value, param.minimum), param.maximum)
    if param.multiple and param.step:
        near = snap(int(near), int(param.step))
    return field.kind(near)


def _names(values: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """`values` with samplers and schedules in the studio's spelling; names nobody knows are left out with a note."""
    result = dict(values)
    _of_pass("", result, notes)
    _of_pass("hires.", result, notes)
    return result


def _of_pass(part: str, result: dict[str, Any], notes: list[str]) -> None:
    """The same of one pass, in place. Where a second pass names none it has the first one's."""
    from pipelines import samplers

    label, schedule = result.pop(f"{part}sampler", None), result.pop(f"{part}schedule", None)
    implied = None
    if isinstance(label, str) and (label or not part):
        try:
            result[f"{part}sampler"], implied = samplers.split(label)
        except FieldError as error:
            notes.append(f"{error} Left as it is.")
    wanted = schedule if isinstance(schedule, str) and schedule else implied
    if wanted or (not part and "sampler" in result):
        try:
            result[f"{part}schedule"] = samplers.SCHEDULES.get(wanted or "Automatic").name
        except FieldError as error:
            notes.append(f"{error} Left as it is.")


def kept(unknown: Mapping[str, Any]) -> dict[str, Any]:
    """`unknown` within bounds: a hostile file must not fill the page."""
    return dict(list(unknown.items())[:LIMIT_UNKNOWN])


def listed(unknown: Mapping[str, Any]) -> str:
    """Names of keys for a note."""
    names = [shown(str(k), 40) for k in unknown]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
