"""ControlNet units as sd-webui-controlnet's clients send them: `alwayson_scripts.ControlNet.args`, a list of objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pipelines.preprocess import ROWS
from pipelines.spec.errors import FieldError, shown
from pipelines.spec.param import kind_of, param_of
from pipelines.spec.parts import CONTROL_MODES, CONTROL_RESIZES, HR_OPTIONS, ControlUnit

FIELDS = MappingProxyType({
    "module": "preprocessor", "model": "model", "weight": "weight", "resize_mode": "resize_mode", "guidance": "end",
    "guidance_start": "start", "guidance_end": "end", "control_mode": "control_mode", "pixel_perfect": "pixel_perfect",
    "processor_res": "resolution", "threshold_a": "threshold_a", "threshold_b": "threshold_b", "hr_option": "hr_option"})
PICTURES = MappingProxyType({"input_image": "image", "image": "image", "effective_region_mask": "mask"})
NUMBERED = MappingProxyType({"resize_mode": CONTROL_RESIZES, "control_mode": CONTROL_MODES, "hr_option": HR_OPTIONS})
SPOKEN: Mapping[str, Mapping[str, str]] = MappingProxyType({        # what their words, and older ones, stand for
    "model": {"none": ""},
    "resize_mode": {"scale to fit (inner fit)": "Crop and Resize", "inner fit (scale to fit)": "Crop and Resize",
                    "envelope (outer fit)": "Resize and Fill", "outer fit (shrink to fit)": "Resize and Fill"}})
THRESHOLDS = ("threshold_a", "threshold_b")
OWN_SIZE = (None, "", -1, 0)        # of `processor_res`: the preprocessor's own
IDLE: Mapping[str, tuple[Any, ...]] = MappingProxyType({
    "union_control_type": ("Unknown",), "inpaint_crop_input_image": (True,), "save_detected_map": (True,),
    "input_mode": ("simple",), "batch_image_dir": ("",), "ipadapter_input": (None,), "enabled": (True,)})


def wanted(unit: Mapping[str, Any]) -> bool:
    """Whether it is on. One that does not say so is, when it names a model."""
    on = unit.get("enabled")
    return str(unit.get("model") or "None").lower() != "none" if on is None else bool(on)


def given(unit: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(its field, ours, the value as it came) of every field that says something."""
    for key, name in FIELDS.items():
        value = unit.get(key)
        if value is not None and value != "" and not (key == "processor_res" and value in OWN_SIZE):
            yield key, name, value
    if unit.get("pixel_perfect") is None and unit.get("processor_res") not in OWN_SIZE:
        yield "processor_res", "pixel_perfect", False       # else the resolution that was asked for would do nothing


def checked(name: str, value: Any) -> Any:
    """`value` as our field takes it, their numbers and older words in ours. Raises FieldError."""
    param = param_of(ControlUnit, name)
    assert param is not None, name
    names = NUMBERED.get(name)
    if names and isinstance(value, int):
        if not 0 <= value < len(names):
            raise FieldError(param.label, value, "no such choice", f"0-{len(names) - 1} ({', '.join(names)})")
        value = names[value]
    elif isinstance(value, str):
        value = SPOKEN.get(name, {}).get(value.strip().lower(), value)
    value = param.check(value, kind_of(ControlUnit, name))
    return ROWS.get(value).name if name == "preprocessor" else value


def out_of_range(values: Mapping[str, Any]) -> list[str]:
    """The thresholds of a checked unit that its preprocessor cannot have."""
    options = ROWS.get(values.get("preprocessor", "none")).options
    found = []
    for name, option in zip(THRESHOLDS, options, strict=False):
        try:
            if values.get(name, -1) != -1:
                option.param.check(values[name], option.kind)
        except FieldError:
            found.append(name)
    return found


def picture_of(value: Any) -> Any:
    """The base64 of a picture field: a text, or an object whose `image` is one."""
    return value.get("image") if isinstance(value, Mapping) else value


def ignored(unit: Mapping[str, Any]) -> Iterator[str]:
    """Fields that would do something there and do nothing here."""
    for key, value in unit.items():
        if key in FIELDS or value is None or value is False or value in ("", [], {}) or value in IDLE.get(key, ()):
            continue
        if key not in PICTURES:
            yield shown(str(key), 40)
        elif isinstance(value, Mapping) and value.get("mask"):
            yield f"{key}.mask"
