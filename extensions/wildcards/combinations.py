"""How many prompts a template stands for: counted from its tree, none of them is written out.

`{!a|b}` and `{@a|b}` of the template language ask for all of them, one after the other. A picture draws one, so they are
refused, with the number: 20 choices of two are a million prompts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.spec.errors import FieldError

EXHAUSTIVE = re.compile(r"\{[!@]|__[!@]")     # in a text whose plain braces are hidden
EXACT = 10**12      # larger numbers are told by their order of magnitude
WIDEST = 2_000      # values of one choice that are counted exactly when several are taken at once
ParsedValues = Callable[[str], Sequence[Any]]


def refuse_all_of_them(text: str, template: str, field: str, parsed_values: ParsedValues) -> None:
    """Raises FieldError with the number of prompts when `text` asks for all of them."""
    if not EXHAUSTIVE.search(text):
        return
    from dynamicprompts.parser.parse import parse

    number = told(count(parse(text), parsed_values))
    raise FieldError(field, template, f"all its combinations are {number} prompts, and a picture draws one of them",
                     "{a|b} and __name__, drawn by chance",
                     "Take out the ! or @, and choose with Batch count how many pictures draw")


def count(command: Any, parsed_values: ParsedValues) -> int:
    """The number of prompts a parsed template stands for, equal ones counted apart.

    parsed_values: the parsed lines of a list by its name; raises FieldError for a list that leads back to itself.
    """
    def of(part: Any) -> int:
        return count(part, parsed_values)

    match type(command).__name__:
        case "SequenceCommand":
            return math.prod(of(token) for token in command.tokens)
        case "VariantCommand":
            return choices([of(value) for value in command.values], command.min_bound, command.max_bound)
        case "WildcardCommand":
            if not isinstance(command.wildcard, str):
                return of(command.wildcard)
            return sum(of(value) for value in parsed_values(command.wildcard))
        case "WrapCommand":
            return of(command.wrapper) * of(command.inner)
        case "VariableAssignmentCommand":
            return of(command.value)
    return 1


def choices(ways: Sequence[int], least: int, most: int) -> int:
    """Ordered picks of `least` to `most` different options; `ways[i]` is how many prompts option i stands for."""
    most, least = min(most, len(ways)), min(least, len(ways))
    if (least, most) == (1, 1) or len(ways) > WIDEST:
        return sum(ways)
    picks = [1] + [0] * most        # unordered picks of k options, grown option by option
    for way in ways:
        for k in range(most, 0, -1):
            picks[k] += picks[k - 1] * way
    return sum(picks[k] * math.factorial(k) for k in range(least, most + 1))


def told(number: int) -> str:
    """1 048 576, or "about 10^24"."""
    return f"{number:,}".replace(",", " ") if number < EXACT else f"about 10^{math.floor(math.log10(number))}"
