"""The row of presets over a form: apply, save, rename, delete with undo, import, export."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.spec.errors import FieldError, StudioError
from pipelines.studio import Studio
from tabs.form import Form, refused, toasting
from tabs.listeners import SPOKEN
from tabs.page import Page


def build(studio: Studio, form: Form) -> Callable[[Page], None]:
    """Place the row here; the returned function wires it once all fields of the form exist."""
    words = studio.words
    with gr.Row(elem_classes="card presets"):
        chosen = gr.Dropdown([], value=None, label=words("presets"), scale=4, min_width=200,
                             elem_id=form.elem_id("preset"))
        apply = gr.Button(words("apply"), size="sm", min_width=80, elem_id=form.elem_id("preset-apply"))
    told = gr.HTML("", elem_classes="told")
    with gr.Accordion(words("manage_presets"), open=False):
        with gr.Row(elem_classes="presets"):
            name = gr.Textbox(label=words("preset_name"), max_length=100, scale=3, elem_id=form.elem_id("preset-name"))
            save = gr.Button(words("save"), size="sm", min_width=70, elem_id=form.elem_id("preset-save"))
            rename = gr.Button(words("rename"), size="sm", min_width=70, elem_id=form.elem_id("preset-rename"))
        with gr.Row():
            delete = gr.Button(words("delete"), size="sm", min_width=70, elem_id=form.elem_id("preset-delete"))
            undo = gr.Button(words("undo"), size="sm", min_width=70, elem_id=form.elem_id("preset-undo"))
            bring = gr.UploadButton(words("import"), file_types=[".yaml", ".yml"], size="sm", min_width=70)
            take = gr.DownloadButton(words("export"), size="sm", min_width=70)

    def wire(page: Page) -> None:
        # Read when somebody looks, not while the studio starts; a reload shows what was added meanwhile.
        page.lists[chosen] = lambda held: relisted(studio, held)
        chosen.change(lambda key: description(studio, key), chosen, told, **SPOKEN)
        apply.click(lambda key, model: applied(studio, form, key, model), [chosen, form.fields["model"]], form.outputs,
                    **SPOKEN)
        save.click(lambda data: saved(studio, form, data, name), {*form.inputs, name}, chosen, **SPOKEN)
        rename.click(toasting(lambda key, title: listed(studio, studio.presets.rename(needed(key), title).name)),
                     [chosen, name], chosen, **SPOKEN)
        delete.click(toasting(lambda key: deleted(studio, needed(key))), chosen, chosen, **SPOKEN)
        undo.click(toasting(lambda: restored(studio)), None, chosen, **SPOKEN)
        bring.upload(toasting(lambda file: listed(studio, studio.presets.import_file(Path(file)).name)), bring, chosen, **SPOKEN)
        take.click(toasting(lambda key: exported(studio, needed(key))), chosen, take, **SPOKEN)

    return wire


def choices(studio: Studio) -> list[tuple[str, str]]:
    """(shown, name) of every preset; where all models are of one family, those made for it come first."""
    families = {model.family.name for model in studio.library.models()}
    found = studio.presets.list(families.pop() if len(families) == 1 else "")
    return [(p.shown(studio.settings.language), p.name) for p in found]


def listed(studio: Studio, chosen: str | None) -> gr.Dropdown:
    """The dropdown with the presets of now and `chosen` selected."""
    return gr.Dropdown(choices(studio), value=chosen)


def relisted(studio: Studio, held: str | None) -> dict[str, Any]:
    """The update that offers the presets of now; what is chosen stays, if it is still there."""
    found = choices(studio)
    return gr.update(choices=found) | ({} if held is None or held in (name for _, name in found) else {"value": None})


def needed(key: str | None) -> str:
    if not key:
        raise FieldError("Preset", "", "none is chosen", fix="Choose one in the list first")
    return key


def description(studio: Studio, key: str | None) -> str:
    try:
        return html.escape(studio.presets.get(key).told(studio.settings.language)) if key else ""
    except StudioError:
        return ""


def applied(studio: Studio, form: Form, key: str | None, model: str) -> list[Any]:
    """The preset's fields in the form; a named size becomes the one of the preset's own model or of the chosen one."""
    try:
        preset = studio.presets.get(needed(key))
        family = studio.model(str(preset.request.get("model", model))).family
        changes = preset.changes(family.sizes)
    except StudioError as error:
        raise refused(error) from None
    if preset.family and preset.family != family.name:
        gr.Info(html.escape(studio.words("preset_of_other_family")))
    return form.write(changes)


def saved(studio: Studio, form: Form, data: Mapping[Component, Any], name: Component) -> gr.Dropdown:
    """The whole form under a new name."""
    try:
        request = form.read(data)
        return listed(studio, studio.presets.save(data[name], request, family=studio.model(request.model).family.name).name)
    except StudioError as error:
        raise refused(error) from None


def deleted(studio: Studio, key: str) -> gr.Dropdown:
    studio.presets.delete(key)
    return listed(studio, None)


def restored(studio: Studio) -> gr.Dropdown:
    """Bring the newest deleted preset back."""
    trash = studio.presets.trashed()
    if not trash:
        raise FieldError("Preset", "", "nothing was deleted")
    return listed(studio, studio.presets.restore(trash[0][0]).name)


def exported(studio: Studio, key: str) -> str:
    """A file of the preset for the browser to fetch."""
    file_name, text = studio.presets.export(key)
    path = Path(tempfile.mkdtemp(dir=studio.settings.uploads_dir)) / file_name
    path.write_text(text, encoding="utf-8")
    return str(path)
