"""A template and a seed make a prompt: our limits and byte-exact text around the `dynamicprompts` library.

The library stops at `%`, drops everything behind `#`, has no limits and follows a list that names itself for ever.
So characters that it would trip over are hidden from it and put back, what it may be given is bounded before it
parses, and the lists it asks for are counted.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from typing import Any

from extensions.wildcards.combinations import EXHAUSTIVE, refuse_all_of_them
from extensions.wildcards.lists import Lists
from pipelines.spec.errors import FieldError

PIECES = 200        # braces and wildcards in one text; the library's parser needs about 1.5 ms for each
DEPTH = 20          # braces within braces
LOOKUPS = 500       # lists asked for one prompt: more only when a list names itself
SECONDS = 3.0
NAME = re.compile(r"__[~@!]?([\w./ -]{1,100}?)__")
SPECIAL = re.compile(r"[%#\\(){}|$]|__")
HIDDEN = {c: chr(0xF0000 + ord(c)) for c in "%#\\(){}|$_"}        # a private plane of Unicode, put back afterwards
SHOWN = str.maketrans({hidden: c for c, hidden in HIDDEN.items()})


def is_dynamic(text: str) -> bool:
    """True when the text holds a closed brace pair or a `__name__`; anything else is a prompt as it stands."""
    return bool(NAME.search(text)) or any(True for _ in closed_braces(text))


def resolve(template: str, seed: str, lists: Lists, field: str = "Prompt") -> str:
    """One prompt; the same template, seed and lists give the same one. Raises FieldError naming `field` or a list."""
    from dynamicprompts.enums import SamplingMethod
    from dynamicprompts.sampling_context import SamplingContext

    library_lists = Counted(lists, time.monotonic() + SECONDS)
    context = SamplingContext(SamplingMethod.RANDOM, library_lists, rand=random.Random(seed))  # type: ignore[arg-type]
    try:
        text = prepared(template, field)
        refuse_all_of_them(text, template, field, library_lists.parsed)
        drawn = next(iter(context.sample_prompts(text, 1))).text
    except FieldError:
        raise
    except RecursionError:
        raise FieldError(field, template, "a wildcard or variable leads back to itself") from None
    except Exception as error:      # the library raises a dozen kinds for a template it cannot read
        raise FieldError(field, template, f"this template cannot be read ({type(error).__name__})",
                         "{a|b}, {2$$a|b|c}, {3::a|1::b}, __name__") from None
    prompt = drawn.translate(SHOWN)
    if is_dynamic(prompt):      # or the picture could not be made again from its own file
        raise FieldError(field, template, "what it resolves to is a template again")
    return prompt


def prepared(text: str, field: str) -> str:
    """`text` as the library may read it. Raises FieldError when there is too much of it."""
    if not SPECIAL.search(text):
        return text
    pairs = dict(closed_braces(text))
    ends = set(pairs.values())
    names = list(NAME.finditer(text))
    if len(pairs) + len(names) > PIECES:
        raise FieldError(field, text, f"{len(pairs) + len(names)} choices and wildcards", f"up to {PIECES}")
    structure = {i for m in names for i in range(*m.span())}
    out, depth = [], 0
    for at, character in enumerate(text):
        if at in pairs:
            depth += 1
            if depth > DEPTH:
                raise FieldError(field, text, "choices nested too deeply", f"up to {DEPTH} levels")
        depth -= at in ends
        kept = (at in pairs or at in ends or at in structure or (character == "|" and depth > 0)
                or (character == "$" and _means_something(text, at, depth, pairs))
                or (character == "_" and "_" not in (text[at - 1:at], text[at + 1:at + 2])))
        out.append(character if kept else HIDDEN.get(character, character))
    return "".join(out)


def _means_something(text: str, at: int, depth: int, pairs: dict[int, int]) -> bool:
    """Whether the `$` at this place is the library's: `${name}` or the `$$` of `{2$$…}`."""
    return at + 1 in pairs or (depth > 0 and "$" in (text[at + 1:at + 2], text[at - 1:at]))


def check(template: str, lists: Lists, field: str = "Prompt") -> None:
    """Raises FieldError for a template that cannot be resolved, or one that names a list there is not."""
    for name in {match.group(1).strip() for match in NAME.finditer(template)}:
        lists.values(name)
    resolve(template, "trial", lists, field)


def closed_braces(text: str) -> list[tuple[int, int]]:
    """Places of every `{` with its `}`, in linear time; a brace without its other half, or escaped, is plain text."""
    opened, found, at = [], [], 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "{":
            opened.append(at)
        elif text[at] == "}" and opened:
            found.append((opened.pop(), at))
        at += 1
    return found


class Counted:
    """The lists as the library asks for them, with an end to asking."""

    wildcard_wrap = "__"

    def __init__(self, lists: Lists, deadline: float) -> None:
        self.lists, self.deadline, self.asked = lists, deadline, 0

    def get_values(self, name: str) -> Any:
        from dynamicprompts.wildcards.values import WildcardValues

        return WildcardValues.from_items(self._prepared(name))

    def parsed(self, name: str) -> list[Any]:
        """The lines of a list as the library's trees; plain ones as they are."""
        from dynamicprompts.parser.parse import parse

        found: list[Any] = []
        for value in self._prepared(name):
            if time.monotonic() > self.deadline:
                raise FieldError("Wildcard", name, "its list has too many templates to count")
            found.append(parse(value) if SPECIAL.search(value) else value)
        return found

    def _prepared(self, name: str) -> Iterator[str]:
        name = name.translate(SHOWN).strip()
        self.asked += 1
        if self.asked > LOOKUPS or time.monotonic() > self.deadline:
            raise FieldError("Wildcard", name, "leads back to itself, or asks for too many lists", f"up to {LOOKUPS}")
        for value in self.lists.values(name):
            text = prepared(value, f"Wildcard {name}")
            if EXHAUSTIVE.search(text):
                raise FieldError(f"Wildcard {name}", value, "asks for all its combinations, and a picture draws one",
                                 "{a|b} and __name__, drawn by chance", "Take out the ! or @")
            yield text
