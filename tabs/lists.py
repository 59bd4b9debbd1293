"""Every list of names on the page brought up to date - models, upscalers, styles, presets, in all forms at once: when the page
opens, and whenever somebody asks for it. What a form holds and is not here any more is told; the form keeps it.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.studio import Studio
from pipelines.words import Words
from tabs.listeners import SPOKEN
from tabs.page import Page, by_path

TOLD = "() => { window.dispatchEvent(new CustomEvent('atelier-lists')); }"       # to the scripts that hold lists of their own


def wire(studio: Studio, page: Page) -> None:
    """Once all forms are there. The folders are looked through after the page has its values back: a slow disk delays neither."""

    def looked_through(*kept: Any) -> dict[Any, Any]:
        studio.library.scan()
        held = [(page.forms[name], by_path(page.forms[name], values)) for name, values in zip(page.kept, kept, strict=True)]
        tell(studio.words, (one for form, values in held for one in form.gone(values)))
        data = {form.fields[path]: value for form, values in held for path, value in values.items()}
        return {component: update for component, update in page.relist(data).items() if differs(component, update)}

    page.blocks.load(looked_through, list(page.kept.values()), list(page.lists), **SPOKEN)


def refreshing(studio: Studio, page: Page, event: Callable[..., Any], scan: bool = True) -> Any:
    """Let `event` bring all lists up to date, and the folders be looked through before (`scan`). Call from `page.later`."""

    def refreshed(data: Mapping[Component, Any]) -> dict[Any, Any]:
        if scan:
            studio.library.scan()
        tell(studio.words, (one for form in page.forms.values() for one in form.gone(form.values(data))))
        return page.relist(data)

    held = {component for component in page.lists if isinstance(component, Component)}
    return event(refreshed, held, list(page.lists), **SPOKEN).then(None, None, None, js=TOLD, **SPOKEN)


def tell(words: Words, gone: Iterable[tuple[str, str]]) -> None:
    """One toast for all (label, name) that are not here any more."""
    if lines := [words("name_gone", name=label, value=name) for label, name in sorted(set(gone))]:
        gr.Warning("<br>".join(map(html.escape, lines)), duration=12)


def differs(component: Any, update: Mapping[str, Any]) -> bool:
    """Whether the update would change the component as the page was made with it."""
    asked = {key: value for key, value in update.items() if key != "__type__"}
    if "choices" in asked:
        asked["choices"] = [one if isinstance(one, tuple) else (one, one) for one in asked["choices"]]
    return any(getattr(component, key) != value for key, value in asked.items())
