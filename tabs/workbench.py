"""The pieces of which every tab that paints is put together: prompts, sampling, size, seed, easel, and their wiring.

A tab calls the pieces in the order in which it wants them, then `wire`. Nothing here knows what a request starts from.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines import metadata, samplers
from pipelines.loading.controls import controls
from pipelines.loading.identity_files import identities
from pipelines.loading.library import AUTOMATIC
from pipelines.spec.errors import StudioError
from pipelines.spec.parts import LAST_SEED, RANDOM_SEED
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.enlarge import listed
from tabs import cost, regions, usual
from tabs.advise import Advisor
from tabs.before_after import originals
from tabs.easel import actions, stage_and_results
from tabs.explain import explained
from tabs.form import Form, outputs_of, refused
from tabs.listeners import QUIET, SPOKEN
from tabs.model_notes import Offer
from tabs.page import Page
from tabs.paste import Paste, restoring
from tabs.presets import build as build_presets
from tabs.ranking import Ranking
from tabs.run import Runner, RunView
from tabs.send import Results
from tabs.styles import StyleEditor
from tabs.undo import keeping

SHAPES = ("square", "portrait", "landscape")


class Workbench:
    """One tab that paints. `name` begins every element's id and is the tab's."""

    def __init__(self, studio: Studio, page: Page, name: str) -> None:
        self.studio, self.page, self.words, self.name = studio, page, studio.words, name
        self.form = Form(name, studio.words, lambda source: choices(studio, source), usual.start(studio))
        self.advisor = Advisor(studio, self.form)
        self._wire_presets: Callable[[Page], None] = lambda _: None      # for a tab that places none

    def button(self, word: str, name: str, **look: Any) -> gr.Button:
        return gr.Button(self.words(word), size="sm", min_width=70, elem_id=f"{self.name}-{name}", **look)

    def heads(self, fold: gr.Accordion, title: str, part: str) -> None:
        """Let the head of a fold say whether the part that it holds is on, for it is mostly closed."""
        switch, off = self.form.fields[part], self.words(title)
        gr.on([self.page.blocks.load, switch.change],       # type: ignore[attr-defined]
              lambda on: gr.update(label=self.words("switched_on", title=off) if on else off), switch, fold, **QUIET)

    # -- placing -------------------------------------------------------------------------------------------------------

    def prompts(self) -> None:
        """All that is said in words, on one card."""
        with gr.Column(elem_classes="card prompts"):
            self.prompt()
            self.other_words()

    def prompt(self, beneath: Callable[[], Any] = lambda: None, **look: Any) -> Any:
        """What `beneath` places under the prompt is returned.   look: of the prompt."""
        form = self.form
        form.field("prompt", **{"lines": 3, "max_lines": 12} | look, autofocus=self.name == "txt2img", elem_classes="prompt")
        placed = beneath()
        self._counter = gr.HTML("", elem_id=f"{self.name}-counter", elem_classes="counter")
        self.advisor.place("prompt")
        if self.name != "photomaker":       # a likeness takes one prompt
            regions.place(self.words, self.name)
        with gr.Accordion(self.words("explain_title"), open=False, elem_classes="explainer") as self._explainer:
            self._explain_step = gr.Slider(1, 150, 1, step=1, label=self.words("explain_step"), buttons=[])
            self._explained = gr.HTML("", elem_id=f"{self.name}-explained")
        return placed

    def other_words(self) -> None:
        form = self.form
        form.field("negative_prompt", lines=2, max_lines=8, elem_classes="prompt")
        self.advisor.place("negative_prompt")
        form.field("styles")
        self._styles = StyleEditor(self.studio, form)
        self._paste = Paste(self.studio, form)

    def actions(self) -> None:
        self._buttons = actions(self.words, self.name, self._cost)

    def _cost(self) -> None:
        line = gr.HTML("", elem_id=f"{self.name}-cost", elem_classes="told cost", padding=False)
        self.advisor.tell(line, partial(cost.told, self.studio))

    def presets(self) -> None:
        self._wire_presets = build_presets(self.studio, self.form)

    def sampling(self) -> None:
        form = self.form
        with gr.Column(elem_classes="card"):
            with gr.Row():
                form.field("model", min_width=160)
                form.field("sampler", min_width=140)
                form.field("schedule", min_width=140)
            self._offer = Offer(self.studio, form)
            self.advisor.place("sampler")
            self.advisor.place("schedule")
            self.advised(("steps", "cfg_scale"), 220)

    def size(self, more_chips: Callable[[], None] = lambda: None, beside: Callable[[], None] = lambda: None) -> None:
        """Width and height with chips; `more_chips` and `beside` place what else may set them."""
        form = self.form
        with gr.Column(elem_classes="card"):
            with gr.Row():
                form.field("width", min_width=200)
                form.field("height", min_width=200)
            with gr.Row(elem_classes="chips"):
                self._shapes = [self.button(shape, shape) for shape in SHAPES]
                self._swap = gr.Button("⇅ " + self.words("swap_sizes"), size="sm", min_width=70, elem_id=f"{self.name}-swap")
                more_chips()
            self.advisor.place("size")
            with gr.Row():
                beside()
                form.field("batch_count", min_width=140)
                form.field("batch_size", min_width=140)

    def seed(self) -> None:
        with gr.Row(elem_classes="card seed"):
            self.form.field("seed", min_width=150, scale=3)
            self._dice = self.button("random_seed", "dice")
            self._reuse = self.button("reuse_seed", "reuse")

    def advanced(self) -> None:
        form = self.form
        with gr.Accordion(self.words("advanced"), open=False):
            with gr.Row():
                form.field("variation.seed", min_width=150)
                with gr.Column(min_width=200):
                    form.field("variation.strength")
                    self.advisor.place("variation.strength")
            self.advised(("cfg_rescale", "clip_skip"), 200)
            with gr.Row():
                for path in ("cfg_start", "cfg_end"):
                    with gr.Column(min_width=200):
                        form.field(path)
            with gr.Row():
                form.field("vae", min_width=140)
                form.field("emphasis", min_width=140)
                form.field("tiling", min_width=140)

    def advised(self, paths: tuple[str, ...], min_width: int) -> None:
        """Fields side by side, each with its advice below."""
        with gr.Row():
            for path in paths:
                with gr.Column(min_width=min_width):
                    self.form.field(path)
                    self.advisor.place(path)

    def easel(self, above: Callable[[], Any] = lambda: None, ranked: bool = False) -> Any:
        """Stage, results, what to do with them, verdicts, and where a picture's settings come back from.

        What `above` places over them is returned.   ranked: they can be put in the order of their worth.
        """
        name = self.name
        with gr.Column(scale=6, min_width=340, elem_classes="easel"):
            placed = above()
            stage, results = stage_and_results(self.words, name)
            self._results = Results(self.studio, name, results)
            self._ranking = Ranking(self.studio, name) if ranked else None
            verdicts = gr.HTML("", elem_id=f"{name}-verdicts")
            self._drop = gr.File(label=self.words("drop_png_here"), file_types=["image"], type="filepath", height=84,
                                 elem_id=f"{name}-drop", elem_classes="drop")
        view = RunView(*self._buttons, stage, results, self._results.looked_at, verdicts, self._results.row)
        self._runner = Runner(self.studio, self.form, view, self.page.owner)
        return placed

    @property
    def results(self) -> Results:
        """The row under the pictures; a part of the tab may add to it."""
        return self._results

    # -- wiring --------------------------------------------------------------------------------------------------------

    def queue_on(self, event: Callable[..., Any], put: Callable[[Mapping[Component, Any], str], object],
                 inputs: set[Component]) -> None:
        """Let `put(values, owner)` queue a job of its own kind whenever `event` happens; the easel shows it."""
        self._runner.queue_on(event, put, inputs)

    def over_chosen(self, button: gr.Button, part: str, request_of: Callable[[str, dict[str, Any]], GenerationRequest]) -> None:
        """Let `button` queue `request_of(file, settings)` for the picture that is looked at; settings: the form's of one part."""
        mine = {path: field for path, field in self.form.fields.items() if path.startswith(f"{part}.")}

        def put(data: Mapping[Component, Any], owner: str) -> None:
            settings = {path.removeprefix(f"{part}."): data[field] for path, field in mine.items()}
            self.studio.submit(request_of(self.results.chosen(data), settings), owner=owner)

        self.queue_on(button.click, put, {*mine.values(), *self.results.seen})

    def wire(self) -> Form:
        """Connect everything that was placed; all pieces must be."""
        page, form = self.page, self.form
        self.advisor.wire(page.blocks, self._results.results.change)      # a picture says how long the next one takes
        self._wire_presets(page)
        self._wire_small()
        keeping(form, self._drop.upload)(restoring(self.studio, form), self._drop, outputs_of(form.outputs, self._drop), **SPOKEN)
        self._paste.wire()
        self._styles.wire(page)
        self._offer.wire(page)
        self._runner.wire(page.blocks)
        if self._ranking:
            self._ranking.wire(self._results.results, self._results.looked_at, form.fields["model"],
                               form.fields.get("identity.photos"))
        page.remember(form)
        page.painters[self.name] = self._runner.submit_on
        page.later.append(lambda: self._results.wire(page, self._runner.submit_on))
        return form

    def _wire_small(self) -> None:
        """Token counter, size chips, swap, dice, recycle."""
        studio, fields = self.studio, self.form.fields
        prompt, model, side = fields["prompt"], fields["model"], [fields["width"], fields["height"]]
        gr.on([prompt.change, model.change], lambda text, name: counted(studio, text, name), [prompt, model], self._counter,
              trigger_mode="always_last", **QUIET)
        gr.on([self._explainer.expand, prompt.blur, self._explain_step.change],
              lambda *told: explained(studio, *told), [prompt, model, self._explain_step, fields["steps"], fields["emphasis"]],
              self._explained, trigger_mode="always_last", **QUIET)
        for button, shape in zip(self._shapes, SHAPES, strict=True):
            button.click(lambda name, shape=shape: _family_size(studio, name, shape), model, side, **QUIET)
        usual.follow(studio, self.form)
        self._swap.click(lambda width, height: (height, width), side, side, **QUIET)
        self._dice.click(lambda: RANDOM_SEED, None, fields["seed"], **QUIET)
        self._reuse.click(lambda shown: _seed_of(originals(studio, shown)), self._results.results, fields["seed"], **QUIET)


