"""LoRA cards: preview, trigger words, advised weight; a click puts tag and trigger words into a prompt, another takes them out.

What a file says of itself is read by `pipelines.loading.lora_card`; this tab shows it and edits the prompt's text.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.images import open_image
from pipelines.loading.lora_card import LoraCard, card
from pipelines.spec.errors import ImageFileError
from pipelines.studio import Studio
from pipelines.words import Words
from tabs.listeners import SPOKEN
from tabs.lists import refreshing
from tabs.page import Page

CLICK = """element.addEventListener('click', (e) => {
  const button = e.target.closest('button[data-lora]');
  if (button) trigger('select', {name: button.dataset.lora});
})"""
MOST_CARDS = 200        # shown at once; the search narrows
SIDE = 192              # px of a preview, the longer side


def build(studio: Studio, page: Page) -> None:
    """Place the tab; cards are read when it comes on screen."""
    words = studio.words
    with gr.Row(elem_classes="toolbar"):
        search = gr.Textbox(placeholder=words("lora_search"), label=words("lora_search"), show_label=False, max_lines=1,
                            max_length=200, container=False, elem_id="lora-search")
        refresh = gr.Button(words("refresh"), size="sm", min_width=110, elem_id="lora-refresh")
    into = gr.Radio([(words(name), name) for name in page.forms], value="txt2img", label=words("lora_into"), elem_id="lora-into")
    cards = gr.HTML("", js_on_load=CLICK, elem_id="lora-cards")
    prompts = {name: form.fields["prompt"] for name, form in page.forms.items()}

    def arrive(query: str, event: gr.SelectData) -> Any:
        return shown(studio, query) if event.value == words("lora") else gr.skip()

    def click(data: Mapping[Component, Any], event: gr.EventData) -> dict[Component, Any]:
        """The chosen tab's prompt with the LoRA put in, or taken out."""
        found = next((one for one in found_cards(studio) if one.name == event.name and not one.problem), None)
        if found is None:
            return {}
        name = data[into]
        text, put_in = toggled(data[prompts[name]] or "", found)
        word = "lora_inserted" if put_in else "lora_taken_out"
        gr.Info(html.escape(words(word, tab=words(name), tag=found.tag)), duration=4)
        return {prompts[name]: text}

    page.tabs.select(arrive, search, cards, **SPOKEN)
    search.change(lambda query: shown(studio, query), search, cards, trigger_mode="always_last", **SPOKEN)
    page.later.append(lambda: refreshing(studio, page, refresh.click).then(lambda query: shown(studio, query), search, cards,
                                                                            **SPOKEN))
    cards.select(click, {into, *prompts.values()}, set(prompts.values()), **SPOKEN)


def found_cards(studio: Studio) -> list[LoraCard]:
    return [card(file) for file in studio.library.of_kind("lora")]


def toggled(prompt: str, lora: LoraCard) -> tuple[str, bool]:
    """(prompt with the tag and those trigger words it lacks at its end, True), or without them where the tag stood, False."""
    tag = re.compile(rf",?\s*<lora:{re.escape(lora.name)}(:[^<>]*)?>", re.IGNORECASE)
    if tag.search(prompt):
        left = tag.sub("", prompt)
        for trigger in lora.triggers:
            left = re.sub(rf",\s*{re.escape(trigger)}\s*(?=,|$)", "", left)
        return left.strip(" ,"), False
    missing = [trigger for trigger in lora.triggers if trigger.lower() not in prompt.lower()]
    return ", ".join(filter(None, [prompt.rstrip(" ,\n"), *missing, lora.tag])), True


def shown(studio: Studio, query: str) -> str:
    """The cards that have every word of `query` in name, trigger words, tags or notes."""
    words, loras = studio.words, found_cards(studio)
    if not loras:
        return _stage(words("lora_none"))
    wanted = (query or "").lower().split()
    hits = [one for one in loras if all(word in _text(one) for word in wanted)]
    if not hits:
        return _stage(words("lora_nothing"))
    return f'<div class="lora-cards">{"".join(_drawn(one, words) for one in hits[:MOST_CARDS])}</div>'


def _text(lora: LoraCard) -> str:
    return " ".join((lora.name, *lora.triggers, *lora.tags, lora.notes, lora.base)).lower()


def _drawn(lora: LoraCard, words: Words) -> str:
    name = html.escape(lora.name, quote=True)
    if lora.problem:
        return f'<div class="lora-card wrong"><b>{name}</b><p>{html.escape(lora.problem)}</p></div>'
    picture = _preview(lora.preview, lora.preview.stat().st_mtime_ns) if lora.preview else ""
    image = f'<img alt="" src="{picture}">' if picture else '<span class="lora-blank" aria-hidden="true">◇</span>'
    lines = [", ".join(lora.triggers)] if lora.triggers else []
    lines += [f"{words('lora_tags')}: {', '.join(lora.tags[:6])}"] if lora.tags and not lora.triggers else []
    lines += [f"{words('lora_weight')} {lora.weight:g}"] + ([lora.base] if lora.base else [])
    text = "".join(f"<p>{html.escape(line[:160])}</p>" for line in lines)
    title = html.escape(lora.notes[:400] or lora.tag, quote=True)
    return f'<button type="button" class="lora-card" data-lora="{name}" title="{title}">{image}<b>{name}</b>{text}</button>'


@lru_cache(maxsize=400)
def _preview(path: Path, _changed: int) -> str:
    """The picture beside the file, small, as a data address; "" when it cannot be opened: it is a stranger's."""
    try:
        picture = open_image(path).convert("RGB")
    except ImageFileError:
        return ""
    picture.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def _stage(text: str) -> str:
    return f'<div class="stage empty"><p>{html.escape(text)}</p></div>'
