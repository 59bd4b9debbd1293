"""Several pictures at once: uploads, or a folder of this machine, painted with the settings of the tab as one job.

A folder is named only on a page that nobody but this machine's user reaches: a link that was shared must not read disks.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import batch
from pipelines.batch import Entry
from pipelines.spec.errors import FieldError, ImageFileError
from tabs.canvas import SIDES, Canvas
from tabs.form import HELPED
from tabs.workbench import Workbench


class Many:
    """The fold of one tab; place it where it stands, `wire` it when the tab is whole. `canvas`: also masks are taken."""

    def __init__(self, bench: Workbench, canvas: Canvas | None = None) -> None:
        words, name = bench.words, bench.name
        self._bench, self._canvas, self._studio = bench, canvas, bench.studio
        local = not bench.studio.settings.exposed
        with gr.Accordion(words("several_pictures"), open=False, elem_id=f"{name}-many"):
            self._files = _files(words("several_files"), f"{name}-many-files")
            self._folder = gr.Textbox(label=words("several_folder"), max_lines=1, visible=local, elem_id=f"{name}-many-folder")
            self._masks: gr.File | None = None
            self._mask_folder: gr.Textbox | None = None
            if canvas:
                self._masks = _files(words("several_masks"), f"{name}-many-masks")
                self._mask_folder = gr.Textbox(label=words("several_mask_folder"), max_lines=1, visible=local,
                                               elem_id=f"{name}-many-mask-folder")
            self._own_size = gr.Checkbox(True, label=words("several_own_size"), elem_id=f"{name}-many-own-size",
                                         elem_classes=HELPED)
            self._start = gr.Button(words("several_start"), variant="primary", elem_id=f"{name}-many-start")

    def wire(self) -> None:
        own = [self._files, self._folder, self._masks, self._mask_folder, self._own_size]
        pictures: set[Component] = self._canvas.inputs if self._canvas else set()
        self._bench.queue_on(self._start.click, self._submit,
                             {*self._bench.form.inputs, *pictures, *(c for c in own if c is not None)})

    def _submit(self, data: Mapping[Component, Any], owner: str) -> None:
        """Queue the job and say how large it is. Raises StudioError."""
        fields = self._bench.form.inputs
        base = self._bench.form.read({c: v for c, v in data.items() if c in fields})
        entries, masked = self._entries(data)
        made = batch.batch_of(self._studio, base, entries, masked, bool(data[self._own_size]))
        batch.submit(self._studio, made, owner)
        gr.Info(html.escape(self._bench.words("several_queued", count=made.count)), duration=5)

    def _entries(self, data: Mapping[Component, Any]) -> tuple[tuple[Entry, ...], bool]:
        """What is to be painted, and whether each picture needs a mask of its own."""
        pictures = self._listed(data, self._files, self._folder, self._path(data, self._mask_folder))
        masks = self._listed(data, self._masks, self._mask_folder)
        if masks:
            return batch.given(pictures, masks), True
        only = self._painted(data)
        return tuple(Entry(e.name, e.picture, only) for e in batch.given(pictures)), bool(only)

    def _listed(self, data: Mapping[Component, Any], files: gr.File | None, folder: gr.Textbox | None,
                beside: str = "") -> list[tuple[str, str]]:
        """(name, file or kept name) of a folder's pictures without those in the folder `beside`, else of the uploads."""
        path = self._path(data, folder)
        return [(e.name, e.picture) for e in batch.in_folder(path, beside=beside)] if path else self._uploads(data, files)

    def _painted(self, data: Mapping[Component, Any]) -> str:
        """The mask of the tab, for all pictures; "" where none is needed. Raises FieldError when nothing would be painted."""
        canvas = self._canvas
        if canvas is None:
            return ""
        if data[canvas.source.image]:
            return canvas.read(data).get("inpaint.mask", "")
        if any(data.get(self._bench.form.fields[f"outpaint.{side}"]) for side in SIDES):
            return ""
        words = self._bench.words
        raise FieldError(words("group_inpaint"), "", words("nothing_masked"), fix=words("several_masks"))

    def _path(self, data: Mapping[Component, Any], field: gr.Textbox | None) -> str:
        text = str(data[field] or "").strip() if field is not None else ""
        if text and self._studio.settings.exposed:
            raise FieldError("Folder", "", "a page that others reach reads no folders", fix="Upload the pictures")
        return text

    def _uploads(self, data: Mapping[Component, Any], field: gr.File | None) -> list[tuple[str, str]]:
        """(name, kept name) of uploaded pictures: an upload lasts no longer than the studio. What is none is said."""
        found: list[tuple[str, str]] = []
        for file in (data[field] or ()) if field is not None else ():
            try:
                found.append((Path(file).name, batch.kept(self._studio, str(file))))
            except ImageFileError as error:
                gr.Info(html.escape(str(error)))
        return found


def _files(label: str, name: str) -> gr.File:
    return gr.File(label=label, file_count="multiple", file_types=["image"], type="filepath", height=160, elem_id=name)
