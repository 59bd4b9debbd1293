r"""A tree back to the words one would have to type for it: what a prompt was read as. No torch, no recursion.

What was written so already comes back as it was; a bracket left open is closed, a stray one is escaped, and a weight is given as a
number where brackets alone would be read otherwise. A `#` or `<` in the words has no escape and is left as it is.
"""

from __future__ import annotations

import re

from pipelines.prompt.parse import STRONGER, WEAKER
from pipelines.prompt.tree import Alternating, Break, Node, Prompt, Scheduled, Weighted

_SIGNS = re.compile(r"[()\[\]\\|]")


def printed(prompt: Prompt) -> str:
    """Parsed again it gives the same words with the same weights at every step."""
    out: list[str] = []
    todo: list[tuple[bool, Node | str]] = _nodes(prompt.nodes)     # (whether it is finished text, node or text)
    while todo:
        finished, node = todo.pop()
        if finished:
            out.append(str(node))
        elif isinstance(node, str):
            out.append(_SIGNS.sub(r"\\\g<0>", node))
        elif isinstance(node, Break):
            out.append(" BREAK ")
        elif isinstance(node, Weighted):
            opened, closed = _brackets(node)
            todo += [(True, closed), *_nodes(node.nodes), (True, opened)]
        else:
            todo += _changing(node)
    return "".join(out)


def _nodes(nodes: tuple[Node, ...]) -> list[tuple[bool, Node | str]]:
    """In the order in which a stack gives them back."""
    return [(False, node) for node in reversed(nodes)]


def _brackets(node: Weighted) -> tuple[str, str]:
    divided = any(isinstance(held, str) and ":" in held for held in node.nodes)
    if node.weight == STRONGER and not divided:
        return "(", ")"
    if node.weight == WEAKER and not divided:
        return "[", "]"
    return "(", f":{_number(node.weight)})"


def _changing(node: Scheduled | Alternating) -> list[tuple[bool, Node | str]]:
    if isinstance(node, Scheduled):
        when = _number(node.when) if node.fraction else str(int(node.when))
        return [(True, f":{when}]"), *_nodes(node.after), (True, ":"), *_nodes(node.before), (True, "[")]
    parts: list[tuple[bool, Node | str]] = [(True, "]")]
    for option in reversed(node.options):
        parts += [*_nodes(option), (True, "|")]
    parts[-1] = (True, "[")
    return parts


def _number(value: float) -> str:
    """With a point and as many digits as are read: 0.5, 1.0."""
    text = f"{value:.12f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text
