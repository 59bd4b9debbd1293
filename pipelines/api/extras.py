"""extra-single-image and extra-batch-images: pictures made larger, their faces restored, as one job of the queue."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipelines import upscale_job
from pipelines.api.fields import idle
from pipelines.api.pictures import decoded
from pipelines.api.reading import Reading, named
from pipelines.spec.errors import FieldError, StorageError, StudioError
from pipelines.spec.param import Param
from pipelines.spec.paths import utf8
from pipelines.upscale_job import Work
from pipelines.upscalers.recipe import Faces, Recipe
from pipelines.upscalers.target import MAX_SIDE, Target

if TYPE_CHECKING:
    from pipelines.studio import Studio

MOST = 100                  # pictures of one body
BY_FACTOR, TO_SIZE = 0, 1   # what `resize_mode` says
FIELDS: Mapping[str, tuple[Param, type, Any]] = MappingProxyType({      # declaration, kind, default
    "resize_mode": (Param("resize_mode", minimum=BY_FACTOR, maximum=TO_SIZE), int, BY_FACTOR),
    "upscaling_resize": (Param("upscaling_resize", minimum=1, maximum=8), float, 2.0),
    "upscaling_resize_w": (Param("upscaling_resize_w", minimum=0, maximum=MAX_SIDE), int, 512),
    "upscaling_resize_h": (Param("upscaling_resize_h", minimum=0, maximum=MAX_SIDE), int, 512),
    "upscaling_crop": (Param("upscaling_crop"), bool, True),
    "upscaler_1": (Param("upscaler_1", max_length=200), str, ""), "upscaler_2": (Param("upscaler_2", max_length=200), str, ""),
    "extras_upscaler_2_visibility": (Param("extras_upscaler_2_visibility", minimum=0, maximum=1), float, 0.0),
    "gfpgan_visibility": (Param("gfpgan_visibility", minimum=0, maximum=1), float, 0.0),
    "codeformer_visibility": (Param("codeformer_visibility", minimum=0, maximum=1), float, 0.0),
    "codeformer_weight": (Param("codeformer_weight", minimum=0, maximum=1), float, 0.0)})
NONE = "none"


def asked(studio: Studio, body: Mapping[str, Any], several: bool) -> tuple[Work, tuple[str, ...]]:
    """What is to be done with the pictures, which are kept, and the fields that do nothing here. several: `imageList`.

    Raises BadBody, StorageError.
    """
    reading, values = Reading(), {}
    for key, (param, kind, default) in FIELDS.items():
        values[key] = default
        if body.get(key) is not None:
            with reading.at(key):
                values[key] = param.check(body[key], kind)
    pictures = _pictures(reading, body, several)
    reading.ignored += [named(key) for key, value in body.items()
                        if key not in FIELDS and key not in ("image", "imageList", "show_extras_results") and not idle(key, value)]
    if values["gfpgan_visibility"] and values["codeformer_visibility"]:
        reading.ignored.append("codeformer_visibility")
    recipe = _recipe(studio, reading, values)
    reading.check()
    try:
        sources = [upscale_job.given(studio, data, name) for name, data in pictures]
        return upscale_job.work_of(studio, recipe, sources), tuple(reading.ignored)
    except StorageError:
        raise
    except StudioError as error:        # no picture, or one that would become too large
        raise reading.placed(error) from None


def _pictures(reading: Reading, body: Mapping[str, Any], several: bool) -> list[tuple[str, bytes]]:
    """(name, bytes) of each."""
    found: list[tuple[str, bytes]] = []
    if not several:
        with reading.at("image"):
            found.append(("picture.png", decoded(body.get("image"), "image")))
        return found
    given = body.get("imageList")
    with reading.at("imageList"):
        if not isinstance(given, list) or not 0 < len(given) <= MOST or not all(isinstance(one, Mapping) for one in given):
            raise FieldError("imageList", given, f"not a list of 1-{MOST} objects with data and name")
        for number, one in enumerate(given):
            with reading.at("imageList", number, "data"):
                found.append((utf8(str(one.get("name") or f"picture-{number + 1}.png")[:200]), decoded(one.get("data"), "data")))
    return found


def _recipe(studio: Studio, reading: Reading, values: Mapping[str, Any]) -> Recipe:
    target = Target(scale=values["upscaling_resize"])
    if values["resize_mode"] == TO_SIZE:
        target = Target(width=values["upscaling_resize_w"], height=values["upscaling_resize_h"], crop=values["upscaling_crop"])
    names = {}
    for key in ("upscaler_1", "upscaler_2"):
        names[key] = "" if values[key].lower() == NONE else values[key]
        with reading.at(key):
            names[key] = studio.upscalers.find(names[key]).name if names[key] else ""
    if values["upscaler_1"].lower() == NONE:        # theirs for: not made larger at all
        names["upscaler_1"], target = "Lanczos", Target(scale=1.0)
    visibility = values["extras_upscaler_2_visibility"]
    second = names["upscaler_2"] if visibility else ""
    return Recipe(names["upscaler_1"], second, visibility, target, faces=_faces(studio, reading, values))


def _faces(studio: Studio, reading: Reading, values: Mapping[str, Any]) -> Faces:
    restorers = studio.upscalers.restorers
    for name in ("GFPGAN", "CodeFormer"):
        key = f"{name.lower()}_visibility"
        if values[key]:
            with reading.at(key):
                own = next((one for one in restorers.names() if name.lower() in one.lower()), name)
                return Faces(restorers.find(own).name, values[key], values["codeformer_weight"])
    return Faces()
