"""The page: masthead, order of tabs, keyboard, theme. What a tab shows is the tab's own business."""

from __future__ import annotations

import html
import secrets
from typing import Any

import gradio as gr

from pipelines.studio import Studio
from pipelines.words import Words
from tabs import (
    completion,
    control,
    experiments,
    gallery,
    img2img,
    inpaint,
    lists,
    loras,
    models,
    photomaker,
    queue,
    settings,
    sketch,
    txt2img,
    undo,
    upscale,
)
from tabs.described import DescribedOnce
from tabs.listeners import QUIET
from tabs.page import Page

TABS = (("txt2img", txt2img.build), ("img2img", img2img.build), ("inpaint", inpaint.build),
        ("sketch", sketch.build), ("photomaker", photomaker.build), ("control", control.build), ("upscale", upscale.build),
        ("experiments", experiments.build), ("gallery", gallery.build), ("lora", loras.build),
        ("queue", queue.build), ("models", models.build), ("settings", settings.build))


def build(studio: Studio) -> gr.Blocks:
    """All of the studio as one Blocks; launched by `tabs.launch` with theme, style sheet and script of `tabs.theme`."""
    words = studio.words
    secret = browser_secret(studio)
    with DescribedOnce(title="Atelier", fill_width=True, analytics_enabled=False, delete_cache=(3600, 86400)) as blocks:

        def ask(_: Any) -> dict[str, Any]:
            return completion.names(studio)

        gr.HTML(masthead(words) + settings.keys_dialog(words), js_on_load="window.atelierNames = () => server.ask({});",
                server_functions=[ask])
        owner = gr.BrowserState("", storage_key="atelier-owner", secret=secret)
        with gr.Tabs(elem_id="tabs") as tabs:
            page = Page(blocks, tabs, owner, secret)
            for name, place in TABS:
                with gr.Tab(words(name), id=name, elem_id=f"tab-{name}"):
                    place(studio, page)
            for extension_tab in studio.hooks.tabs():
                with gr.Tab(extension_tab.title, id=extension_tab.name):
                    extension_tab.build(studio, page)
            for connect in page.later:
                connect()
            # What another tab handed over is seen from its beginning, however far down that tab was.
            tabs.change(None, None, None, js="() => scrollTo(0, 0)", **QUIET)
        lists.wire(studio, page)
        undo.build(page, words)
    return blocks


def masthead(words: Words) -> str:
    """Name, tagline and the door to the list of keys; what the window's title says of a job that ended."""
    said = {name: html.escape(words(word), quote=True) for name, word in
            (("done", "status_done"), ("failed", "status_failed"), ("keys", "keyboard"))}
    return (f'<div class="masthead" data-done="{said["done"]}" data-failed="{said["failed"]}"><h1>Atelier<span>.</span></h1>'
            f'<p>{html.escape(words("tagline"))}</p>'
            f'<button type="button" data-keys title="{said["keys"]} (?)" aria-label="{said["keys"]}">?</button></div>')


def browser_secret(studio: Studio) -> str:
    """The key with which browsers keep our forms; written once, so that they survive a restart."""
    file = studio.settings.data_dir / "browser-secret"
    if not file.exists():
        file.write_text(secrets.token_hex(16), encoding="ascii")
        file.chmod(0o600)
    return file.read_text(encoding="ascii").strip()
