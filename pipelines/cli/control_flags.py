"""`--control canny:FILE` and `--control "pose:FILE,weight=0.8,start=0,end=0.7"`: units of a request from what was typed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.spec.parts import ControlUnit
from pipelines.spec.paths import expanded

if TYPE_CHECKING:
    from pipelines.studio import Studio

FLAG = "--control"
FORM = "TYPE:FILE, TYPE:FILE,weight=0.8,start=0,end=0.7"
SHORT = {"mode": "control_mode", "resize": "resize_mode", "hires": "hr_option", "a": "threshold_a", "b": "threshold_b"}
OPTIONS = (*SHORT, *(name for name in ControlUnit.model_fields if name != "image"))


def control_flag(group: argparse._ArgumentGroup) -> None:
    group.add_argument(FLAG, dest="given.control", action="append", metavar="UNIT", default=argparse.SUPPRESS,
                       help="steer by a picture (repeatable): a control type or a preprocessor, a file (for a pose its JSON too), "
                            'and what else it shall be: canny:photo.png, "pose:pose.json,weight=0.8,start=0,end=0.7". Further '
                            f"names: {', '.join(OPTIONS)}. Without a file (canny:) the picture that the request starts from.")


def units(texts: Sequence[str], studio: Studio, model: str) -> list[dict[str, Any]]:
    """The units of a request, their pictures kept. model: the checkpoint they must fit.

    Raises FieldError for what cannot be understood and for a type without a control model, ImageFileError for a file.
    """
    return [_unit(text, studio, model) for text in texts]


def _unit(text: str, studio: Studio, model: str) -> dict[str, Any]:
    from pipelines.tasks.control_types import model_for, preprocessor_for, type_of

    name, file, options = taken_apart(text)
    family = studio.model(model).family
    control, chosen = type_of(name, studio.preprocessors)
    image, is_condition = _picture(file, studio)
    unit: dict[str, Any] = {"control_mode": family.control_mode, **options, "image": image}
    if "mask" in options:
        unit["mask"] = _picture(options["mask"], studio)[0]
    unit.setdefault("preprocessor", "none" if is_condition else chosen or preprocessor_for(control, family, studio.preprocessors))
    if "model" not in options:
        unit["model"] = model_for(control, family, studio.library)
    return unit


def taken_apart(text: str) -> tuple[str, str, dict[str, str]]:
    """("canny", "a, b.png", {"weight": "0.8"}): a comma ends the file's name only where an option follows."""
    name, colon, rest = text.partition(":")
    file, *pairs = re.split(r",\s*(?=[\w-]+\s*=)", rest)
    if not colon or not name.strip():
        raise FieldError(FLAG, text, "not understood", FORM)
    options = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        key = key.strip().lower().replace("-", "_")
        if key not in OPTIONS:
            raise FieldError(FLAG, key, "a unit has no such option", ", ".join(OPTIONS))
        options[SHORT.get(key, key)] = value.strip()
    return name.strip(), file.strip(), _typed(options)


def _typed(options: dict[str, str]) -> dict[str, Any]:
    """Flags as flags; the request reads numbers from text by itself."""
    return {key: value.lower() in ("true", "yes", "1", "on") if key == "pixel_perfect" else value
            for key, value in options.items()}


def _picture(file: str, studio: Studio) -> tuple[str, bool]:
    """The kept picture of a file, and whether it is a condition already: a pose's JSON is drawn."""
    if not file:
        return "", False
    path = expanded("--control", file)
    if not path.is_file():
        raise ImageFileError(file, "no such file")
    if path.suffix.lower() != ".json":
        return studio.inputs.keep_file(path), False
    from pipelines.pose import draw, from_json

    return studio.inputs.keep(draw(from_json(path.read_bytes()))), True
