"""A body of txt2img or img2img becomes one request: every field by its own declaration; what we have not is listed.

What a body does not say is as on the page: the model family's own size, steps and CFG, the form's own inpainting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.api import units
from pipelines.api.fields import HIRES, IN_BOTH, MASK, OVERRIDES, PLAIN, ROWS, START, VARIATION, idle
from pipelines.api.reading import UNITS_AT, Reading, named
from pipelines.spec.errors import FieldError, StudioError
from pipelines.spec.param import nested
from pipelines.spec.parts import UNITS
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.start import suited

if TYPE_CHECKING:
    from pipelines.studio import Studio

CONTROLNET = "controlnet"       # whatever its capitals


@dataclass(frozen=True)
class Asked:
    """request: to be submitted.   ignored: fields of the body that would have done something there and do nothing here."""

    request: GenerationRequest
    ignored: tuple[str, ...]
    reading: Reading


def asked(studio: Studio, body: Mapping[str, Any], chosen: Mapping[str, Any], from_picture: bool) -> Asked:
    """The request of a body, its pictures kept. chosen: what POST /options has set, by path.   from_picture: img2img.

    Raises BadBody with a line for every field that cannot be, StorageError.
    """
    reading = Reading()
    _plain(reading, body)
    _overridden(reading, body, from_picture)
    if from_picture:
        _start(reading, body)
    elif reading.flag(body, "enable_hr"):
        reading.values["hires.scale"] = ROWS["hires.scale"].default     # there is a second pass, whatever is said of it
        for key, path in HIRES.items():
            reading.take(path, body.get(key), key)
    _units(reading, reading.object(body, "alwayson_scripts"))
    _ignored(reading, body, from_picture)
    values = {"model": GenerationRequest().model, **chosen, **reading.values}
    with reading.at(*reading.where["Model"]):       # theirs are titles: "name [hash]"
        model = studio.model(values["model"])
        values["model"], family = model.name, model.family
    reading.check()
    if from_picture and not {"width", "height"} & values.keys():
        start = next(sent.size for sent in reading.pictures if sent.name == "init.image")
        values |= suited(start, family.native_px, family.size_step)._asdict()
    for sent in reading.pictures:
        sent.place[sent.name] = studio.inputs.keep_file(sent.data)
    try:
        whole = GenerationRequest.parse(dict(family.default_request)).merged(nested({**values, **reading.kept}))
        return Asked(whole.merged({"control": reading.control}), tuple(dict.fromkeys(reading.ignored)), reading)
    except StudioError as error:
        raise reading.placed(error) from None


def _plain(reading: Reading, body: Mapping[str, Any]) -> None:
    for key, path in PLAIN.items():
        reading.take(path, body.get(key), key)
    if "sampler" in reading.values:     # the family's own schedule was meant for its own sampler
        reading.values.setdefault("schedule", "Automatic")
    if body.get("subseed_strength"):
        for key, path in VARIATION.items():
            reading.take(path, body.get(key), key)


def _overridden(reading: Reading, body: Mapping[str, Any], from_picture: bool) -> None:
    given = reading.object(body, "override_settings")
    for key, path in OVERRIDES.items():
        if not path.startswith("init.") or from_picture:
            reading.take(path, given.get(key), "override_settings", key)
    taken = {key for key, path in OVERRIDES.items() if from_picture or not path.startswith("init.")}
    reading.ignored += [f"override_settings.{named(key)}" for key, value in given.items()
                        if key not in taken and not idle(key, value)]


def _start(reading: Reading, body: Mapping[str, Any]) -> None:
    """The picture to start from and, with a mask, what is painted of it."""
    given = body.get("init_images")
    reading.where["Picture"] = ("init_images",)
    with reading.at("init_images"):
        if not isinstance(given, list) or not given:
            raise FieldError("init_images", given or "none", "there is nothing to start from", "a list of one picture in base64")
        if len(given) > 1:
            raise FieldError("init_images", len(given), "one picture is started from", "1", "Send a request for each")
        reading.picture(reading.kept, "init.image", given[0], "init_images", 0)
    for key, path in START.items():
        reading.take(path, body.get(key), key)
    if body.get("mask"):
        reading.where["Mask"] = ("mask",)
        reading.picture(reading.kept, "inpaint.mask", body["mask"], "mask")
        for key, path in MASK.items():
            reading.take(path, body.get(key), key)


def _units(reading: Reading, scripts: Mapping[str, Any]) -> None:
    """ControlNet units; of other extensions only the names."""
    for title, script in scripts.items():
        args = script.get("args") if isinstance(script, Mapping) else script
        if str(title).lower() != CONTROLNET:
            if args and (not isinstance(args, list) or any(args)):
                reading.ignored.append(f"alwayson_scripts.{named(title)}")
            continue
        reading.where["Control model"] = UNITS_AT       # one that is not there names no unit
        with reading.at(*UNITS_AT):
            if not isinstance(args, list) or not all(isinstance(unit, Mapping) for unit in args):
                raise FieldError("args", args, "not a list of units")
            if len(args) + len(reading.control) > UNITS:
                raise FieldError("args", len(args), "too many units", f"0-{UNITS}")
            for number, unit in enumerate(args):
                if units.wanted(unit):
                    _unit(reading, unit, number)


def _unit(reading: Reading, unit: Mapping[str, Any], number: int) -> None:
    where = (*UNITS_AT, number)
    taken: dict[str, Any] = {}
    reading.control.append(taken)
    reading.numbers.append(number)
    for key, name, value in units.given(unit):
        with reading.at(*where, key):
            taken[name] = units.checked(name, value)
    strange = units.out_of_range(taken)
    for name in strange:
        del taken[name]
    reading.ignored += [f"alwayson_scripts.controlnet.args.{number}.{key}" for key in (*units.ignored(unit), *strange)]
    for key, name in units.PICTURES.items():
        if value := units.picture_of(unit.get(key)):
            reading.picture(taken, name, value, *where, key)


def _ignored(reading: Reading, body: Mapping[str, Any], from_picture: bool) -> None:
    """Every other field that asks for something."""
    known = {*PLAIN, *VARIATION, *HIRES, *START, *MASK, *IN_BOTH, *(("init_images", "mask") if from_picture else ("enable_hr",))}
    reading.ignored += [named(key) for key, value in body.items() if key not in known and not idle(str(key), value)]
