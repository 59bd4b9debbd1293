"""Requests drawn at random over every declared field and part, and AUTOMATIC1111 texts by a writer of our own.

The writer follows the documented rules of `parameters` and imports nothing of `pipelines.metadata`: what it says of a picture
is what a reader must find. Versions before 1.9 name the schedule with the sampler.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from types import UnionType
from typing import Any

from pydantic import BaseModel

from pipelines import samplers
from pipelines.spec.param import Param, kind_of, param_of
from pipelines.spec.parts import LAST_SEED, ControlUnit
from pipelines.spec.request import GenerationRequest

LETTERS = list('abc XYZ09 ,.:;"\'\\/()[]{}<>|#\n\r\t\0=_-éüжї猫😀') + [
    "Steps: 20, ", "Negative prompt: ", "\u202e", "\ud800", "\u0301"]
NAMES = {"samplers": [s.name for s in samplers.SAMPLERS if not s.broken],
         "schedules": [s.name for s in samplers.SCHEDULES if not s.broken]}
WORDS = ("a cat", "(red:1.3) car", "in the snow, at night", "[day|night]", 'so-called "art"', "a: b", "<lora:x:0.8>",
         "сніг", "50% off", "C:\\path", "1girl", "BREAK", "cat, dog: 3, bird: 4", "Size matters")


def drawn(rng: Random) -> GenerationRequest:
    """A whole request: every field, every part with even chance."""
    return GenerationRequest.parse(_part(GenerationRequest, rng) | {"model_hash": rng.choice(["", "0a1b2c3d4e"])})


def _part(model: type[BaseModel], rng: Random) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        param = param_of(model, name)
        if param is not None:
            values[name] = _value(param, kind_of(model, name), rng)
        elif isinstance(field.annotation, UnionType) and rng.random() < 0.5:
            values[name] = _part(field.annotation.__args__[0], rng)
        elif name == "control":
            values[name] = [_part(ControlUnit, rng) for _ in range(rng.choice((0, 0, 1, 3)))]
    return values


def _value(param: Param, kind: type, rng: Random) -> Any:
    if kind is tuple:
        return [_text(param, rng) for _ in range(rng.randrange(3))]
    if kind is bool:
        return rng.random() < 0.5
    if kind is str:
        return _text(param, rng)
    low, high = param.minimum or 0, param.maximum or 0
    if kind is float:
        return rng.choice((low, high, rng.uniform(low, high)))
    step = int(param.step or 1) if param.multiple else 1
    return int(low) + step * rng.randrange(int(high - low) // step + 1)


def _text(param: Param, rng: Random) -> str:
    if param.picture:
        return f"{rng.getrandbits(256):064x}"
    names = param.choices or NAMES.get(param.source)
    made = rng.choice(names) if names else "".join(rng.choices(LETTERS, k=rng.choice((0, 1, 8, 40))))
    return made[:param.max_length] if param.max_length else made


@dataclass(frozen=True)
class Told:
    """text: as AUTOMATIC1111 saves it.   fields: what must be found, by the path in our request."""

    text: str
    fields: dict[str, Any]


def told(rng: Random) -> Told:
    """A picture of AUTOMATIC1111 between versions 1.0 and 1.10, or of Forge: txt2img, img2img, inpainting, or with hires fix."""
    old = rng.random() < 0.4
    sampler = rng.choice(("Euler a", "Euler", "DPM++ 2M", "DPM++ SDE", "DDIM", "UniPC", "Heun", "LMS"))
    karras = sampler in ("DPM++ 2M", "DPM++ SDE") and rng.random() < 0.5
    fields: dict[str, Any] = {
        "prompt": _words(rng, 3), "negative_prompt": _words(rng, 2) if rng.random() < 0.7 else "", "steps": rng.randint(1, 150),
        "sampler": sampler, "schedule": "Karras" if karras else "Automatic", "cfg_scale": rng.choice((1, 4.5, 7, 7.5, 12, 30)),
        "seed": rng.randint(0, LAST_SEED), "width": 8 * rng.randint(8, 256), "height": 8 * rng.randint(8, 256),
        "model": rng.choice(("v1-5-pruned-emaonly", "my, model: 2", "x/y z", "сніг")), "clip_skip": rng.choice((1, 1, 2, 3))}
    line: list[tuple[str, Any]] = [
        ("Steps", fields["steps"]), ("Sampler", f"{sampler} Karras" if karras and old else sampler)]
    if not old:
        line.append(("Schedule type", fields["schedule"]))
    line += [("CFG scale", fields["cfg_scale"]), ("Seed", fields["seed"]), ("Size", f"{fields['width']}x{fields['height']}"),
             ("Model hash", f"{rng.getrandbits(40):010x}"), ("Model", fields["model"])]
    _varied(rng, fields, line)
    if fields["clip_skip"] > 1:
        line.append(("Clip skip", fields["clip_skip"]))
    if not old and rng.random() < 0.2:
        fields["cfg_start"] = rng.choice((0.1, 0.25, 1.0))
        line.append(("Skip Early CFG", fields["cfg_start"]))
    _started(rng, fields, line)
    _steered(rng, fields, line)
    line += [("Lora hashes", "soft: 0123456789ab, other: cd0123456789")] if rng.random() < 0.3 else []
    versions = ("v1.4.1", "v1.6.0-2-g4afaaf8a") if old else ("v1.9.4", "v1.10.1", "f2.0.1v1.10.1-previous")
    line.append(("Version", rng.choice(versions)))
    negative = f"\nNegative prompt: {fields['negative_prompt']}" if fields["negative_prompt"] else ""
    return Told(f"{fields['prompt']}{negative}\n{', '.join(f'{key}: {_quoted(value)}' for key, value in line)}".strip(), fields)


def _words(rng: Random, most: int) -> str:
    """Lines of words as a prompt box gives them; no line begins as another part of the text does."""
    return "\n".join(", ".join(rng.sample(WORDS, rng.randint(1, 3))) for _ in range(rng.randint(1, most)))


def _varied(rng: Random, fields: dict[str, Any], line: list[tuple[str, Any]]) -> None:
    if rng.random() < 0.3:
        fields |= {"variation.seed": rng.randint(0, LAST_SEED), "variation.strength": rng.choice((0.1, 0.5, 1))}
        line += [("Variation seed", fields["variation.seed"]), ("Variation seed strength", fields["variation.strength"])]


def _started(rng: Random, fields: dict[str, Any], line: list[tuple[str, Any]]) -> None:
    """Denoising strength belongs to hires fix where that is named, else to the picture it began with."""
    kind, strength = rng.choice(("text", "hires", "image", "inpaint")), rng.choice((0.2, 0.55, 0.7, 1))
    if kind == "hires":
        fields |= {"hires.denoising_strength": strength, "hires.scale": rng.choice((1.5, 2, 4)), "hires.steps": rng.randint(1, 50)}
        line += [("Denoising strength", strength), ("Hires upscale", fields["hires.scale"]), ("Hires steps", fields["hires.steps"]),
                 ("Hires upscaler", rng.choice(("Latent", "Lanczos")))]
        fields["hires.upscaler"] = line[-1][1]
    elif kind != "text":
        fields |= {"init.denoising_strength": strength}
        line.append(("Denoising strength", strength))
    if kind == "inpaint":
        _masked(rng, fields, line)


def _masked(rng: Random, fields: dict[str, Any], line: list[tuple[str, Any]]) -> None:
    """Only what is not usual is said, but for the blur."""
    fields |= {"inpaint.mask_blur": rng.randint(1, 64), "inpaint.area": rng.choice(("Whole picture", "Only masked")),
               "inpaint.mask_mode": rng.choice(("Inpaint masked", "Inpaint not masked")), "inpaint.padding": 32,
               "inpaint.masked_content": rng.choice(("fill", "original", "latent noise", "latent nothing"))}
    line += [("Mask mode", fields["inpaint.mask_mode"])] if fields["inpaint.mask_mode"] != "Inpaint masked" else []
    line.append(("Mask blur", fields["inpaint.mask_blur"]))
    if fields["inpaint.area"] == "Only masked":
        fields["inpaint.padding"] = 4 * rng.randint(0, 64)
        line += [("Inpaint area", "Only masked"), ("Masked area padding", fields["inpaint.padding"])]
    line += [("Masked content", fields["inpaint.masked_content"])] if fields["inpaint.masked_content"] != "original" else []


def _steered(rng: Random, fields: dict[str, Any], line: list[tuple[str, Any]]) -> None:
    """Units of the ControlNet extension, in the order in which it writes them."""
    fields["control"] = []
    for number in range(rng.choice((0, 0, 1, 3))):
        unit = {"preprocessor": rng.choice(("none", "canny")), "model": rng.choice(("control_v11p_sd15_canny", "my, net: 2")),
                "weight": rng.choice((0.35, 1.0, 2.0)),
                "resize_mode": rng.choice(("Just Resize", "Crop and Resize", "Resize and Fill")),
                "resolution": 8 * rng.randint(8, 256), "threshold_a": float(rng.randint(1, 255)), "threshold_b": 200.0,
                "start": rng.choice((0.0, 0.25)), "end": rng.choice((0.5, 1.0)), "pixel_perfect": rng.random() < 0.5,
                "control_mode": rng.choice(("Balanced", "My prompt is more important", "ControlNet is more important"))}
        labels = ("Module", "Model", "Weight", "Resize Mode", "Processor Res", "Threshold A", "Threshold B", "Guidance Start",
                  "Guidance End", "Pixel Perfect", "Control Mode")
        shown = unit | {"model": f"{unit['model']} [{rng.getrandbits(32):08x}]"}
        line.append((f"ControlNet {number}", ", ".join(f"{a}: {b}" for a, b in zip(labels, shown.values(), strict=True))))
        fields["control"].append(unit)


def _quoted(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(sign in text for sign in ",:\n") else text
