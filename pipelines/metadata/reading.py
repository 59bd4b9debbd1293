"""Reads a picture's request back: our JSON exactly, anybody else's text as far as it can be understood."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.metadata.containers import OURS, PARAMETERS, Texts, read_texts
from pipelines.metadata.control import kept_units, read_units
from pipelines.metadata.fields import OFF, kept, listed, partial
from pipelines.metadata.foreign import read_foreign
from pipelines.metadata.infotext import INFOTEXT_LIMIT, RNG, parse_infotext
from pipelines.metadata.older import renewed
from pipelines.spec.errors import RequestError
from pipelines.spec.param import declared
from pipelines.spec.parts import Detailer, Hires, Inpaint, Tiled
from pipelines.spec.request import GenerationRequest

NOTHING = "no generation data in this file"
WRITTEN_BY_US = ("model_hash", "vae_hash", "control_hashes")


@dataclass(frozen=True)
class Read:
    """What a picture says of how it was made.

    request: partial request, every value checked or clamped.   full: the whole request when our own JSON was intact.
    infotext: AUTOMATIC1111's text as it stands.   source: the program that wrote it, "" when there is nothing.
    unknown: values of theirs that are not ours.   made: what our JSON says beside the request.
    notes: one line for everything clamped, left out, damaged or unknown.
    """

    request: dict[str, Any] = field(default_factory=dict)
    full: GenerationRequest | None = None
    infotext: str = ""
    source: str = ""
    unknown: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    made: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)

    @property
    def found(self) -> bool:
        """Whether there is anything to send to a form."""
        return bool(self.request)


def read(source: str | Path | bytes) -> Read:
    """The request of a PNG, JPEG or WebP file (or of its bytes); GIF and BMP say nothing.

    Our JSON wins over the text beside it. A file that says nothing gives a Read with `source` "" and one note. Raises
    ImageFileError when it is no picture.
    """
    texts = read_texts(source)
    infotexts = [t for t in texts.all(PARAMETERS) if len(t) <= INFOTEXT_LIMIT]
    notes = list(texts.notes)
    if len(infotexts) < len(texts.all(PARAMETERS)):
        notes.append("A `parameters` text longer than 256 KB was skipped.")
    infotext = next((t for t in infotexts if "Steps: " in t), "")
    ours = texts.get(OURS)
    said = _ours(ours, notes) if ours else None
    result = said if said and said.request else _theirs(texts, infotext, notes)
    made = {**result.made, **(said.made if said else {})}
    if len(infotexts) > 1 and not result.full:
        notes.append("The file has more than one `parameters` text; the first with settings is used.")
    if not result.found:
        notes.insert(0, NOTHING)
    return Read(result.request, result.full, infotext, result.source if result.found else "", kept(result.unknown),
                tuple(notes), made, texts.size)


def from_infotext(text: str) -> Read:
    """The same for a text somebody pasted."""
    notes: list[str] = []
    if len(text) > INFOTEXT_LIMIT:
        return Read(notes=("The text is longer than 256 KB.",))
    result = _infotext(text, notes)
    return Read(result.request, None, text, result.source, kept(result.unknown), tuple(notes), result.made)


def _ours(text: str, notes: list[str]) -> Read | None:
    """Our envelope; a request of another version is taken field by field. None when it is damaged.

    A picture of another program that was worked over here has no request of ours, only what was done.
    """
    try:
        data = json.loads(text)
        made = data.get("made", {})
        request = data["request"] if "request" in data or not made else None
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        notes.append("The studio's own data in this file is damaged.")
        return None
    if request is None and isinstance(made, dict):
        return Read(made=made)
    if not isinstance(request, dict) or not isinstance(made, dict):
        notes.append("The studio's own data in this file is damaged.")
        return None
    try:
        full = GenerationRequest.parse(request)
        return Read(full.model_dump(mode="json"), full, source="Atelier", made=made)
    except RequestError:
        values = _flat(request)
        taken, said = partial(values)
        if "control" in values:
            taken["control"] = kept_units(values.pop("control"))
        unknown = {k: v for k, v in values.items() if k not in {d.path for d in declared(GenerationRequest)}}
        unknown = {k: v for k, v in unknown.items() if k not in WRITTEN_BY_US}
        notes += said + ([f"Unknown to this version: {listed(unknown)}."] if unknown else [])
        return Read(taken, None, source="Atelier", unknown=unknown, made=made)


def _flat(request: Mapping[str, Any]) -> dict[str, Any]:
    """Paths of a nested request: {"variation": {"seed": 1}} as {"variation.seed": 1}."""
    flat: dict[str, Any] = {}
    for key, value in request.items():
        flat |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _theirs(texts: Texts, infotext: str, notes: list[str]) -> Read:
    """Other programs' data; AUTOMATIC1111's text when nobody else's is there."""
    if not infotext.lstrip().startswith("{") and "Steps: " in infotext:
        return _infotext(infotext, notes)
    foreign = read_foreign(texts)
    if foreign is None:
        return Read()
    notes += foreign.notes
    request, said = partial(foreign.values)
    notes += said + ([f"Not used: {listed(foreign.unknown)}."] if foreign.unknown else [])
    return Read({**OFF, **request} if request else {}, None, source=foreign.source, unknown=foreign.unknown)


