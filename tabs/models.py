"""What the library found, what it refused and why, and what lies in memory now."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import gradio as gr

from pipelines.families import FAMILIES
from pipelines.studio import Studio
from pipelines.words import Words
from tabs import model_notes
from tabs.listeners import SPOKEN
from tabs.lists import refreshing
from tabs.page import Page

MOST = 40       # files of one kind by name; the tab LoRA shows cards of its own


def build(studio: Studio, page: Page) -> None:
    words = studio.words
    with gr.Row(elem_classes="toolbar"):
        refresh = gr.Button(words("refresh"), size="sm", min_width=110, elem_id="models-refresh")
    table = gr.HTML("", elem_id="models-table")
    model_notes.build(studio, page)

    def arrive(event: gr.SelectData) -> Any:
        """Look only when this tab comes on screen: reading every preset takes as long as building the page."""
        return shown(studio) if event.value == words("models") else gr.skip()

    page.tabs.select(arrive, None, table, **SPOKEN)
    page.later.append(lambda: refreshing(studio, page, refresh.click).then(lambda: shown(studio), None, table, **SPOKEN))


def shown(studio: Studio) -> str:
    words = studio.words
    lines = [f"{e.name}: {e.problem}. {e.fix}" for e in studio.library.problems()]
    lines += [*studio.presets.problems(), *studio.styles.problems(), *studio.model_notes.problems()]
    refusals = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    text = _table(words, ("model", "kind_and_family", "file_size"), _files(studio))
    if refusals:
        text += (f'<details open class="explained"><summary>{html.escape(words("refused_files"))}</summary>'
                 f"<ul>{refusals}</ul></details>")
    text += f"<p>{html.escape(words('where_models_go'))}</p>"
    held = [(f"{model} · {part}", words("on_device") if there else words("in_main_memory"), _mib(size))
            for model, part, size, there in studio.resident]
    if held:
        text += f"<h3>{html.escape(words('in_memory_now'))}</h3>" + _table(words, ("model", "place", "memory"), held)
    return text


def _files(studio: Studio) -> Iterator[tuple[str, str, str]]:
    """(name, what it is, size) of what can be used, a kind after the other; of many of a kind only how many there are."""
    by_kind: dict[str, list[Any]] = {}
    for file in studio.library.files():
        if not file.problem:
            by_kind.setdefault(file.kind, []).append(file)
    for kind in sorted(by_kind, key=lambda kind: (kind != "checkpoint", kind)):
        found, name = by_kind[kind], studio.words(f"kind_{kind.replace(' ', '_').replace('-', '_')}")
        if len(found) > MOST:
            yield name, str(len(found)), _mib(sum(file.size for file in found))
            continue
        for file in sorted(found, key=lambda file: file.name.lower()):
            family = FAMILIES.get(file.detected.family).label if file.detected.family else ""
            yield file.name, f"{name} · {family}" if family else name, _mib(file.size)
    for upscaler in studio.upscalers.names():
        file = studio.upscalers.find(upscaler).path
        if file and file.parent.parent.name == "mini":      # beside the model, where no scan looks
            yield upscaler, studio.words("kind_upscaler"), _mib(file.stat().st_size)


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _table(words: Words, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(words(w))}</th>" for w in heads)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="facts"><tr>{head}</tr>{body}</table>'
