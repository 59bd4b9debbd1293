"""Advice on the sampler and its schedule type, by what the prompt asks for."""

from __future__ import annotations

from typing import Any

from pipelines.advice.case import Case
from pipelines.advice.verdict import Verdict


def subject(case: Case) -> str:
    """The row of the study's table of subjects that this prompt belongs to."""
    few = case.book.study["samplers"]["by_subject"]["few_steps"]["below"]
    if case.request.steps < few:
        return "few_steps"
    if case.reading.kind == "people":
        return "people"
    if case.reading.look:
        return case.reading.look
    return "landscape" if case.reading.kind == "landscape" else "other"


def sampler(case: Case) -> Verdict:
    """By the study's table; people and distilled weights have their own word."""
    if case.distilled_sampler or case.distilled_name in ("lcm", "tcd"):
        return _distilled(case)
    facts, kind = case.sampler, subject(case)
    by_subject = case.book.study["samplers"]["by_subject"]
    notes = [case.book.say("sampler.slow")] if facts.cost > 1 else []
    if facts.stochastic:
        notes.append(case.book.say("sampler.stochastic"))
    if case.reading.kind == "people" and facts.name in by_subject["people"]["avoid"]:
        if case.reading.look == "photorealism" and facts.level == "recommended":
            notes.insert(0, case.book.say("sampler.drift_but_photo"))
        return _verdict(case, "less_recommended", "drift", by_subject["people"]["set"], notes)
    names = by_subject[kind].get("first") if isinstance(by_subject[kind].get("first"), list) else []
    if kind in ("photorealism", "illustration", "people") and facts.name in {_bare(n) for n in names}:
        return _verdict(case, "recommended", kind, None, notes)
    if kind == "landscape" and facts.level in ("recommended", "acceptable"):
        return _verdict(case, facts.level, "landscape", None, notes)
    better = by_subject[kind]["set"] if facts.level in ("not_recommended", "less_recommended") else None
    return _verdict(case, facts.level or "acceptable", facts.level or "unknown", better, notes)


def schedule(case: Case) -> Verdict | None:
    """Praises the pairs the study names; blames none. None for LCM and TCD, which have their own time steps."""
    if case.distilled_sampler:
        return None
    name, chosen = case.sampler.name, case.schedule
    named = [kind for kind, samplers in case.book.study["samplers"]["schedules"].items() if name in samplers]
    key = "schedule.named" if chosen in named else "schedule.plain" if named else "schedule.free"
    recommended = chosen if chosen in named else named[0] if named else None
    changes = {"schedule": recommended} if recommended and recommended != chosen else {}
    return Verdict("schedule", "recommended" if chosen in named else "acceptable", case.book.label(key),
                   case.book.say(key, sampler=name, schedule=chosen), None, recommended, changes)


def _verdict(case: Case, level: str, key: str, better: list[str] | None, notes: list[str]) -> Verdict:
    changes: dict[str, Any] = {"sampler": better[0], "schedule": better[1]} if better else {}
    recommended = better[0] if better else case.book.study["samplers"]["by_subject"][subject(case)]["set"][0]
    key = f"sampler.{key}"
    source = "fact" if key == "sampler.unknown" else "study"
    return Verdict("sampler", level, case.book.label(key), case.book.say(key), None, recommended, changes, source,
                   " ".join(notes))


def _distilled(case: Case) -> Verdict:
    """LCM and TCD fit distilled weights only; weights named after one of them want that sampler."""
    book, name = case.book, case.distilled_name
    paper = (case.distilled_sampler or {}).get("paper", "")
    if case.distilled_sampler is None:
        better, text = name.upper(), book.say("sampler.full", name=name.upper())
        return Verdict("sampler", "less_recommended", book.label("sampler.less_recommended"), text, None, better,
                       {"sampler": better}, "paper")
    note = book.say("sources.paper", paper=paper)
    if name:
        return Verdict("sampler", "recommended", book.label("sampler.distilled"), book.say("sampler.distilled"), None,
                       case.sampler.name, {}, "paper", note)
    sampler, schedule = book.study["samplers"]["by_subject"]["other"]["set"]
    text = book.say("sampler.not_distilled")
    return Verdict("sampler", "less_recommended", book.label("sampler.not_distilled"), text, None, sampler,
                   {"sampler": sampler, "schedule": schedule}, "paper", note)


def _bare(label: str) -> str:
    """The sampler in a label that may end in a schedule type."""
    return label.removesuffix(" Karras")
