"""The prompt explained, as HTML: every token with its weight, the tree, what holds at a step, what is not there."""

from __future__ import annotations

import html
from collections.abc import Iterable

from pipelines.loading import loras
from pipelines.prompt.explain import Branch, Condition, Explained, Known, Piece, explain
from pipelines.spec.errors import StudioError, shown
from pipelines.studio import Studio
from pipelines.words import Words

MOST_TOKENS = 600       # shown of one prompt; a page with 300 chunks helps nobody
MOST_BRANCHES = 400
MOST_STRETCHES = 60


def explained(studio: Studio, prompt: str, model: str, step: int = 1, steps: int = 1, emphasis: str = "Original") -> str:
    """The panel for a prompt as it stands at `step` (from 1) of `steps`. HTML; everything typed is escaped."""
    try:
        tokens = studio.token_cutter(model)
    except StudioError:
        tokens = None
    known = Known(loras.called(prompt, studio.library), loras.vectors_of(prompt, studio.library), tokens)
    told = explain(prompt, min(max(step, 1), max(steps, 1)) - 1, max(steps, 1), emphasis, known)
    return page(told, studio.words)


def page(told: Explained, words: Words) -> str:
    """`told` as HTML."""
    blocks = [_lines("explain-trouble", told.troubles)]
    for number, one in enumerate(told.conditions, 1):
        title = words("explain_part", number=number, weight=f"{one.weight:g}") if len(told.conditions) > 1 else ""
        title += f" · {one.region}" if one.region else ""
        blocks.append(_condition(one, title, words))
    if told.read_as:
        blocks.append(_line("explain-read", f"{words('explain_read_as')}: {shown(told.read_as, 2000)}"))
    if told.loras:
        text = ", ".join(f"{n.name} ({words('explain_te')} {n.te:g}, UNet {n.unet:g})" for n in told.loras)
        blocks.append(_line("explain-loras", f"LoRA: {text}"))
    if told.embeddings:
        blocks.append(_line("explain-embeddings", f"{words('explain_embeddings')}: {', '.join(told.embeddings)}"))
    return f'<div class="explain">{"".join(blocks)}{_lines("explain-note", told.notes)}</div>'


def _condition(one: Condition, title: str, words: Words) -> str:
    head = f"<h4>{html.escape(title)}</h4>" if title else ""
    cells = "".join(_piece(piece) for piece in one.pieces[:MOST_TOKENS])
    more = len(one.pieces) - MOST_TOKENS
    rest = f"<p>{html.escape(words('explain_more', count=more))}</p>" if more > 0 else ""
    left = [MOST_BRANCHES]
    tree = f"<details><summary>{html.escape(words('explain_tree'))}</summary>{_tree(one.tree, left)}</details>"
    return f'<section>{head}<p class="explain-tokens">{cells}</p>{rest}{_stretches(one, words)}{tree}</section>'


def _piece(piece: Piece) -> str:
    """One token: its weight as a number where it is not 1, and as a shade."""
    shade = "" if piece.weight == 1 else (' class="more"' if piece.weight > 1 else ' class="less"')
    number = "" if piece.weight == 1 else f"<sub>{piece.weight:.3g}</sub>"
    title = html.escape(piece.embedding or f"{piece.chunk + 1}", quote=True)
    return f'<span{shade} title="{title}">{html.escape(piece.text)}{number}</span>'


def _stretches(one: Condition, words: Words) -> str:
    if len(one.stretches) < 2:
        return ""
    rows = "".join(f"<li>{html.escape(words('explain_from_step', step=start + 1))}: {html.escape(shown(text, 400))}</li>"
                   for start, text in one.stretches[:MOST_STRETCHES])
    return f'<ol class="explain-steps">{rows}</ol>'


def _tree(branches: Iterable[Branch], left: list[int]) -> str:
    rows = []
    for branch in branches:
        left[0] -= 1
        if left[0] < 0:
            break
        state = "" if branch.active else ' class="idle"'
        rows.append(f"<li{state}>{html.escape(branch.text)}{_tree(branch.children, left)}</li>")
    return f"<ul>{''.join(rows)}</ul>" if rows else ""


def _line(kind: str, text: str) -> str:
    return f'<p class="{kind}">{html.escape(text)}</p>'


def _lines(kind: str, texts: Iterable[str]) -> str:
    return "".join(_line(kind, text) for text in texts)
