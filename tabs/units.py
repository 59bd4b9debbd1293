"""The ControlNet units of one form: one component whose value is the list of units as a request takes them.

The panel is drawn by `assets/control.js`, which comes to the page when somebody first opens a panel: the start of the page
pays for an empty fold. What the script asks is answered here; a refusal travels as its line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.preprocess import CONTROL_TYPES, Preprocessor
from pipelines.presets.units import UnitPresets
from pipelines.spec.errors import StudioError
from pipelines.spec.param import param_of
from pipelines.spec.parts import UNITS, ControlUnit
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.form import Form
from tabs.page import Page
from tabs.pose_editor import PoseEditor, canvas, data_url
from tabs.source import keep

ASSETS = Path(__file__).parent / "assets"
TEMPLATE = ('<details class="units" OPEN><summary><b>ControlNet</b> <span class="units-told"></span></summary>'
            '<div class="units-body"></div></details>')
# The scripts are fetched once a page, whichever panel is opened first. What is particular to a panel is written into its text:
# Gradio 6.31 loses the properties of an HTML component that is updated before it is on screen.
LOAD = """
const host = element.querySelector('.units');
let begun = false;
const begin = () => {
  if (begun) return;
  begun = true;
  const ask = async (what, data) => {
    const answer = await server.ask({ what, ...data });
    if (!answer || answer.error || answer.detail) throw new Error(answer?.error ?? answer?.detail ?? what);
    return answer;
  };
  window.atelierUnits ??= ask('opened', {}).then((kit) => {
    document.head.append(Object.assign(document.createElement('style'), { textContent: kit.code.style }));
    const run = (code) => Function(`return (${code})`)();
    Object.assign(kit, { ask, store: async (file) => ({ path: (await upload(file)).path }) });
    kit.pieces = run(kit.code.pieces)();
    kit.unitFields = run(kit.code.fields);
    kit.figures = run(kit.code.figure)(kit.figure);
    kit.edit = run(kit.code.editor)(kit);
    kit.paint = run(kit.code.region)(kit);
    return run(kit.code.panel)(kit);
  });
  window.atelierUnits.then((mount) => mount({ host, props, watch, tab: 'TAB', takes: TAKES }),
    (error) => { begun = false; delete window.atelierUnits; host.querySelector('.units-told').textContent = error.message; });
};
host.addEventListener('toggle', () => { if (host.open) begin(); });
watch('value', begin);
if (host.open || props.value?.length) begin();
"""
# Where the script finds what the form around it holds; nothing is sent for it.
TOLD = """(model, width, height, picture) => {
  (window.atelierForms ??= {})['TAB'] = { model, width, height, picture: picture?.path ?? null };
  window.dispatchEvent(new CustomEvent('atelier-form', { detail: 'TAB' }));
}"""


class Units:
    """Place inside the tab; `wire` once the form's other fields exist."""

    def __init__(self, studio: Studio, form: Form, open: bool = False) -> None:
        self._studio, self._form = studio, form
        desk = Desk(studio)

        def ask(data: Any) -> dict[str, Any]:
            return desk.ask(data)

        load = LOAD.replace("TAB", form.prefix).replace("TAKES", "true" if form.pictures is not None else "false")
        self.panel = gr.HTML([], html_template=TEMPLATE.replace("OPEN", "open" if open else ""), js_on_load=load,
                             server_functions=[ask], elem_id=f"{form.prefix}-control", elem_classes="card control-units",
                             apply_default_css=False)
        form.hold("control", self.panel)

    def wire(self, page: Page, picture: Component | None = None) -> None:
        """`picture`: the field of the picture the form starts from, where it has one."""
        told = [self._form.fields[path] for path in ("model", "width", "height")] + ([picture] if picture else [])
        gr.on([page.blocks.load, *(field.change for field in told)], None, told, None,      # type: ignore[attr-defined]
              js=TOLD.replace("TAB", self._form.prefix), queue=False, show_progress="hidden", api_visibility="private")


