"""Advice on the two prompts: the slots, their order, contradictions, words without effect."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipelines.advice.case import Case
from pipelines.advice.prompts import SLOTS, Contradiction, Slot
from pipelines.advice.verdict import Verdict

LONG = 75           # words; each is at least one of the encoder's 75 tokens


@dataclass(frozen=True)
class Structure:
    """A prompt's slots in the study's order, what pulls against what, and everything to be said of it, worst first."""

    slots: tuple[Slot, ...]
    contradictions: tuple[Contradiction, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def missing(self) -> tuple[Slot, ...]:
        return tuple(slot for slot in self.slots if not slot.present)

    def completed(self, prompt: str) -> str:
        """`prompt` with an example for every missing slot: a missing subject before it, everything else after it."""
        before = [s.example for s in self.missing if s.id == "subject"]
        after = [s.example for s in self.missing if s.id != "subject"]
        text = prompt.strip().rstrip(",")
        return ", ".join([*before, *([text] if text else []), *after])


def structure(case: Case) -> Structure:
    """What the study's chapter on prompts says of this one."""
    return Structure(slots(case), case.reading.contradictions,
                     tuple(sorted([*prompt(case), *negative(case)], key=lambda v: -v.severity)))


def slots(case: Case) -> tuple[Slot, ...]:
    reading, book = case.reading, case.book
    kind = reading.kind if reading.kind in ("people", "landscape") else "other"
    examples = case.vocabulary.examples[kind]
    return tuple(Slot(slot, book.label(f"slots.{slot}"), book.say(f"slots.{slot}"), reading.found[slot], examples[slot])
                 for slot in SLOTS)


def prompt(case: Case) -> list[Verdict]:
    """The verdict on the structure first, then order, length and language where something is to be said."""
    reading = case.reading
    if not reading.phrases:
        example = getattr(case.family, "example", "")
        changes = {"prompt": example} if example else {}
        return [replace(_say(case, "prompt", "acceptable", "empty"), recommended=example or None, changes=changes)]
    parts = slots(case)
    missing = [s for s in parts if not s.present]
    names = ", ".join(s.label.lower() for s in missing)
    if not missing:
        verdicts = [_say(case, "prompt", "recommended", "good")]
    elif missing[0].id == "subject":
        verdicts = [_say(case, "prompt", "less_recommended", "no_subject", example=missing[0].example)]
    elif len(missing) <= 3:
        verdicts = [_say(case, "prompt", "acceptable", "fair", missing=names)]
    else:
        verdicts = [_say(case, "prompt", "less_recommended", "poor", missing=names)]
    if reading.too_early:
        subject, early = reading.too_early
        verdicts.append(_say(case, "prompt", "acceptable", "order", subject=_short(subject), early=_short(early)))
    if reading.word_count > LONG:
        verdicts.append(_say(case, "prompt", "acceptable", "long", count=reading.word_count))
    if reading.foreign:
        verdicts.append(_say(case, "prompt", "less_recommended", "language", "practice"))
    return verdicts


def negative(case: Case) -> list[Verdict]:
    """Contradictions with the prompt, body words without a body, and the study's own negative prompt as an offer."""
    reading, field = case.reading, "negative_prompt"
    verdicts = [_say(case, field, "less_recommended", "prompt.contradiction", positive=_short(c.positive),
                     negative=_short(c.negative)) for c in reading.contradictions]
    if reading.useless:
        verdicts.append(_say(case, field, "acceptable", "body", word=reading.useless[0]))
    if verdicts:
        return verdicts
    if reading.negatives:
        return [_say(case, field, "acceptable", "good")]
    offers = case.book.study["negative_prompt"]["by_subject"]
    if reading.kind not in offers or case.scope != "holds":
        return [_say(case, field, "acceptable", "empty")]
    text = offers[reading.kind]["text"]
    key = f"negative_prompt.{reading.kind}"
    return [Verdict(field, "acceptable", case.book.label(key), case.book.say(key), None, text, {field: text})]


def _say(case: Case, field: str, level: str, key: str, source: str = "study", **values: object) -> Verdict:
    key = key if "." in key else f"{field}.{key}"
    return Verdict(field, level, case.book.label(key), case.book.say(key, **values), source=source)


def _short(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
