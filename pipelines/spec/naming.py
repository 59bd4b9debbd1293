"""How pictures are called: a pattern of tokens, named as in AUTOMATIC1111, becomes a path below the outputs folder.

What a token says is cleaned for every disk, so only a "/" of the pattern itself begins a folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from pipelines.spec.errors import FieldError
from pipelines.spec.paths import is_device, utf8
from pipelines.spec.request import GenerationRequest

PATTERN = "[date]/[number]-[seed]"
NUMBER = "[number]"     # stays in what `named` returns: only the folder knows which one is next
WORKED_OVER = "upscaled"    # where a seed is not known: a picture of another program was worked over
FIELD = "Filename pattern"
WORDS = 8               # of a prompt, as in AUTOMATIC1111
LONGEST = 100           # bytes of a name before and after its number; disks take 255, and a suffix and our own marks come to it

_TOKEN = re.compile(r"\[([^\[\]<>]*)(?:<([^<>]*)>)?\]")
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\[\]]+')
_SYNTAX = re.compile(r"<[^<>]*>|\\|[()\[\]{}|]|:\s*[\d.]+")

_SAYS: Mapping[str, Callable[[GenerationRequest], object]] = MappingProxyType({
    "seed": lambda r: r.seed, "steps": lambda r: r.steps, "cfg": lambda r: f"{r.cfg_scale:g}",
    "sampler": lambda r: r.sampler, "scheduler": lambda r: r.schedule, "clip_skip": lambda r: r.clip_skip,
    "model_name": lambda r: r.model, "model_hash": lambda r: r.model_hash, "vae": lambda r: r.vae,
    "width": lambda r: r.width, "height": lambda r: r.height,
    "denoising": lambda r: f"{r.init.denoising_strength:g}" if r.init else "", "styles": lambda r: ", ".join(r.styles),
    "prompt": lambda r: r.prompt, "prompt_words": lambda r: " ".join(_SYNTAX.sub(" ", r.prompt).replace(",", " ").split()[:WORDS]),
})
_CLOCK: Mapping[str, str] = MappingProxyType({"date": "%Y-%m-%d", "time": "%H%M%S", "datetime": "%Y%m%d%H%M%S"})
TOKENS = ("number", *_SAYS, *_CLOCK)


def check(pattern: str) -> str:
    """The pattern. Raises FieldError, one line, for a token or a time that does not exist."""
    allowed = ", ".join(f"[{name}]" for name in TOKENS) + ", [datetime<%Y-%m>]"
    for token in _TOKEN.finditer(pattern):
        name, format = token.groups()
        if name not in TOKENS or (format is not None and name != "datetime"):
            raise FieldError(FIELD, token[0], "no such token", allowed)
        try:
            datetime(2000, 1, 1).strftime(format or "")
        except ValueError:
            raise FieldError(FIELD, token[0], "not a format of a time", "[datetime<%Y-%m-%d>]") from None
    if set("[]") & set(_TOKEN.sub("", pattern)):
        raise FieldError(FIELD, pattern, "a bracket is alone", allowed)
    if NUMBER in pattern.rpartition("/")[0]:
        raise FieldError(FIELD, pattern, "a folder has no number", PATTERN)
    return pattern


def named(pattern: str, request: GenerationRequest | None, now: datetime) -> str:
    """The path of a picture, relative with "/", without suffix; its NUMBER, if it has one, is still to be counted.

    request: None for a picture of another program; then nothing but the time is known. A name that says nothing is its number.
    """
    def said(token: re.Match[str]) -> str:
        name, format = token.groups()
        if name in _CLOCK:
            return _plain(now.strftime(format or _CLOCK[name]))
        if name == "number":
            return NUMBER
        if request is None:
            return WORKED_OVER if name == "seed" else ""
        return _plain(str(_SAYS[name](request)))

    *folders, last = (_part(part) for part in _TOKEN.sub(said, pattern).split("/"))
    return "/".join([*filter(None, folders), last or NUMBER])


def _part(text: str) -> str:
    """A folder or a name that every disk takes: not hidden, no device, not too long, no blanks or dots at its ends."""
    before, number, after = text.partition(NUMBER)
    kept = (_plain(before) + number + _plain(after)).strip(" .")
    return f"_{kept}" if is_device(kept) else kept


def _plain(text: str) -> str:
    short = _FORBIDDEN.sub("_", utf8(text)).encode()[:LONGEST]
    return short.decode("utf-8", "ignore")
