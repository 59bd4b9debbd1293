"""Wildcards and dynamic prompts, on the same hooks as any other extension.

The request keeps the template while it waits; each picture resolves it with its own seed. Its file carries the
resolved prompt (so it can be made again without the lists) and remembers the template beside it.
"""

from __future__ import annotations

from pathlib import Path

from extensions.hooks import hookimpl
from extensions.wildcards.lists import Lists
from extensions.wildcards.template import check, is_dynamic, resolve
from pipelines.settings import Settings
from pipelines.spec.request import GenerationRequest

FIELDS = {"prompt": ("Prompt", "Template"), "negative_prompt": ("Negative prompt", "Negative Template")}


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
        for field, (label, _) in FIELDS.items():
            if is_dynamic(getattr(request, field)):
                check(getattr(request, field), self.lists, label)

    @hookimpl
    def atelier_image_request(self, request: GenerationRequest) -> tuple[GenerationRequest, dict[str, str]] | None:
        """The picture's own prompt; None (nothing changes) for a prompt without a template."""
        changes, extra = {}, {}
        for field, (label, key) in FIELDS.items():
            template = getattr(request, field)
            if is_dynamic(template):
                changes[field] = resolve(template, f"{seed_of(request)}/{field}", self.lists, label)
                extra[key] = template
        return (request.merged(changes), extra) if changes else None


def seed_of(request: GenerationRequest) -> str:
    """What distinguishes this picture from its neighbours in the batch: its seed, or its variation seed."""
    variation = request.variation
    return f"{request.seed}/{variation.seed}" if variation and variation.strength > 0 else str(request.seed)
