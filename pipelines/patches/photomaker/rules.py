"""The rules of a PhotoMaker prompt: the trigger after the class word, and when the likeness joins. No torch, no tokenizer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipelines.prompt.parse import parse, parts
from pipelines.prompt.tree import Span, timeline
from pipelines.spec.errors import FieldError

TRIGGER = "img"
LATEST_MERGE = 30       # the reference joins the likeness after step 30 at the latest
EXAMPLE = "a man img riding a bike"
_TRIGGER = re.compile(r"(?<!\w)img(?!\w)")
_CLASS_WORD = re.compile(r"\w[\w'-]*\s*$")
# Class words to offer the trigger after, the usual ones first.
PEOPLE = ("man", "woman", "boy", "girl", "person", "guy", "lady", "child", "baby", "face", "portrait")


def split(text: str) -> tuple[str, str] | None:
    """What stands before and after the trigger, or None without one. "imgur" and "IMG" are no triggers."""
    parts = _TRIGGER.split(text, maxsplit=1)
    return (parts[0], parts[1]) if len(parts) == 2 else None


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
    texts = [span.text or "" for span in spans]
    found = sum(len(_TRIGGER.findall(text)) for text in texts)
    if found == 0:
        raise FieldError("Prompt", prompt, f"the trigger word “{TRIGGER}” is missing after the class word",
                         f"e.g. “{EXAMPLE}”", _offer(prompt))
    if found > 1:
        raise FieldError("Prompt", prompt, f"the trigger word “{TRIGGER}” stands {found} times", "once",
                         f"Try “{_without_repeats(prompt)}”")
    before = next(halves[0] for text in texts if (halves := split(text)))
    if not _CLASS_WORD.search(before):
        raise FieldError("Prompt", prompt, f"“{TRIGGER}” must follow its class word directly, inside the same brackets",
                         f"e.g. “{EXAMPLE}”", _offer(_TRIGGER.sub("", prompt)))


def _offer(prompt: str) -> str:
    """The prompt with the trigger put after the first word for a person; general advice where there is none."""
    for word in PEOPLE:
        if re.search(rf"\b{word}\b", prompt, re.IGNORECASE):
            mended = re.sub(rf"\b({word})\b", rf"\1 {TRIGGER}", prompt, count=1, flags=re.IGNORECASE)
            return f"Try “{' '.join(mended.split())}”"
    return f"Write a word for the person (man, woman, …) and “{TRIGGER}” after it"


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
