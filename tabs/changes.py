"""What changed since the visitor's last picture, as chips under a result: "CFG scale 7 → 9", "+ in the snow"."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipelines.archive.item import difference
from pipelines.queue import Job
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.words import Words
from tabs.page import tab_of
from tabs.picture import said

MOST_CHIPS = 14
TEXTS = ("prompt", "negative_prompt")
LONG = 40               # characters of a value on a chip


def chips(studio: Studio, job: Job, kinds: Iterable[str] = ("txt2img", "img2img", "inpaint")) -> str:
    """The settings in which `job` differs from the one its owner had painted before in the same tab; "" for the first."""
    past = [one for one in studio.queue.jobs(job.owner) if one.kind in kinds and one.files and one.created < job.created
            and tab_of(one.request) == tab_of(job.request)]
    if not past or job.kind not in kinds:
        return ""
    before = max(past, key=lambda one: one.created).request
    found = list(changed(before.model_dump(), job.request.model_dump(), studio.words))
    if not found:
        return row(studio.words("changed_nothing"), [])
    return row(studio.words("changed_since"), found)


def changed(before: Mapping[str, Any], now: Mapping[str, Any], words: Words) -> Iterator[str]:
    """One short text for each difference of two requests; of a prompt the parts between commas that came and went."""
    rows = {row.param.label: row for row in declared(GenerationRequest)}
    found = difference(before, now)
    telling = {_part(rows[label].path) for label, *values in found if label in rows and rows[label].default not in values}
    for label, old, new in found:
        row = rows.get(label)
        path = row.path if row else ""
        name = words.label(path, label) if path else label
        if row and _part(path) in telling and (old, new) in ((None, row.default), (row.default, None)):
            continue                            # a part that was turned on or off: what nobody set in it says nothing
        if row and row.param.picture and old and new:
            yield f"{name}: {words('another')}"
        elif path in TEXTS:
            mark = "" if path == "prompt" else f"{name}: "
            yield from (f"{mark}{text}" for text in parts_changed(str(old or ""), str(new or "")))
        elif _said(old) != _said(new):        # not so of a part that is off and a field of it that is empty
            yield difference_of(name, old, new)


def _part(path: str) -> str:
    """"hires" of "hires.steps"; "" of a field that stands for itself."""
    return path.rpartition(".")[0]


def difference_of(name: str, old: Any, new: Any) -> str:
    """"CFG scale 7 → 9"."""
    return f"{name} {_short(old)} → {_short(new)}"


def parts_changed(old: str, new: str) -> list[str]:
    """["+ at night", "− in the snow"]; when only the order changed that is one entry."""
    before, after = ([part.strip() for part in text.replace("\n", ",").split(",") if part.strip()] for text in (old, new))
    found = [f"+ {_short(part)}" for part in after if part not in before]
    found += [f"− {_short(part)}" for part in before if part not in after]
    return found or ["⇄ " + _short(new)]


def _said(value: Any) -> str:
    return said(value) or "–"


def _short(value: Any) -> str:
    text = _said(value)
    return text if len(text) <= LONG else text[:LONG - 1] + "…"


def row(title: str, found: list[str]) -> str:
    """One line of chips behind its title, as HTML; the first of very many."""
    more = len(found) - MOST_CHIPS
    few = found[:MOST_CHIPS] + ([f"+{more} …"] if more > 0 else [])
    spans = "".join(f'<span class="change">{html.escape(text)}</span>' for text in few)
    return f'<p class="changes"><b>{html.escape(title)}</b> {spans}</p>'