class Desk:
    """Answers the script of a panel: one question, one answer of plain data."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._presets = UnitPresets(studio.settings.preset_folders)
        self._poses = PoseEditor(studio, studio.preprocessors)
        self._answers: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "opened": self._opened, "models": self._models, "keep": self._keep, "seen": self._seen, "condition": self._condition,
            "presets": lambda _: self._listed(), "preset": lambda data: {"units": list(self._presets.get(str(data["name"])))},
            "save": self._save, "forget": self._forget, "read": self._poses.read, "detect": self._poses.detect,
            "kept": self._poses.kept}

    def ask(self, data: Any) -> dict[str, Any]:
        """The answer to `data["what"]`; {"error": line} for what is refused."""
        try:
            return self._answers[data["what"]](data)
        except StudioError as error:
            return {"error": str(error)}
        except (KeyError, TypeError):
            return {"error": "Request: not a question of this page. Reload it."}

    def _opened(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """All a page needs once: scripts, words, ranges, preprocessors, the figure and its poses."""
        words = self._studio.words
        code = {"style": "control.css", "figure": "pose_figure.js", "editor": "pose_editor.js", "panel": "control.js",
                "region": "region.js", "pieces": "pieces.js", "fields": "unit_fields.js"}
        return {"code": {name: (ASSETS / file).read_text(encoding="utf-8") for name, file in code.items()},
                "words": {key: words(key) for key in (*(n for n in words.names() if n.startswith(("pose_", "control_"))),
                                                      "undo", "import", "export")},
                "fields": {name: self._field(name) for name in ControlUnit.model_fields},
                "unit": ControlUnit().model_dump(), "most": UNITS, "types": CONTROL_TYPES,
                "rows": self._rows(), **self._poses.told()}

    def _field(self, name: str) -> dict[str, Any]:
        param = param_of(ControlUnit, name)
        assert param is not None, name
        return {"label": self._studio.words.label(f"control.{name}", param.label), "minimum": param.minimum,
                "maximum": param.maximum, "step": param.step, "choices": param.choices}

    def _rows(self) -> list[dict[str, Any]]:
        return [self._row(row) for row in self._studio.preprocessors.rows]

    def _row(self, row: Preprocessor) -> dict[str, Any]:
        missing = self._studio.preprocessors.missing(row.name)
        return {"name": row.name, "control": row.control, "detects": row.detects,
                "missing": str(row.missing(missing[0])) if missing else "",
                "options": [{"label": option.param.label, "value": option.default, "minimum": option.param.minimum,
                             "maximum": option.param.maximum, "step": option.param.step} for option in row.options]}

    def _models(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`model`: a checkpoint; the control models that fit its family, the mode in which these are followed best, and the
        preprocessors, whose weights may have come since the panel was opened."""
        model = str(data["model"])
        found = self._studio.controls(model)
        return {"mode": self._studio.model(model).family.control_mode,
                "models": [{"name": one.name, "control": one.control, "kind": one.kind} for one in found], "rows": self._rows()}

    def _keep(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`path`: an uploaded picture (the guard has looked at it)."""
        name = keep(self._studio, data["path"])
        return {"image": name, "thumb": data_url(self._studio.inputs.open(name), 512)}

    def _seen(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {"thumb": data_url(self._studio.inputs.open(str(data["name"])), 512)}

    def _condition(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What the net of `unit` will see at `width` × `height`; with `keep` it becomes a kept picture."""
        [unit] = GenerationRequest.parse({"control": [data["unit"]]}).control
        if not unit.image:      # the picture the form starts from, uploaded but not kept yet
            unit = unit.model_copy(update={"image": keep(self._studio, data["path"])})
        made = self._studio.conditions.of(unit, canvas(data))
        return {"thumb": data_url(made)} | ({"image": self._studio.inputs.keep(made)} if data.get("keep") else {})

    def _listed(self) -> dict[str, Any]:
        return {"presets": list(self._presets.names())}

    def _save(self, data: Mapping[str, Any]) -> dict[str, Any]:
        self._presets.save(str(data["name"]), data["units"])
        return self._listed()

    def _forget(self, data: Mapping[str, Any]) -> dict[str, Any]:
        self._presets.forget(str(data["name"]))
        return self._listed()
