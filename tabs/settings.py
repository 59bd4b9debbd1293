"""What this studio runs with and what the next start shall use, the keys of the keyboard, and day or night.

Settings are read once, at the start: what is kept here goes into settings.json. Whoever may only visit sees and changes none.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import gradio as gr
from gradio.components import Component

from pipelines import settings
from pipelines.spec.errors import StorageError, StudioError
from pipelines.studio import VERSION, Studio
from pipelines.words import Words
from tabs.form import refused
from tabs.listeners import QUIET, SPOKEN
from tabs.page import Page

KEYS = {
    "keys_everywhere": (("Ctrl+Enter", "generate"), ("Alt+Enter", "skip"), ("Esc", "interrupt"), ("Ctrl+Z", "undo"),
                        ("Ctrl+Y", "redo"), ("Ctrl+↑ / Ctrl+↓", "weigh_words"), ("?", "keyboard")),
    "prompt": (("↑ ↓", "keys_offered"), ("Tab", "keys_take"), ("Esc", "close")),
    "gallery": (("← → ↑ ↓", "keys_move"), ("F", "favourite"), ("Del", "to_trash"), ("Ctrl+click", "keys_pick"),
                ("Shift+click / Shift+← →", "keys_range"), ("Ctrl+A", "select_page"), ("Esc", "keys_let_go")),
    "results": (("← →", "keys_move"), ("F", "favourite"), ("Del", "to_trash")),
    "sketch": (("[ ]", "sketch_width"), ("B", "sketch_brush"), ("E", "sketch_eraser"), ("Ctrl+Z", "sketch_undo")),
    "pose_title": (("← → ↑ ↓ / Shift", "keys_point"), ("Del", "pose_hide"), ("Ctrl+Z", "undo"), ("Ctrl+Y", "redo"),
                   ("Esc", "pose_leave")),
}
# What a person changes now and then. Who may reach the studio is said at the start alone: a page cannot open the door.
EDITED = ("device", "precision", "vram_budget", "ram_budget", "medvram", "lowvram", "output_format", "output_quality",
          "filename_pattern", "theme", "language", "models_dir", "offline")
DEVICES = ("auto", "cpu", "cuda", "mps")
NIGHT = ("() => { const night = document.body.classList.toggle('dark');"
         " localStorage.setItem('atelier-night', night ? '1' : '0'); }")

# What this browser may tell when a job ended while the page was hidden: nothing until it was asked for and the browser agreed.
NOTIFY = """async ([off, on, forbidden], turn) => {
  let wanted = localStorage.getItem('atelier-notify') === '1';
  if (turn) {
    wanted = !wanted;
    if (wanted && window.Notification?.permission === 'default') await Notification.requestPermission();
    localStorage.setItem('atelier-notify', wanted ? '1' : '0');
  }
  return !wanted ? off : window.Notification?.permission === 'granted' ? on : forbidden; }"""


def build(studio: Studio, page: Page) -> None:
    words = studio.words
    with gr.Row(elem_classes="toolbar"):
        theme = gr.Button(words("day_or_night"), size="sm", min_width=140, elem_id="settings-theme")
        notify = gr.Button(words("notify_off"), size="sm", min_width=140, elem_id="settings-notify")
    theme.click(None, js=NIGHT, queue=False)
    said = json.dumps([words(f"notify_{state}") for state in ("off", "on", "forbidden")])
    notify.click(None, None, notify, js=f"() => ({NOTIFY})({said}, true)", **QUIET)
    page.blocks.load(None, None, notify, js=f"() => ({NOTIFY})({said}, false)", **QUIET)
    facts = gr.HTML(shown(studio), elem_id="settings-facts")
    fields: dict[str, Component] = {}
    # On screen only with the values of this moment: what came later would undo what has been typed.
    with gr.Column(visible=False) as sheet:
        if not studio.settings.exposed:
            fields = _fields(studio)
            keep = gr.Button(words("settings_keep"), variant="primary", size="sm", elem_id="settings-keep")
            keep.click(lambda *values: kept(studio, dict(zip(fields, values, strict=True))), list(fields.values()), **SPOKEN)
    gr.HTML(keyboard(words))

    filled = gr.State(False)

    def arrive(before: bool, event: gr.SelectData) -> Any:
        if event.value != words("settings"):
            return [gr.skip()] * (3 + len(fields))
        now = next_start(studio)
        values = [gr.skip() if before else written(now[key]) for key in fields]
        return [shown(studio), gr.Column(visible=bool(fields)), True, *values]

    page.tabs.select(arrive, filled, [facts, sheet, filled, *fields.values()], **SPOKEN)


def _fields(studio: Studio) -> dict[str, Component]:
    now, found = next_start(studio), {}
    gr.HTML(f"<h3>{html.escape(studio.words('settings_next'))}</h3><p>{html.escape(studio.words('settings_note'))}</p>")
    with gr.Column(elem_classes="card settings-fields"):
        for start in range(0, len(EDITED), 2):
            with gr.Row():
                for key in EDITED[start:start + 2]:
                    found[key] = _field(studio, key, now[key])
    return found


def _field(studio: Studio, key: str, value: Any) -> Component:
    """The component of one setting, by its type."""
    declared = settings.by_key()[key]
    about: dict[str, Any] = {"label": studio.words(f"setting_{key}"), "info": studio.words(f"setting_{key}_help"),
                             "elem_id": f"settings-{key}", "min_width": 260}
    if key == "device":
        return gr.Dropdown(list(DEVICES), value=value, allow_custom_value=True, **about)
    if get_origin(declared.annotation) is Literal:
        return gr.Dropdown(list(get_args(declared.annotation)), value=value, **about)
    if declared.annotation is bool:
        return gr.Checkbox(value=value, **about)
    if settings.is_list(declared.annotation):
        return gr.Textbox(written(value), lines=2, max_length=5000, placeholder=studio.words("settings_folders"), **about)
    if declared.annotation is str:
        return gr.Textbox(value, max_length=300, **about)
    return gr.Number(value, precision=0 if declared.annotation is int else None, **about)


def next_start(studio: Studio) -> dict[str, Any]:
    """The edited settings as the next start will read them, as far as no launch flag says otherwise."""
    stored, _ = settings.from_file(studio.settings.file)
    return studio.settings.model_dump(by_alias=True) | {key: value for key, value in stored.items() if key in EDITED}


def written(value: Any) -> Any:
    """A setting as its field holds it: folders a line each."""
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value


def kept(studio: Studio, wanted: dict[str, Any]) -> None:
    """Write what differs into settings.json, and say so. Raises gr.Error with a line for what cannot be."""
    if studio.settings.exposed:
        raise gr.Error(html.escape(studio.words("settings_closed")), print_exception=False)
    now = next_start(studio)
    changes = {key: _read(key, value) for key, value in wanted.items() if key in EDITED and value != written(now[key])}
    try:
        if changes:
            settings.store(studio.settings, changes)
    except StudioError as error:
        raise refused(error) from None
    except OSError as error:
        raise refused(StorageError(f"settings.json: it could not be written ({error.strerror}).")) from None
    names = ", ".join(studio.words(f"setting_{key}") for key in changes)
    gr.Info(html.escape(studio.words("settings_kept", names=names) if changes else studio.words("settings_same")), duration=6)


def _read(key: str, value: Any) -> Any:
    if settings.is_list(settings.by_key()[key].annotation):
        return [Path(line.strip()) for line in str(value or "").splitlines() if line.strip()]
    return value


def shown(studio: Studio) -> str:
    """What is so now, as a table."""
    words, known = studio.words, studio.settings
    rows = [("Atelier", VERSION), (words("works_on"), studio.works_on or words("not_begun"))]
    if not known.exposed:       # guests need not know this machine's folders
        rows += [(words("outputs_folder"), str(known.outputs_dir)),
                 (words("models_folders"), ", ".join(map(str, known.model_roots))), (words("settings_file"), str(known.file))]
    return _facts((html.escape(k), html.escape(v)) for k, v in rows)


def keyboard(words: Words) -> str:
    """Every key the page knows, by where it works."""
    told = f'<h3>{html.escape(words("keyboard"))}</h3>'
    for place, keys in KEYS.items():
        rows = ((f"<kbd>{html.escape(key)}</kbd>", html.escape(words(word))) for key, word in keys)
        told += f"<h4>{html.escape(words(place))}</h4>{_facts(rows, ' keys')}"
    return told


def keys_dialog(words: Words) -> str:
    """The same list over the page, wherever one is."""
    close = html.escape(words("close"), quote=True)
    return (f'<dialog id="keys"><form method="dialog"><button title="{close}" aria-label="{close}">✕</button></form>'
            f'{keyboard(words)}</dialog>')


def _facts(rows: Any, more: str = "") -> str:
    table = "".join(f"<tr><th>{key}</th><td>{value}</td></tr>" for key, value in rows)
    return f'<table class="facts{more}">{table}</table>'
