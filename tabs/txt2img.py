"""From words to pictures: the form of a text request, its advice, and the results."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from pipelines import metadata, samplers
from pipelines.spec.errors import StudioError
from pipelines.spec.request import LAST_SEED, RANDOM_SEED
from pipelines.studio import Studio
from tabs.advise import Advisor
from tabs.form import Form, outputs_of, refused
from tabs.page import Page
from tabs.presets import build as build_presets
from tabs.run import Runner, RunView

QUIET = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def build(studio: Studio, page: Page) -> Form:
    """Place everything of the tab; call inside its `gr.Tab`."""
    words = studio.words
    form = Form("txt2img", words, lambda source: choices(studio, source))
    advisor = Advisor(studio, form)
    with gr.Row(elem_classes="workbench"):
        with gr.Column(scale=5, min_width=340, elem_classes="controls"):
            counter = _prompts(form, advisor)
            with gr.Row(elem_classes="actions"):
                generate = gr.Button(words("generate"), variant="primary", elem_id="txt2img-generate", scale=4)
                skip = gr.Button(words("skip"), elem_id="txt2img-skip", interactive=False, min_width=80)
                interrupt = gr.Button(words("interrupt"), variant="stop", elem_id="txt2img-interrupt", interactive=False,
                                      min_width=80)
            wire_presets = build_presets(studio, form)
            _sampling(form, advisor)
            sizes, swap = _size(form, advisor, words)
            dice, reuse = _seed(form, words)
            with gr.Accordion(words("advanced"), open=False):
                _advanced(form, advisor)
        with gr.Column(scale=6, min_width=340, elem_classes="easel"):
            stage = gr.HTML("", elem_id="txt2img-stage")
            results = gr.Gallery(label=words("results"), show_label=False, columns=2, object_fit="contain", preview=True,
                                 interactive=False, buttons=["download", "fullscreen"], elem_id="txt2img-results",
                                 elem_classes="results", height="auto", visible=False)
            verdicts = gr.HTML("", elem_id="txt2img-verdicts")
            dropped = _drop(words)
    advisor.wire(page.blocks)
    wire_presets(page.blocks)
    _wire_small(studio, form, counter, (sizes, swap, dice, reuse), results)
    dropped.upload(_restore(form), dropped, outputs_of(form.outputs, dropped), **QUIET)
    Runner(studio, form, RunView(generate, skip, interrupt, stage, results, verdicts), page.owner).wire(page.blocks)
    page.remember(form)
    return form


def choices(studio: Studio, source: str) -> list[Any]:
    """The names a field may take."""
    if source == "samplers":
        return [s.name for s in samplers.SAMPLERS if not s.broken]
    if source == "schedules":
        return [s.name for s in samplers.SCHEDULES if not s.broken]
    if source == "models":
        return [m.name for m in studio.library.models()]
    if source == "vaes":
        return ["Automatic", *(v.name for v in studio.library.vaes())]
    return studio.styles.names() if source == "styles" else []


def _prompts(form: Form, advisor: Advisor) -> gr.HTML:
    with gr.Column(elem_classes="card"):
        form.field("prompt", lines=3, max_lines=12, autofocus=True, elem_classes="prompt")
        counter = gr.HTML("", elem_id="txt2img-counter", elem_classes="counter")
        advisor.place("prompt")
        form.field("negative_prompt", lines=2, max_lines=8, elem_classes="prompt")
        advisor.place("negative_prompt")
        form.field("styles")
    return counter


def _sampling(form: Form, advisor: Advisor) -> None:
    with gr.Column(elem_classes="card"):
        with gr.Row():
            form.field("model", min_width=160)
            form.field("sampler", min_width=140)
            form.field("schedule", min_width=140)
        advisor.place("sampler")
        advisor.place("schedule")
        with gr.Row():
            with gr.Column(min_width=220):
                form.field("steps")
                advisor.place("steps")
            with gr.Column(min_width=220):
                form.field("cfg_scale")
                advisor.place("cfg_scale")


def _size(form: Form, advisor: Advisor, words: Any) -> tuple[list[gr.Button], gr.Button]:
    with gr.Column(elem_classes="card"):
        with gr.Row():
            form.field("width", min_width=200)
            form.field("height", min_width=200)
        with gr.Row(elem_classes="chips"):
            sizes = [gr.Button(words(shape), size="sm", min_width=90, elem_id=f"txt2img-{shape}")
                     for shape in ("square", "portrait", "landscape")]
            swap = gr.Button("⇅ " + words("swap_sizes"), size="sm", min_width=90, elem_id="txt2img-swap")
        advisor.place("size")
        with gr.Row():
            form.field("batch_count", min_width=200)
            form.field("batch_size", min_width=200)
    return sizes, swap


def _seed(form: Form, words: Any) -> tuple[gr.Button, gr.Button]:
    with gr.Row(elem_classes="card seed"):
        form.field("seed", min_width=150, scale=3)
        dice = gr.Button(words("random_seed"), size="sm", min_width=70, elem_id="txt2img-dice")
        reuse = gr.Button(words("reuse_seed"), size="sm", min_width=70, elem_id="txt2img-reuse")
    return dice, reuse


def _advanced(form: Form, advisor: Advisor) -> None:
    with gr.Row():
        form.field("variation.seed", min_width=150)
        with gr.Column(min_width=200):
            form.field("variation.strength")
            advisor.place("variation.strength")
    with gr.Row():
        for path in ("cfg_rescale", "clip_skip"):
            with gr.Column(min_width=200):
                form.field(path)
                advisor.place(path)
    with gr.Row():
        form.field("vae", min_width=200)
        form.field("tiling", min_width=200)


def _drop(words: Any) -> gr.File:
    """Where a picture's settings come back from; the page's script hands every dropped picture to it."""
    return gr.File(label=words("drop_png_here"), file_types=["image"], type="filepath", height=84, elem_id="txt2img-drop",
                   elem_classes="drop")


def _wire_small(studio: Studio, form: Form, counter: gr.HTML, buttons: tuple[list[gr.Button], Any, Any, Any],
                results: gr.Gallery) -> None:
    """Token counter, size chips, swap, dice, recycle."""
    sizes, swap, dice, reuse = buttons
    fields = form.fields
    prompt, model, side = fields["prompt"], fields["model"], [fields["width"], fields["height"]]
    gr.on([prompt.change, model.change], lambda text, name: counted(studio, text, name), [prompt, model], counter,
          trigger_mode="always_last", **QUIET)
    for button, shape in zip(sizes, ("square", "portrait", "landscape"), strict=True):
        button.click(lambda name, shape=shape: _family_size(studio, name, shape), model, side, **QUIET)
    swap.click(lambda width, height: (height, width), side, side, **QUIET)
    dice.click(lambda: RANDOM_SEED, None, fields["seed"], **QUIET)
    reuse.click(_seed_of, results, fields["seed"], **QUIET)


def _family_size(studio: Studio, name: str, shape: str) -> tuple[int, int]:
    try:
        return tuple(studio.model(name).family.sizes[shape])
    except StudioError as error:
        raise refused(error) from None


def counted(studio: Studio, prompt: str, model: str) -> str:
    """Tokens of the prompt against the 75-token chunks that the text encoder reads."""
    try:
        tokens = studio.count_tokens(prompt, model)
    except StudioError:
        return ""
    unit = html.escape(studio.words("token_count"))
    return f'<span class="{"full" if tokens.chunks > 1 else ""}">{tokens.tokens}/{tokens.limit} {unit}</span>'


def _seed_of(shown: list[Any] | None) -> Any:
    """The seed of the newest picture on the easel."""
    if not shown:
        return gr.skip()
    file = shown[-1][0] if isinstance(shown[-1], (list, tuple)) else shown[-1]
    seed = metadata.read(file).request.get("seed", RANDOM_SEED)
    return seed if 0 <= seed <= LAST_SEED else gr.skip()


def _restore(form: Form) -> Any:
    """Read the settings of a dropped picture into the form; what could not be used is said."""

    def restore(data: str | None) -> list[Any]:
        if not data:
            return [gr.skip()] * (len(form.outputs) + 1)
        try:
            read = metadata.read(data)
        except StudioError as error:
            raise refused(error) from None
        for note in read.notes:
            gr.Info(html.escape(note))
        if not read.request:
            return [*[gr.skip()] * len(form.outputs), None]
        shown = form.write_all(read.full) if read.full else form.write(read.request)
        return [*shown, None]

    return restore