def choices(studio: Studio, source: str) -> list[Any]:
    """The names a field may take."""
    if source == "samplers":
        return [s.name for s in samplers.SAMPLERS if not s.broken]
    if source == "schedules":
        return [s.name for s in samplers.SCHEDULES if not s.broken]
    if source == "models":
        return [m.name for m in studio.library.models()]
    if source == "vaes":
        return [AUTOMATIC, *(v.name for v in studio.library.vaes())]
    if source == "preprocessors":
        return studio.preprocessors.rows.names()
    if source == "control_models":
        return [c.name for c in controls(studio.library)]
    if source == "identity_adapters":
        return [AUTOMATIC, *(found.name for found in identities(studio.library))]
    if source in ("upscalers", "hires_upscalers"):
        return list(listed(source, studio.upscalers))
    return studio.styles.names() if source == "styles" else []


def counted(studio: Studio, prompt: str, model: str) -> str:
    """Tokens of the prompt against the 75-token chunks that the text encoder reads."""
    try:
        tokens = studio.count_tokens(prompt, model)
    except StudioError:
        return ""
    unit = html.escape(studio.words("token_count"))
    return f'<span class="{"full" if tokens.chunks > 1 else ""}">{tokens.tokens}/{tokens.limit} {unit}</span>'


def _family_size(studio: Studio, name: str, shape: str) -> tuple[int, int]:
    try:
        return tuple(studio.model(name).family.sizes[shape])
    except StudioError as error:
        raise refused(error) from None


def _seed_of(shown: list[str]) -> Any:
    """The seed of the newest picture on the easel."""
    if not shown:
        return gr.skip()
    seed = metadata.read(shown[-1]).request.get("seed", RANDOM_SEED)
    return seed if 0 <= seed <= LAST_SEED else gr.skip()
