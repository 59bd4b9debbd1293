"""AUTOMATIC1111's `parameters` text: written in its exact field order, read in linear time. It knows strings only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipelines.metadata.control import control_text
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest

INFOTEXT_LIMIT = 256 * 1024         # characters; longer ones are not generation data
_KEY = re.compile(r"\w[\w \-/]+")
MOST_JSON = 16                      # values of one text that may be JSON
_JSON = json.JSONDecoder()
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})")
NEGATIVE = "Negative prompt:"
RNG = "CPU"                         # our noise; a text that does not say so had a graphics card's
ALWAYS = ("mask_blur",)             # said at its default too: a reader without it keeps what stood in its form


def infotext(request: GenerationRequest, extra: Mapping[str, Any] | None = None) -> str:
    """The text beside our JSON. `request` is one picture's: seeds drawn, hashes pinned, styles resolved.

    Entries of `extra` whose key begins with a capital follow our own fields in their order; `Version` comes last.
    """
    shown = {k: v for k, v in (extra or {}).items() if k[:1].isupper()}
    version = shown.pop("Version", None)
    line = _line([*_fields(request), *shown.items(), ("Version", version)])
    negative = f"\n{NEGATIVE} {request.negative_prompt}" if request.negative_prompt else ""
    return f"{request.prompt}{negative}\n{line}".strip()


def pairs(extra: Mapping[str, Any]) -> str:
    """The capitalised entries of `extra` alone, as AUTOMATIC1111 writes what was done to a finished picture."""
    return _line((key, value) for key, value in extra.items() if key[:1].isupper())


def continued(text: str, extra: Mapping[str, Any] | None = None) -> str:
    """Another program's text with the entries of `extra` (but its Version) behind its settings.

    A text without settings stays as it is: what stood behind it would become part of the prompt.
    """
    more = pairs({key: value for key, value in (extra or {}).items() if key != "Version"})
    if not text:
        return more
    return f"{text.rstrip()}, {more}" if more and "Steps: " in text.rstrip().rpartition("\n")[2] else text


def _line(entries: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(key if key == value else f"{key}: {quoted(value)}" for key, value in entries if value is not None)


def _fields(request: GenerationRequest) -> Iterator[tuple[str, Any]]:
    """Our fields in AUTOMATIC1111's order; None where it writes nothing."""
    variation = request.variation if request.variation and request.variation.strength else None
    own_vae = request.vae != "Automatic"
    yield "Steps", request.steps
    yield "Sampler", request.sampler
    yield "Schedule type", request.schedule
    yield "CFG scale", request.cfg_scale
    yield "Seed", request.seed
    yield "Size", f"{request.width}x{request.height}"
    yield "Model hash", request.model_hash or None
    yield "Model", request.model or None
    yield "VAE hash", request.vae_hash or None if own_vae else None
    yield "VAE", request.vae if own_vae else None
    yield "Variation seed", variation.seed if variation else None
    yield "Variation seed strength", variation.strength if variation else None
    yield "Denoising strength", _strength(request)
    yield "Clip skip", request.clip_skip if request.clip_skip > 1 else None
    yield "RNG", RNG
    yield "Tiling", True if request.tiling else None
    yield "CFG rescale", request.cfg_rescale or None
    yield "Skip Early CFG", request.cfg_start or None
    yield "CFG end", request.cfg_end if request.cfg_end < 1 else None
    yield from _start(request)
    yield "Emphasis", request.emphasis if request.emphasis != "Original" else None
    for number, unit in enumerate(request.control):
        yield f"ControlNet {number}", control_text(unit, "".join(request.control_hashes[number:number + 1]))


def _strength(request: GenerationRequest) -> float | None:
    """With a second pass the key is that pass's, as in AUTOMATIC1111."""
    part = request.hires or request.init
    return part.denoising_strength if part else None


def _start(request: GenerationRequest) -> Iterator[tuple[str, Any]]:
    """What AUTOMATIC1111 says of img2img and inpainting; the pictures themselves are named in our JSON."""
    yield from _second_pass(request)
    if request.init is None:
        return
    for part in (request.init, request.inpaint, request.outpaint):
        for row in declared(type(part)) if part else ():
            value = getattr(part, row.path)
            if row.param.infotext and row.path != "denoising_strength" and (value != row.default or row.path in ALWAYS):
                yield row.param.infotext, value