def _infotext(text: str, notes: list[str]) -> Read:
    """AUTOMATIC1111's pairs by the declarations' own keys; without settings the text is a prompt."""
    pairs = parse_infotext(text)
    values: dict[str, Any] = {"prompt": pairs.pop("Prompt"), "negative_prompt": pairs.pop("Negative prompt")}
    renewed(pairs)
    if "Steps" not in pairs:
        taken, said = partial({k: v for k, v in values.items() if v})
        notes += said
        return Read(taken, None, source="text" if taken else "")
    others = "face" not in pairs.get("ADetailer model", "face").lower()       # hands, or whole persons: what we do not find
    for field_ in declared(GenerationRequest):
        if field_.param.infotext in pairs and not (others and field_.path.startswith("detailer.")):
            values[field_.path] = pairs.pop(field_.param.infotext)
    if "Size-1" in pairs:
        values["width"], values["height"] = pairs.pop("Size-1"), pairs.pop("Size-2")
    units, missing = read_units(pairs)
    request, said = partial(_larger(values, pairs))
    _whole(request)
    said += missing
    made: dict[str, Any] = {key: pairs.pop(key) for key in ("Version", "Model hash", "VAE hash") if key in pairs}
    made |= {"RNG": pairs.pop("RNG")} if pairs.get("RNG") == RNG else {}        # else it is not used, and said so
    notes += said + ([f"Not used: {listed(pairs)}."] if pairs else [])
    return Read({**OFF, **request, "control": units}, None, source="AUTOMATIC1111", unknown=pairs, made=made)


def _whole(request: dict[str, Any]) -> None:
    """A part that the text speaks of is at its defaults where it says nothing, whatever a form held before. Pictures stay."""
    for name, part in (("hires", Hires), ("inpaint", Inpaint), ("tiled", Tiled), ("detailer", Detailer)):
        if name in request:
            request[name] = {row.path: row.default for row in declared(part) if not row.param.picture} | request[name]


def _larger(values: dict[str, Any], pairs: dict[str, str]) -> dict[str, Any]:
    """`values` with what belongs to a second pass where it belongs: its size and, when there is one, the strength."""
    if "Hires resize-1" in pairs:
        values["hires.width"], values["hires.height"] = pairs.pop("Hires resize-1"), pairs.pop("Hires resize-2")
    if any(path.startswith("hires.") for path in values) and "init.denoising_strength" in values:
        values["hires.denoising_strength"] = values.pop("init.denoising_strength")
    if values.get("hires.upscaler") == "None":      # the other program's name for resizing alone
        values["hires.upscaler"] = "Lanczos"
    if any(path.startswith("tiled.") for path in values):
        values.setdefault("tiled.method", "Separate")       # the script whose keys these are
        pairs.pop("Ultimate SD upscale tile_height", None)
    return values
