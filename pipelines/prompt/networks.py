"""`<lora:name:te:unet>` in a prompt: taken out of the words that are encoded, and read. Knows no files. No torch.

As in AUTOMATIC1111: one number is for both, two are text encoder and UNet, `te=` and `unet=` name them; `<lyco:` means
the same. A tag whose number cannot be read is an error of its own, with the tag in it: silence would paint without it.
"""

from __future__ import annotations

import math
import re

from pipelines.prompt.tree import Network
from pipelines.spec.errors import FieldError

_TAG = re.compile(r"<(?:lora|lyco):([^<>:\n]{1,200})((?::[^<>:\n]{0,40}){0,6})>", re.IGNORECASE)
_HYPERNET = re.compile(r"<hypernet:[^<>\n]{1,200}>", re.IGNORECASE)
_ALLOWED = "<lora:name>, <lora:name:0.8>, <lora:name:0.5:0.8> (text encoder, UNet)"
STRONGEST = 10.0
MOST = 32           # LoRAs in one prompt


def without_networks(text: str) -> str:
    """`text` without its tags."""
    return _TAG.sub("", text) if "<" in text else text


def tag_of(text: str, name: str) -> str:
    """The first tag of `text` that names this LoRA, as it stands there; "" without one."""
    return next((tag[0] for tag in _TAG.finditer(text) if tag[1].strip().lower() == name.strip().lower()), "")


def networks(text: str, field: str = "Prompt") -> tuple[Network, ...]:
    """The LoRAs of `text`, in its order. Raises FieldError for a number that is none, one named twice, and a hypernetwork."""
    found: dict[str, Network] = {}
    if "<" in text and (other := _HYPERNET.search(text)):
        raise FieldError(field, other[0], "hypernetworks are not read here", _ALLOWED, "Take the tag out")
    for tag in _TAG.finditer(text) if "<" in text else ():
        network = _read(tag[1].strip(), tag[2], tag[0], field)
        if network.name.lower() in found:
            raise FieldError(field, tag[0], "this LoRA is named twice", fix="Write it once, with the weight you want")
        found[network.name.lower()] = network
    if len(found) > MOST:
        raise FieldError(field, f"{len(found)} LoRAs", "too many", f"up to {MOST}")
    return tuple(found.values())


def _read(name: str, rest: str, tag: str, field: str) -> Network:
    given: dict[str, float] = {}
    plain: list[float] = []
    for text in rest.split(":")[1:]:
        key, _, value = text.rpartition("=")
        if key.strip() not in ("", "te", "unet"):
            raise FieldError(field, tag, f"{key.strip()!r} is not known here", _ALLOWED)
        number = _number(value, tag, field)
        if key:
            given[key.strip()] = number
        else:
            plain.append(number)
    if len(plain) > 2:
        raise FieldError(field, tag, "more numbers than a LoRA takes", _ALLOWED)
    te = given.get("te", plain[0] if plain else 1.0)
    unet = given.get("unet", plain[1] if len(plain) > 1 else te)
    return Network(name, te, unet)


def _number(text: str, tag: str, field: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= STRONGEST:
        raise FieldError(field, tag, f"{text.strip()!r} is not a weight from -{STRONGEST:g} to {STRONGEST:g}", _ALLOWED)
    return value
