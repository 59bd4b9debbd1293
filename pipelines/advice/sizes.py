"""Advice on width and height against the size a family was trained at."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipelines.advice.case import Case
from pipelines.advice.verdict import Verdict
from pipelines.spec.geometry import Size

LEVEL: Mapping[str, str] = MappingProxyType({       # best first
    "native": "recommended", "one_side": "acceptable", "short": "acceptable", "off_native": "less_recommended",
    "small": "not_recommended", "duplicate": "not_recommended"})
SAME_AREA = 0.1         # how far from native² the sizes of a family trained in buckets of one area may be


def natives(case: Case) -> tuple[int, ...]:
    """The training sizes in px: the family's own first, then others of the same family (SD 2.x has two)."""
    also = case.book.families.get(case.family.name, {}).get("also_native", ())
    return tuple(dict.fromkeys([int(case.family.native_px), *also]))


def finding(size: Size, native: int, longest: float) -> str:
    """The id of what is to be said of `size` (px) when the model was trained at `native`."""
    low, high = min(size), max(size)
    if low > native:
        return "duplicate"
    if high < native:
        return "small"
    if native not in size:
        return "off_native"
    if low < native:
        return "native" if low * longest >= high else "short"
    return "native" if high <= native * longest else "one_side"


def bucketed(case: Case) -> bool:
    """Whether the family was trained in buckets of one area and this size is like one of them (4:1 at most)."""
    wanted, area = case.request.size, case.family.native_px ** 2
    same = bool(case.book.families.get(case.family.name, {}).get("same_area"))
    return same and abs(wanted.pixels / area - 1) <= SAME_AREA and max(wanted) <= 4 * min(wanted)


def nearest(case: Case) -> Size:
    """The family's own size whose shape is nearest to the request's."""
    wanted = case.request.size
    sizes = list(case.sizes.values()) or [Size(case.family.native_px, case.family.native_px)]
    return min(sizes, key=lambda s: abs(s.width * wanted.height - s.height * wanted.width) / (s.height * wanted.height))


def size(case: Case) -> Verdict:
    """One verdict for both sides; `changes` sets both."""
    wanted, best = case.request.size, nearest(case)
    longest = float(case.book.study["image_size"]["longest"])
    ids = [finding(wanted, native, longest) for native in natives(case)]
    found = "native" if wanted in case.sizes.values() or bucketed(case) else min(ids, key=list(LEVEL).index)
    key = f"size.{found}"
    level = LEVEL[found]
    changes: dict[str, Any] = {} if level == "recommended" else {"width": best.width, "height": best.height}
    return Verdict("size", level, case.book.label(key),
                   case.book.say(key, native=case.family.native_px, family=case.title, best=best), None, tuple(best),
                   changes, "study", case.book.say("size.new_picture"))


def side(case: Case, name: str) -> Verdict:
    """The size's verdict for one side, with the band that this side may take while the other stays."""
    whole = size(case)
    native = int(case.family.native_px)
    other = case.request.height if name == "width" else case.request.width
    longest = native * float(case.book.study["image_size"]["longest"])
    band = (float(native), longest) if other == native else (float(native), float(native))
    return Verdict(name, whole.level, whole.label, whole.text, band, getattr(nearest(case), name), whole.changes,
                   whole.source, whole.note)
