"""Advice on the numbers that stand on a scale, and on those of which only a fact can be said."""

from __future__ import annotations

from typing import Any

from pipelines.advice.book import Range, Scale
from pipelines.advice.case import Case
from pipelines.advice.verdict import Verdict
from pipelines.spec.param import number, param_of
from pipelines.spec.parts import RANDOM_SEED
from pipelines.spec.request import GenerationRequest

DETAILED = 5        # phrases; from here on a prompt counts as detailed


def steps(case: Case) -> Verdict:
    """Against the study's ranges and against the sampler: its cost, whether it settles, few-step samplers."""
    if verdict := _distilled(case, "steps"):
        return verdict
    facts, value = case.sampler, case.request.steps
    notes = []
    if facts.cost > 1:
        notes.append(case.book.say("steps.cost", sampler=facts.name, calls=facts.calls(value), steps=value))
    few = case.book.study["samplers"]["by_subject"]["few_steps"]
    if facts.stochastic:
        notes.append(case.book.say("steps.stochastic", sampler=facts.name))
    if value < few["below"] and f"{facts.name} {case.schedule}" not in few["first"]:
        notes.append(case.book.say("steps.few"))
    if value > 40:
        notes.append(case.book.say("steps.above_40"))
    return on_scale(case, "steps", value, notes)


def cfg_scale(case: Case) -> Verdict:
    """Against the study's ranges, with its further remarks, or the family's own; a detailed prompt is named where it matters."""
    if verdict := _distilled(case, "cfg_scale"):
        return verdict
    value, notes, scale = case.request.cfg_scale, [], case.scale("cfg_scale")
    if value <= 1 and case.request.negative_prompt.strip():
        notes.append(case.book.say("cfg_scale.unguided"))
    if scale and scale.source != "study":
        return on_scale(case, "cfg_scale", value, notes)
    if value < 5 and not notes:
        notes.append(case.book.say("cfg_scale.below_5"))
    named = len(case.reading.phrases)
    if 10 < value <= 15 and named >= DETAILED:
        notes.append(case.book.say("cfg_scale.detailed", count=named))
    if value > 14:
        notes.append(case.book.say("cfg_scale.above_14"))
    return on_scale(case, "cfg_scale", value, notes)


def clip_skip(case: Case) -> Verdict:
    return on_scale(case, "clip_skip", case.request.clip_skip, [])


def cfg_rescale(case: Case) -> Verdict:
    return on_scale(case, "cfg_rescale", case.request.cfg_rescale, [])


def seed(case: Case) -> Verdict:
    """Both are right, each for its purpose."""
    return fact(case, "seed", "seed.random" if case.request.seed == RANDOM_SEED else "seed.fixed", "study")


def variation_seed(case: Case) -> Verdict:
    return fact(case, "variation.seed", "variation.seed")


def variation_strength(case: Case) -> Verdict:
    strength = case.request.variation.strength if case.request.variation else 0
    return fact(case, "variation.strength", "variation.mixed" if strength else "variation.none")


def batch_count(case: Case) -> Verdict:
    return fact(case, "batch_count", "batch.many" if case.request.batch_count > 1 else "batch.one", "study")


def batch_size(case: Case) -> Verdict:
    return fact(case, "batch_size", "batch.size" if case.request.batch_size > 1 else "batch.one", "study")


def fact(case: Case, field: str, key: str, source: str = "fact") -> Verdict:
    """A field without better and worse values: what its value means."""
    return Verdict(field, "acceptable", case.book.label(key), case.book.say(key), source=source)


def on_scale(case: Case, field: str, value: float, notes: list[str]) -> Verdict:
    """The verdict of a value on the field's scale; the study's numbers only where they may be used."""
    scale = case.scale(field)
    if scale is None or (scale.source == "study" and case.scope == "silent"):
        return silent(case, field)
    found = scale.range_of(value)
    return Verdict(field, found.level, case.book.label(f"{field}.{found.id}"), case.book.say(f"{field}.{found.id}"),
                   scale.best, scale.recommended, _change(field, scale, found), scale.source,
                   " ".join([*notes, *_origin(case, scale)]), case.book.zones(scale, *_slider(field, scale)))


def silent(case: Case, field: str) -> Verdict:
    """Nothing is known for this family: neither praise nor blame."""
    text = case.book.say("scope.silent", family=case.title)
    return Verdict(field, "acceptable", case.book.label("scope.silent"), text, source="fact")


def _origin(case: Case, scale: Scale) -> list[str]:
    if scale.source == "study" and case.scope == "starts":
        return [case.book.say("scope.starts", family=case.title)]
    return [case.book.say(f"sources.{scale.source}", paper=scale.paper)] if scale.source != "study" else []


def _change(field: str, scale: Scale, found: Range) -> dict[str, Any]:
    return {} if found.level == "recommended" else {field: scale.recommended}


def _slider(field: str, scale: Scale) -> tuple[float, float]:
    """The request's own range of the field; the scale's where the request has no such field."""
    param = param_of(GenerationRequest, field) if field in GenerationRequest.model_fields else None
    if param is None or param.minimum is None or param.maximum is None:
        return scale.legal
    return param.minimum, param.maximum


def _distilled(case: Case, field: str) -> Verdict | None:
    """Steps and CFG scale of distilled weights or samplers, of which the study says nothing; None for all others."""
    row, book = case.distilled_sampler, case.book
    if row is None:
        if not case.distilled_name:
            return None
        text = book.say("distilled.other")
        return Verdict(field, "acceptable", book.label("distilled.other"), text, source="practice")
    value = getattr(case.request, field)
    low, high = row[field]["best"]
    place = "low" if value < low else "best" if value <= high else "high"
    level = {"low": "not_recommended", "best": "recommended"}.get(
        place, "not_recommended" if field == "cfg_scale" else "less_recommended")
    key = f"distilled.{'cfg' if field == 'cfg_scale' else field}_{place}"
    text = book.say(key, sampler=case.sampler.name, low=number(low), high=number(high),
                    range=number(low) if low == high else f"{number(low)}-{number(high)}")
    best = row[field]["recommended"]
    return Verdict(field, level, book.label(key), text, (low, high), best, {} if place == "best" else {field: best},
                   "paper", book.say("sources.paper", paper=row["paper"]))
