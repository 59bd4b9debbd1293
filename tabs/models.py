"""What the library found, what it refused and why, and what lies in memory now."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from pipelines.studio import Studio
from tabs.listeners import SPOKEN
from tabs.page import Page
from tabs.workbench import choices


def build(studio: Studio, page: Page) -> None:
    words = studio.words
    with gr.Row(elem_classes="toolbar"):
        refresh = gr.Button(words("refresh"), size="sm", min_width=110, elem_id="models-refresh")
    table = gr.HTML("", elem_id="models-table")
    form = page.forms["txt2img"]
    lists = [form.fields["model"], form.fields["vae"]]

    def rescan() -> list[Any]:
        studio.library.scan()
        return [shown(studio), *(gr.Dropdown(choices(studio, source)) for source in ("models", "vaes"))]

    def arrive(event: gr.SelectData) -> Any:
        """Look only when this tab comes on screen: reading every preset takes as long as building the page."""
        return shown(studio) if event.value == words("models") else gr.skip()

    page.tabs.select(arrive, None, table, **SPOKEN)
    refresh.click(rescan, None, [table, *lists], **SPOKEN)


def shown(studio: Studio) -> str:
    words = studio.words
    rows = "".join(_row(m.name, m.family.label, m.size) for m in studio.library.models())
    vaes = "".join(_row(v.name, f"VAE · {v.detected.family}", v.size) for v in studio.library.vaes())
    lines = [f"{e.name}: {e.problem}. {e.fix}" for e in studio.library.problems()]
    lines += [*studio.presets.problems(), *studio.styles.problems()]
    refusals = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    heads = "".join(f"<th>{html.escape(words(w))}</th>" for w in ("model", "family", "file_size"))
    text = f'<table class="facts"><tr>{heads}</tr>{rows}{vaes}</table>'
    if refusals:
        text += (f'<details open class="explained"><summary>{html.escape(words("refused_files"))}</summary>'
                 f"<ul>{refusals}</ul></details>")
    return text + f"<p>{html.escape(words('where_models_go'))}</p>"


def _row(name: str, family: str, size: int) -> str:
    return f"<tr><td>{html.escape(name)}</td><td>{html.escape(family)}</td><td>{size / 2**20:,.0f} MiB</td></tr>"
