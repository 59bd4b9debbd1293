"""The fold *Regions* under a prompt: boxes on a frame of the picture's shape, which are the `<region:…>` of the prompt itself.

The panel (`assets/regions.js`) reads the prompt's field in the page and writes into it; nothing is kept beside it, and the only
question it asks here is for itself, when a fold is first opened.
"""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from pipelines.prompt.parse import MOST_PARTS
from pipelines.prompt.regions import BASE, SOFT
from pipelines.words import Words
from tabs.theme import ASSETS

WORDS = ("hint", "add", "what", "weight", "remove", "base", "soft")
LOAD = """
const host = element.querySelector('.regions');
host.addEventListener('toggle', () => {
  if (!host.open || host.dataset.begun) return;
  host.dataset.begun = 1;
  window.atelierRegions ??= server.panel({}).then((kit) => {
    document.head.append(Object.assign(document.createElement('style'), { textContent: kit.style }));
    const run = (code) => Function(`return (${code})`)();
    const mount = run(kit.panel), pieces = run(kit.pieces)();
    return (host, tab) => mount({ ...kit, host, tab, pieces });
  });
  window.atelierRegions.then((mount) => mount(host, 'TAB'), () => { delete window.atelierRegions; delete host.dataset.begun; });
});
"""


def place(words: Words, prefix: str) -> gr.HTML:
    """The fold of the form whose fields' ids begin with `prefix`."""
    def panel(_: Any) -> dict[str, Any]:
        code = {"panel": "regions.js", "style": "regions.css", "pieces": "pieces.js"}
        return {**{name: (ASSETS / file).read_text(encoding="utf-8") for name, file in code.items()},
                "words": {name: words(f"regions_{name}") for name in WORDS}, "base": BASE, "soft": SOFT, "most": MOST_PARTS}

    fold = (f'<details class="regions"><summary>{html.escape(words("regions_title"))} <span class="regions-told"></span></summary>'
            '<div class="regions-body"></div></details>')
    return gr.HTML("", html_template=fold, js_on_load=LOAD.replace("TAB", prefix), server_functions=[panel],
                   elem_id=f"{prefix}-regions", elem_classes="regions-fold", apply_default_css=False, padding=False)
