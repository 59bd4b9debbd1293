"""`explain PROMPT`: how a prompt is read, as text; exit code 1 when it would stop a run, 2 for bad input. No torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.cli.flags import Order, complain
from pipelines.loading import loras
from pipelines.prompt.explain import Branch, Condition, Explained, Known
from pipelines.prompt.explain import explain as explained
from pipelines.settings import Settings
from pipelines.spec.errors import FieldError, StudioError, shown
from pipelines.spec.request import EMPHASES

if TYPE_CHECKING:
    from pipelines.studio import Hooks

MOST_STEPS = 150


def explain(order: Order, settings: Settings, hooks: Hooks) -> int:
    """The exit code. What is told goes to standard output, line by line."""
    from pipelines.studio import Studio

    given = order.given
    try:
        _check(given["step"], given["steps"], given["emphasis"])
        studio = Studio(settings, hooks)
        studio.library.scan()
        tokens = studio.token_cutter(given["model"])
    except StudioError as error:
        complain(error)
        return 2
    prompt = sys.stdin.read() if given["prompt"] == "-" else given["prompt"]
    known = Known(loras.called(prompt, studio.library), loras.vectors_of(prompt, studio.library), tokens)
    told = explained(prompt, given["step"] - 1, given["steps"], given["emphasis"], known)
    print("\n".join(lines(told, given["step"], given["steps"])))
    return 1 if told.troubles else 0


def _check(step: int, steps: int, emphasis: str) -> None:
    """Raises FieldError."""
    if not 1 <= steps <= MOST_STEPS:
        raise FieldError("--steps", steps, "out of range", f"1-{MOST_STEPS}")
    if not 1 <= step <= steps:
        raise FieldError("--step", step, "not a step of this run", f"1-{steps}")
    if emphasis not in EMPHASES:
        raise FieldError("--emphasis", emphasis, "not known", ", ".join(EMPHASES))


def lines(told: Explained, step: int, steps: int) -> Iterator[str]:
    """Troubles, then every prompt of an AND, then LoRAs, embeddings and notes."""
    yield from (f"! {text}" for text in told.troubles)
    for number, one in enumerate(told.conditions, 1):
        if len(told.conditions) > 1:
            yield f"Prompt {number} of {len(told.conditions)}, weight {one.weight:g}" + (f", in {one.region}" if one.region else "")
        yield from _condition(one, step, steps)
    if told.read_as:
        yield f"Read as: {shown(told.read_as, 2000)}"
    yield from (f"LoRA {n.name}: text encoders {n.te:g}, UNet {n.unet:g}" for n in told.loras)
    if told.embeddings:
        yield f"Embeddings: {', '.join(told.embeddings)}"
    yield from told.notes


def _condition(one: Condition, step: int, steps: int) -> Iterator[str]:
    yield f"Step {step} of {steps}: {len(one.pieces)} tokens in {one.chunks} chunk{'s' * (one.chunks > 1)} of 75"
    for chunk in range(one.chunks):
        yield "  " + " ".join(p.text if p.weight == 1 else f"{p.text}×{p.weight:.3g}" for p in one.pieces if p.chunk == chunk)
    if len(one.stretches) > 1:
        yield "What holds from which step on"
        yield from (f"  {start + 1:>3}  {text}" for start, text in one.stretches)
    yield "Tree"
    yield from _tree(one.tree, 1)


def _tree(branches: tuple[Branch, ...], depth: int) -> Iterator[str]:
    for branch in branches:
        yield "  " * depth + branch.text.strip() + ("" if branch.active else "  (not at this step)")
        yield from _tree(branch.children, depth + 1)
