"""The rules of a PhotoMaker prompt: the trigger after the class word, and when the likeness joins. No torch, no tokenizer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipelines.prompt.parse import parse, parts
from pipelines.prompt.tree import Span, timeline
from pipelines.spec.errors import FieldError

TRIGGER = "img"
LATEST_MERGE = 30       # the reference joins the likeness after step 30 at the latest
LONG_RUN = 100          # steps, at which a schedule inside a prompt is looked at
EXAMPLE = "a man img riding a bike"
_TRIGGER = re.compile(r"(?<!\w)img(?!\w)")
_WITH_SPACE = re.compile(r"(?:(?<=\w)\s+)?" + _TRIGGER.pattern)
_CLASS_WORD = re.compile(r"\w[\w'-]*\s*$")
# Class words to offer the trigger after, the usual ones first.
PEOPLE = ("man", "woman", "boy", "girl", "person", "guy", "lady", "child", "baby", "face", "portrait")


def split(text: str) -> tuple[str, str] | None:
    """What stands before and after the trigger, or None without one. "imgur" and "IMG" are no triggers."""
    parts = _TRIGGER.split(text, maxsplit=1)
    return (parts[0], parts[1]) if len(parts) == 2 else None


def without_trigger(text: str) -> str:
    """`text` as it reads to whoever knows no trigger."""
    return _WITH_SPACE.sub("", text)


def check_prompt(prompt: str, negative: str = "", steps: int = 1, bracketed: bool = True) -> None:
    """Raise FieldError unless at every step of the run the trigger stands once, right after its class word, in the same
    brackets. The message offers the mended prompt.   bracketed: False where brackets are characters (emphasis "None").
    """
    if len(parts(prompt, bracketed)) > 1:
        raise FieldError("Prompt", prompt, "AND cannot be combined with a likeness", "one prompt", "Take AND out of it")
    for _, spans in timeline(parse(prompt, bracketed), steps):
        _check_spans(prompt, spans)
    if any(split(span.text or "") for _, spans in timeline(parse(negative, bracketed), steps) for span in spans):
        raise FieldError("Negative prompt", negative, f"the trigger word “{TRIGGER}” belongs into the prompt only",
                         fix=f"Take “{TRIGGER}” out of it")


def _check_spans(prompt: str, spans: Sequence[Span]) -> None:
    count, follows = _standing(spans)
    if count == 0:
        raise FieldError("Prompt", prompt, f"the trigger word “{TRIGGER}” is missing after the class word",
                         f"e.g. “{EXAMPLE}”", _offer(prompt))
    if count > 1:
        raise FieldError("Prompt", prompt, f"the trigger word “{TRIGGER}” stands {count} times", "once", _offer(prompt))
    if not follows:
        raise FieldError("Prompt", prompt, f"“{TRIGGER}” must follow its class word directly, inside the same brackets",
                         f"e.g. “{EXAMPLE}”", _offer(prompt))


def _standing(spans: Sequence[Span]) -> tuple[int, bool]:
    """How often the trigger stands, and whether the first one follows a word in its own brackets."""
    texts = [span.text or "" for span in spans]
    before = next((halves[0] for text in texts if (halves := split(text))), "")
    return sum(len(_TRIGGER.findall(text)) for text in texts), bool(_CLASS_WORD.search(before))


def mended(prompt: str, class_word: str = "") -> str:
    """`prompt` as the rule wants it: itself where it is right, "" where only its author can say what is meant.

    class_word: what the person is called where the prompt has no word for them.
    """
    if _is_right(prompt):
        return prompt
    bare = " ".join(without_trigger(prompt).split()).lstrip(" ,")
    named = has_person(bare)
    if len(_TRIGGER.findall(prompt)) > 1:
        found = _without_repeats(prompt)
    elif named:
        found = re.sub(rf"\b({named})\b", rf"\1 {TRIGGER}", bare, count=1, flags=re.IGNORECASE)
    else:
        found = f"a {class_word} {TRIGGER}, {bare}".removesuffix(", ") if class_word else ""
    return found if _is_right(found) else ""


def has_person(prompt: str) -> str:
    """The word of PEOPLE that the trigger would be put after; "" without one."""
    return next((word for word in PEOPLE if re.search(rf"\b{word}\b", prompt, re.IGNORECASE)), "")


def _is_right(prompt: str) -> bool:
    return all(_standing(spans) == (1, True) for _, spans in timeline(parse(prompt, True), LONG_RUN))


def _offer(prompt: str) -> str:
    """What to do about a prompt that breaks the rule."""
    found = mended(prompt)
    return f"Try “{found}”" if found else f"Write a word for the person (man, woman, …) and “{TRIGGER}” after it"


def _without_repeats(prompt: str) -> str:
    parts = _TRIGGER.split(prompt)
    return " ".join(f"{parts[0]}{TRIGGER}{''.join(parts[1:])}".split())


def merge_step(style_strength: float, steps: int) -> int:
    """The last step (0-based) that sees the text alone; the likeness joins at the next one.

    style_strength: 0-100 percent. As the reference: min(30, int(strength/100·steps)).
    """
    if not 0 <= style_strength <= 100:
        raise FieldError("Style strength", style_strength, "outside its range", "0-100")
    return min(LATEST_MERGE, int(style_strength / 100 * steps))
