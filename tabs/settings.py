"""What this studio runs with, the keys of the keyboard, and day or night. Settings are read once, at the start."""

from __future__ import annotations

import html

import gradio as gr

from pipelines.studio import VERSION, Studio
from tabs.page import Page

KEYS = (("Ctrl+Enter", "generate"), ("Alt+Enter", "skip"), ("Esc", "interrupt"), ("Ctrl+↑ / Ctrl+↓", "weigh_words"))

SHOWN = ("device", "precision", "vram_budget", "medvram", "lowvram", "offline", "language", "output_format", "safe_mode")
SHOWN_AS = {None: "–", True: "✓", False: "–"}


def build(studio: Studio, page: Page) -> None:
    words = studio.words
    with gr.Row(elem_classes="toolbar"):
        theme = gr.Button(words("day_or_night"), size="sm", min_width=140, elem_id="settings-theme")
    theme.click(None, js="() => { const night = document.body.classList.toggle('dark');"
                         " localStorage.setItem('atelier-night', night ? '1' : '0'); }", queue=False)
    gr.HTML(shown(studio))


def shown(studio: Studio) -> str:
    words = studio.words
    known = studio.settings
    rows = [("Atelier", VERSION)]
    if not known.exposed:       # guests need not know this machine's folders
        rows += [(words("outputs_folder"), known.outputs_dir), (words("models_folders"), ", ".join(map(str, known.model_roots)))]
    rows += [(key.replace("_", " "), SHOWN_AS.get(getattr(known, key), getattr(known, key))) for key in SHOWN]
    table = "".join(f"<tr><th>{html.escape(str(k))}</th><td>{html.escape(str(v))}</td></tr>" for k, v in rows)
    keys = "".join(f"<tr><th><kbd>{html.escape(k)}</kbd></th><td>{html.escape(words(w))}</td></tr>" for k, w in KEYS)
    return (f'<table class="facts">{table}</table><p>{html.escape(words("settings_note"))}</p>'
            f'<h3>{html.escape(words("keyboard"))}</h3><table class="facts keys">{keys}</table>')
