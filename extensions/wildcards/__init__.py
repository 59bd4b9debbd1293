"""Wildcards and dynamic prompts, on the same hooks as any other extension.

The request keeps the template while it waits; each picture resolves it with its own seed. Its file carries the
resolved prompt (so it can be made again without the lists) and remembers the template beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extensions.hooks import hookimpl
from extensions.wildcards.lists import Lists
from extensions.wildcards.template import check, is_dynamic, resolve
from pipelines.settings import Settings
from pipelines.spec.request import GenerationRequest

FIELDS = {"prompt": ("Prompt", "Template"), "negative_prompt": ("Negative prompt", "Negative Template"),
          "hires.prompt": ("Hires prompt", "Hires Template"),
          "hires.negative_prompt": ("Hires negative prompt", "Hires Negative Template"),
          "detailer.prompt": ("Detailer prompt", "Detailer Template"),
          "detailer.negative_prompt": ("Detailer negative prompt", "Detailer Negative Template")}


def extension(settings: Settings) -> Wildcards:
    """Our own lists, then the user's in `presets/wildcards/`."""
    return Wildcards(Lists((Path(__file__).parent / "lists", settings.preset_folders[-1] / "wildcards")))


class Wildcards:
    """The lists are read at every use: one edited while the studio runs is used for the next picture."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists

    @hookimpl
    def atelier_transform_request(self, request: GenerationRequest) -> None:
        """Refuse a template that cannot be resolved before it is queued, not at the fortieth picture."""
        for field, template in templates(request):
            check(template, self.lists, FIELDS[field][0])

    @hookimpl
    def atelier_image_request(self, request: GenerationRequest) -> tuple[GenerationRequest, dict[str, str]] | None:
        """The picture's own prompt; None (nothing changes) for a prompt without a template."""
        changes: dict[str, Any] = {}
        extra = {}
        for field, template in templates(request):
            label, key = FIELDS[field]
            part, _, name = field.rpartition(".")
            into = changes.setdefault(part, {}) if part else changes
            into[name] = resolve(template, f"{seed_of(request)}/{field}", self.lists, label)
            extra[key] = template
        return (request.merged(changes), extra) if changes else None

    @hookimpl
    def atelier_wildcards(self) -> list[str]:
        """All lists there are now."""
        return self.lists.names()


def templates(request: GenerationRequest) -> Iterator[tuple[str, str]]:
    """(field, its text) of every prompt that is a template, those of the second pass included."""
    for field in FIELDS:
        part, _, name = field.rpartition(".")
        holder = getattr(request, part) if part else request
        text = getattr(holder, name) if holder is not None else ""
        if is_dynamic(text):
            yield field, text


def seed_of(request: GenerationRequest) -> str:
    """What distinguishes this picture from its neighbours in the batch: its seed, or its variation seed."""
    variation = request.variation
    return f"{request.seed}/{variation.seed}" if variation and variation.strength > 0 else str(request.seed)