def _second_pass(request: GenerationRequest) -> Iterator[tuple[str, Any]]:
    """Hires fix as AUTOMATIC1111 says it, a tiled upscale with the keys of the Ultimate SD Upscale script, ADetailer's own."""
    hires, tiled, detailer = request.hires, request.tiled, request.detailer
    if hires is not None:
        sized = hires.width or hires.height
        yield "Hires resize", f"{hires.width}x{hires.height}" if sized else None
        for row in declared(type(hires)):
            value = getattr(hires, row.path)
            if row.param.infotext and (value != row.default or row.path in ("scale", "upscaler")):
                yield row.param.infotext, None if row.path == "scale" and sized else value
    if tiled is not None:
        for row in declared(type(tiled)):
            if row.param.infotext:
                yield row.param.infotext, getattr(tiled, row.path)
    if detailer is not None:
        for row in declared(type(detailer)):
            value = getattr(detailer, row.path)
            if value != row.default or row.path == "denoising_strength":
                yield str(row.param.infotext), value


def quoted(value: Any) -> str:
    """`value` as it stands after its key: JSON-quoted where it could not be read back otherwise."""
    if isinstance(value, float):
        text = repr(value)
        return text.removesuffix(".0")
    text = str(value)
    ambiguous = any(c in text for c in ",:\n\r") or text != text.strip() or text.startswith('"') or not text
    return json.dumps(text, ensure_ascii=False) if ambiguous else text


def parse_infotext(text: str) -> dict[str, str]:
    """Keys and values of one text as AUTOMATIC1111 names them, plus "Prompt" and "Negative prompt".

    `Size: 512x768` comes as `Size-1`, `Size-2`. Without a last line that has at least three pairs, one of them `Steps`,
    everything is prompt. Text beyond 256 K characters is not looked at: its prompt is empty.
    """
    if len(text) > INFOTEXT_LIMIT:
        return {"Prompt": "", "Negative prompt": ""}
    lines = text.strip().split("\n")
    pairs = list(_pairs(lines[-1]))
    if len(pairs) >= 3 and any(key == "Steps" for key, _ in pairs):
        lines.pop()
    else:
        pairs = []
    prompt, negative = _prompts(lines)
    return {"Prompt": prompt, "Negative prompt": negative} | dict(_values(pairs))


def _prompts(lines: Iterable[str]) -> tuple[str, str]:
    """Prompt and negative prompt; the second begins at the first line with its label."""
    prompt: list[str] = []
    negative: list[str] = []
    into = prompt
    for line in lines:
        line = line.strip()
        if line.startswith(NEGATIVE):
            into, line = negative, line[len(NEGATIVE):].strip()
        into.append(line)
    return "\n".join(prompt), "\n".join(negative)


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """`Key: value` pairs, raw. Each item is looked at once (the original regex is quadratic)."""
    at, end, tries = 0, len(line), MOST_JSON
    while (colon := line.find(":", at)) >= 0:
        key = line[max(at, line.rfind(",", at, colon) + 1):colon].strip()
        if not _KEY.fullmatch(key):
            at = colon + 1
            continue
        comma = line.find(",", colon)
        stop = end if comma < 0 else comma
        start = colon + 1
        while start < stop and line[start] == " ":
            start += 1
        closing = -1
        if line[start:start + 1] == '"':
            closing = _closing_quote(line, start)
        elif line[start:start + 1] in ("{", "[") and tries:     # `Hashes: {…}`, `Civitai resources: […]`
            tries -= 1      # the reader of JSON looks back over the whole text at every mistake
            closing = _closing_json(line, start)
        if closing >= 0:
            stop = closing + 1
        yield key, line[start:stop].strip()
        at = stop + 1


def _closing_json(line: str, start: int) -> int:
    """Where the JSON that begins at `start` ends, before a comma or the end; -1 when it is none."""
    try:
        _, after = _JSON.raw_decode(line, start)
    except (ValueError, RecursionError):
        return -1
    return after - 1 if line[after:after + 1] in ("", ",") else -1


def _closing_quote(line: str, start: int) -> int:
    """Where the quoted string that begins at `start` ends with `"` before a comma or the end; -1 when it never does."""
    at = line.find('"', start + 1)
    while at >= 0:
        slashes = at
        while line[slashes - 1] == "\\":
            slashes -= 1
        if (at - slashes) % 2 == 0:
            return at if at > start + 1 and line[at + 1:at + 2] in ("", ",") else -1
        at = line.find('"', at + 1)
    return -1


def _values(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Unquoted; sizes taken apart; pairs without a value dropped."""
    for key, raw in pairs:
        value = raw
        if raw.startswith('"') and raw.endswith('"'):
            try:
                value = str(json.loads(raw))
            except (ValueError, RecursionError):
                value = raw
        size = _SIZE.fullmatch(value)
        if size:
            yield f"{key}-1", size[1]
            yield f"{key}-2", size[2]
        elif value:
            yield key, value
