"""The page over a real studio without a worker: forms both ways, handlers, and text that stays text."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from pipelines import metadata
from pipelines.families import Detected
from pipelines.loading.library import ModelFile
from pipelines.loading.lora_card import LoraCard
from pipelines.queue import Job, Status
from pipelines.spec.errors import RequestError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.words import Words
from tabs import completion, queue, run, shell, theme
from tabs.canvas import Canvas
from tabs.form import HELPED, SWITCHES, Form, flattened, nested, refused
from tabs.page import usable
from tabs.ranking import Ranking
from tabs.workbench import choices, counted

NASTY = "<img src=x onerror=alert(1)>"
FULL = GenerationRequest.parse({
    "prompt": "a\nred \"car\": (fast:1.2)", "negative_prompt": "rain, fog", "styles": ["Cinematic"],
    "clip_skip": 2, "emphasis": "No norm",
    "sampler": "Heun", "schedule": "Karras", "steps": 31, "cfg_scale": 8.5, "cfg_rescale": 0.25,
    "cfg_start": 0.1, "cfg_end": 0.8, "width": 320, "height": 208,
    "tiling": True, "seed": 4294967295, "variation": {"seed": 12, "strength": 0.35}, "batch_count": 3, "batch_size": 2,
    "init": {"image": "0" * 64, "strokes": "5" * 64, "denoising_strength": 0.4, "resize_mode": "Just resize", "exact_steps": True,
             "color_correction": True},
    "inpaint": {"mask": "1" * 64, "mask_blur": 9, "mask_grow": -3, "mask_mode": "Inpaint not masked",
                "masked_content": "latent noise", "area": "Only masked", "padding": 48, "soft": True,
                "seam_strength": 0.35, "seam_width": 40},
    "outpaint": {"left": 8, "right": 16, "top": 24, "bottom": 32},
    "loopback": {"loops": 3, "final_denoising_strength": 0.2, "curve": "Lazy"},
    "hires": {"scale": 1.5, "width": 640, "height": 416, "upscaler": "Lanczos", "steps": 9, "denoising_strength": 0.45,
              "sampler": "DDIM", "schedule": "Exponential", "cfg_scale": 5, "prompt": "a car", "negative_prompt": "mud"},
    "tiled": {"scale": 3, "width": 1280, "height": 832, "upscaler": "Lanczos", "method": "Separate", "tile": 128, "padding": 16,
              "mask_blur": 3, "order": "Chess", "seam_fix": "Band", "seam_denoising_strength": 0.2, "seam_width": 32},
    "detailer": {"denoising_strength": 0.55, "padding": 48, "mask_blur": 7, "most": 2, "smallest": 0.01, "steps": 31,
                 "cfg_scale": 3, "prompt": "a smile", "negative_prompt": "teeth"},
    "control": [{"image": "2" * 64, "model": "canny", "weight": 0.5}],
    "identity": {"style_strength": 35, "strength": 0.7},
    "sketch": {"way": "ControlNet", "faithfulness": 0.6, "stroke_faithfulness": 0.1, "realism": 0.9}})
FILES = {"model", "vae", "hires.model", "identity.adapter", "identity.photos", "identity.vectors", "sketch.lines",
         "sketch.strokes"}


@pytest.fixture
def form(studio: Studio) -> Form:
    with gr.Blocks():
        made = Form("test", studio.words, lambda source: choices(studio, source))
        for row in declared(GenerationRequest):
            if not row.param.picture and row.path != "identity.vectors":     # which have no widget
                made.field(row.path)
        for part in SWITCHES:
            made.switch(part)
        made.hold("control", gr.JSON([]))
        made.pictures = Canvas(studio, made)
    return made


def shown(form: Form, updates: list[Any]) -> dict[Any, Any]:
    """What the browser would hold after these updates, as Gradio hands it to a handler."""
    values = [u.get("value") if isinstance(u, dict) else u for u in updates]
    values = [getattr(v, "value", v) for v in values]
    return {c: None if v == gr.skip() else v for c, v in zip(form.outputs, values, strict=True)}


def kept(studio: Studio, request: GenerationRequest = FULL) -> GenerationRequest:
    """`request` with pictures that the studio has."""
    image, mask = (studio.inputs.keep(Image.new(mode, (64, 48), 255)) for mode in ("RGB", "L"))
    return request.merged({"init": {"image": image, "strokes": ""}, "inpaint": {"mask": mask}})


def test_every_field_round_trips_through_the_form(form: Form, studio: Studio) -> None:
    full = kept(studio)
    assert form.read(shown(form, form.write_all(full))) == full
    settings = {c: v for c, v in shown(form, form.write_all(GenerationRequest())).items() if c in form.inputs}
    assert form.read(settings) == GenerationRequest()


def test_settings_taken_over_leave_picture_and_mask_alone(form: Form, studio: Studio) -> None:
    assert form.write_all(GenerationRequest(steps=3))[-len(form.pictures.outputs):] == [gr.skip()] * len(form.pictures.outputs)
    sent = dict(zip(form.fields, form.start_from(kept(studio).init.image, FULL), strict=False))
    assert sent["steps"] == 31 and sent["outpaint.left"] == 0 and sent["inpaint.mask_blur"] == gr.skip()


def test_every_field_round_trips_through_json_and_a_png(tmp_path: Path) -> None:
    assert GenerationRequest.from_json(FULL.to_json()) == FULL
    metadata.write(Image.new("RGB", (8, 8)), tmp_path / "a.png", FULL, {}, "png")
    assert metadata.read(tmp_path / "a.png").full == FULL


def test_full_really_differs_from_the_default_in_every_declared_field() -> None:
    mine, plain = flattened(FULL.model_dump()), {d.path: d.default for d in declared(GenerationRequest)}
    same = {path for path in plain if mine[path] == plain[path]}
    assert same == FILES, "these need files; a new field belongs into FULL"


def test_a_partial_write_leaves_the_other_fields_alone(form: Form) -> None:
    names = [*form.fields, *range(len(form.pictures.outputs))]
    updates = dict(zip(names, form.write({"steps": 12, "variation": {"strength": 0.5}}), strict=True))
    assert updates["steps"] == 12 and updates["variation.strength"] == 0.5
    assert updates["prompt"] == updates[0] == updates[4] == gr.skip()


def test_a_part_at_its_defaults_is_off() -> None:
    assert "variation" not in nested({"steps": 3, "variation.seed": -1, "variation.strength": 0.0})
    assert nested({"variation.seed": -1, "variation.strength": 0.2})["variation"] == {"seed": -1, "strength": 0.2}


def test_what_a_browser_kept_is_checked_like_anything_else(form: Form, studio: Studio) -> None:
    kept = usable({"steps": 9999, "model": "gone", "cfg_scale": 5, "styles": ["gone"], "sampler": "Euler"}, form)
    assert kept == {"model": "gone", "cfg_scale": 5, "styles": ("gone",), "sampler": "Euler"}       # they may come back
    assert form.choices("styles", kept["styles"])[-2:] == [studio.styles.names()[-1], "gone"]
    assert form.gone({"model": "gone", "sampler": "of old", "styles": ["gone"], "vae": "automatic"}) == [
        ("Model", "gone"), ("Styles", "gone")]


def test_every_list_of_every_form_follows_the_folders(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = shell.build(studio)
    built = [c for c in blocks.blocks.values() if isinstance(c, gr.Dropdown)]
    found = ModelFile("later.safetensors", Path("later.safetensors"), "checkpoint", 1, 1, Detected("checkpoint", "mini"))
    monkeypatch.setattr(type(studio.library), "scan", lambda library: setattr(library, "_files", (*library.files(), found)))
    studio.styles.save("Later", "late")
    studio.presets.save("Later", GenerationRequest(steps=3))
    arrive = next(fn for fn in blocks.fns.values() if fn.name == "looked_through")
    held = ["", "", [], "gone"]     # prompt, negative prompt, styles, model
    told: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda text, **_: told.append(text))
    renewed = arrive.fn(held, *[None] * (len(arrive.inputs) - 1))
    models = [c for c in built if c.choices and "mini" in (name for _, name in c.choices)]
    styles = [c for c in built if "Watercolour" in (name for _, name in c.choices or ())]
    assert len(models) == 9 and len(styles) == 12, "six forms, a second pass, the tabs Upscale and Models; each style editor"
    assert all("later.safetensors" in str(renewed[c]["choices"]) for c in models)
    assert all("Later" in renewed[c]["choices"] for c in styles)
    rows = [c for c in built if (c.elem_id or "").endswith("-preset")]
    assert rows and all("Later" in dict(renewed[c]["choices"]) for c in rows)
    assert told == ["Model: gone is not here any more. Put it back, or choose another."]


def test_submitting_checks_names_and_draws_the_seed(studio: Studio) -> None:
    checked = studio.check(GenerationRequest(sampler="dpm++ 2m karras"))
    assert (checked.sampler, checked.schedule) == ("DPM++ 2M", "Karras") and checked.seed >= 0


@pytest.mark.parametrize(("fields", "line"), [
    ({"sampler": "Eulerr"}, "Sampler: Eulerr - not found. Allowed: Euler"),
    ({"sampler": "Restart"}, "Use DPM"),
    ({"model": "minni"}, "Model: minni - not found. Allowed: mini."),
    ({"vae": "none such"}, "VAE: none such - not found."),
    ({"styles": ["none such"]}, "Styles: none such - not found."),
    ({"width": 264}, "Width: 264 - mini needs a multiple of 16. Allowed: 64-4096 in steps of 16. Nearest: 256."),
], ids=["sampler", "broken sampler", "model", "VAE", "style", "size"])
def test_a_request_that_cannot_be_honoured_is_refused_before_it_is_queued(studio: Studio, fields: dict, line: str) -> None:
    with pytest.raises(RequestError) as caught:
        studio.submit(GenerationRequest.parse(fields))
    assert line in str(caught.value)
    assert studio.queue.jobs() == []


def test_markup_in_texts_is_shown_as_text_everywhere(studio: Studio) -> None:       # faults.md B25
    job = Job("1", GenerationRequest(prompt=NASTY, seed=1), status=Status.FAILED, error=NASTY, created=1)
    ended = run.ended(studio.words, SimpleNamespace(notes=(NASTY,), error=NASTY, status="failed"))
    surfaces = [queue._row(studio, job), ended, refused(RequestError([])).message, run.explained(studio, job.request),
                refused(studio_error()).message, counted(studio, NASTY, "mini")]
    assert not any("<img" in text for text in surfaces)
    assert "&lt;img" in surfaces[0] and "&lt;img" in surfaces[1]


def studio_error() -> RequestError:
    try:
        GenerationRequest.parse({"steps": NASTY})
    except RequestError as error:
        return error
    raise AssertionError("steps must be a number")


def test_a_stranger_sees_and_stops_only_his_own_jobs(studio: Studio) -> None:
    studio.queue.pause()
    mine, theirs = (studio.submit(GenerationRequest(seed=1), owner=o) for o in ("me", "them"))
    object.__setattr__(studio.settings, "listen", True)      # a page others can reach
    assert [j.id for j in queue.mine(studio, "me")] == [mine]
    queue.do(studio, "me", "cancel", theirs)
    assert studio.queue.get(theirs).status == Status.QUEUED
    queue.do(studio, "me", "cancel", mine)
    assert studio.queue.get(mine).status == Status.CANCELLED


def ended(studio: Studio, owner: str, **fields: Any) -> Job:
    """A job of that session that was cancelled while it waited."""
    studio.queue.pause()
    job = studio.submit(GenerationRequest.parse({"prompt": "a cat", "seed": 1, **fields}), owner=owner)
    studio.queue.cancel(job)
    return studio.queue.get(job)


def test_again_queues_an_ended_job_with_another_seed_for_whoever_asks(studio: Studio) -> None:
    job = ended(studio, "me", variation={"seed": 7, "strength": 0.2})
    queue.do(studio, "me", "again", job.id)
    [other] = [j for j in studio.queue.jobs("me") if j.status == Status.QUEUED]
    assert other.request.seed == 1 and other.request.variation.seed != 7
    assert other.request.merged({"variation": {"seed": 7}}) == job.request
    assert GenerationRequest(seed=5).undrawn() == GenerationRequest()
    assert 'data-act="again"' in queue._row(studio, job)
    assert 'data-act="again"' not in queue._row(studio, Job("2", job.request, status=Status.DONE, payload="{}"))


def test_settings_of_a_job_go_into_the_tab_that_shows_it(studio: Studio) -> None:
    jobs = [ended(studio, "me"), ended(studio, "me", init={"image": studio.inputs.keep(Image.new("RGB", (64, 64)))})]
    page = SimpleNamespace(hand_over=lambda request, name: [request, name], stay=lambda: [])
    hand = queue.to_form(studio, page)
    for job, tab in zip(jobs, ("txt2img", "img2img"), strict=True):
        assert hand("me", SimpleNamespace(act=queue.TO_FORM, job=job.id)) == [job.request, tab]
        assert hand("me", SimpleNamespace(act="again", job=job.id)) == []


def test_a_cleared_list_forgets_no_job_and_shows_what_ends_afterwards(studio: Studio) -> None:
    first = ended(studio, "me", prompt="a first cat")
    assert "a first cat" in queue.shown(studio, "me")
    studio.queue.clear("me")
    assert "The queue is empty" in queue.shown(studio, "me") and "a first cat" in queue.shown(studio, "other")
    ended(studio, "me", prompt="a second cat")
    assert "a second cat" in (table := queue.shown(studio, "me")) and "a first cat" not in table
    assert studio.queue.get(first.id).status == Status.CANCELLED


def test_a_job_shows_the_newest_of_its_pictures_that_is_still_there(studio: Studio) -> None:
    image = Image.new("RGB", (32, 32))
    files = {n: studio.archive.save(image, GenerationRequest(seed=n), {}).file for n in range(2)}
    job = Job("1", GenerationRequest(), status=Status.DONE, files=files)
    assert "00001-1.png" in queue.picture(studio, job)
    studio.archive.trash(files[1])
    assert "00000-0.png" in queue.picture(studio, job) and queue.picture(studio, Job("2", GenerationRequest())) == ""


@pytest.mark.parametrize(("forever", "status", "seen", "updates"), [
    (True, "done", "1 running 0", [gr.skip(), "1", True]), (True, "running", "1 queued 0", [gr.skip()] * 3),
    (True, "cancelled", "1 running 0", [False, gr.skip(), gr.skip()]), (True, "failed", "1 failed 0", [gr.skip()] * 3),
    (False, "done", "1 running 0", [gr.skip()] * 3),
], ids=["done", "running", "stopped", "failed before", "off"])
def test_what_is_done_is_followed_by_another_until_it_is_stopped(forever: bool, status: str, seen: str, updates: list) -> None:
    found = run.Runner._going_on(None, SimpleNamespace(id="1", status=status), forever, seen)
    assert [getattr(update, "active", update) for update in found] == updates


def test_the_form_is_queued_once_after_each_job_with_another_seed(studio: Studio) -> None:
    studio.queue.pause()
    form = SimpleNamespace(prefix="txt2img", read=lambda _: GenerationRequest(prompt="a cat", seed=7))
    runner = run.Runner(studio, form, None, gr.BrowserState(""))
    for after, owner in (("1", "me"), ("1", "me"), ("2", "me"), ("", "me"), ("3", "")):
        runner._again({runner._next: after, runner._owner: owner})
    seeds = [job.request.seed for job in studio.queue.jobs()]
    assert len(seeds) == 2 and 7 not in seeds


def test_the_whole_page_is_built_with_every_tab(studio: Studio) -> None:
    blocks = shell.build(studio)
    ids = {b.elem_id for b in blocks.blocks.values() if getattr(b, "elem_id", None)}
    assert {"tab-txt2img", "tab-img2img", "tab-inpaint", "inpaint-editor", "img2img-source",
            "tab-gallery", "tab-queue", "tab-models", "tab-settings", "txt2img-steps"} <= ids


def test_whatever_stands_in_a_form_stands_on_a_card(studio: Studio) -> None:
    blocks = shell.build(studio)
    columns = [b for b in blocks.blocks.values() if "controls" in (getattr(b, "elem_classes", None) or ())]
    assert len(columns) >= 8
    bare = [child for column in columns for child in column.children
            if child.visible is True and not isinstance(child, (gr.Accordion, gr.HTML, gr.State, gr.Timer))
            and not {"card", "actions", "chips"} & set(" ".join(child.elem_classes or ()).split())]
    assert not [[c.elem_id for c in getattr(child, "children", [child])] for child in bare]


def answers(blocks: gr.Blocks, component: Any) -> list[Any]:
    """The handlers that change this component."""
    return [f.fn for f in blocks.fns.values() if component in f.outputs]


@pytest.mark.parametrize("title", ["hires_title", "tiled_title", "detailer_title"])
def test_the_head_of_a_closed_fold_says_whether_it_is_on(studio: Studio, title: str) -> None:
    blocks = shell.build(studio)
    off = studio.words(title)
    folds = [b for b in blocks.blocks.values() if isinstance(b, gr.Accordion) and b.label == off]
    assert folds
    for fold in folds:
        said, = answers(blocks, fold)
        assert (said(True)["label"], said(False)["label"]) == (f"{off} · on", off)


def test_pictures_are_ranked_only_where_there_are_several(studio: Studio) -> None:
    with gr.Blocks() as blocks:
        results, ranking = gr.Gallery(), Ranking(studio, "test")
        ranking.wire(results, gr.State(""), gr.Textbox())
    offered, = answers(blocks, ranking._row)
    assert [offered(shown)[0].visible for shown in (None, ["a.png"], ["a.png", "b.png"])] == [False, False, True]


def test_the_stage_says_how_many_jobs_wait_behind_the_one_it_shows(studio: Studio) -> None:
    studio.queue.pause()
    with gr.Blocks():
        runner = run.Runner(studio, SimpleNamespace(prefix="txt2img"), None, None)
    for count in range(3):
        studio.submit(GenerationRequest(seed=1), owner="me")
        studio.submit(GenerationRequest(seed=1), owner="somebody else")
        assert ("more waiting" in runner._look("me", "")[0]) == (count > 0)
    assert "2 more waiting" in runner._look("me", "")[0]


def test_every_field_says_what_it_does(form: Form) -> None:
    said = theme.helps(Words("uk"))
    held = {"control", "identity", "sketch"}       # no switch of their own on the page
    fields = [field for path, field in form.fields.items() if path not in held]
    assert all(HELPED in field.elem_classes for field in fields)
    assert len(fields) > 50 and not {f.elem_id for f in fields if len(said.get(f.elem_id.partition("-")[2], "")) < 12}
    assert said["hires-steps"] == Words("uk").help("hires.steps") and said["control-weight"].startswith("Наскільки")
    assert json.dumps(said["steps"], ensure_ascii=False) in theme.script(Words("uk"))


def test_names_for_completion_come_from_the_files_and_from_the_extensions(
        studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "danbooru.csv").write_text('long_hair,0,40,"lh,longhair"\nbroken\n1girl,0,60,\nno number,x,1,\nnew,0,\n')
    named = (("ink", "lora"), ("style/neg", "embedding"))
    files = [ModelFile(name, Path(name), kind, 1, 1, Detected(kind)) for name, kind in named]
    monkeypatch.setattr(studio.library, "of_kind", lambda kind: [file for file in files if file.kind == kind])
    monkeypatch.setattr(completion, "card", lambda file: LoraCard(file.name, triggers=("ink wash",), weight=0.7))
    monkeypatch.setattr(studio.hooks, "wildcards", lambda: ["animals"])
    assert completion.names(studio) == {
        "loras": [("ink", "<lora:ink:0.7>", ["ink wash"])], "embeddings": ["neg"], "wildcards": ["animals"],
        "tags": [("1girl", 60, ""), ("long_hair", 40, "lh,longhair"), ("new", 0, "")]}


def test_building_the_page_reads_no_preset(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(studio.presets), "problems", lambda _: pytest.fail("every preset was read before a tab asked"))
    shell.build(studio)


def test_every_handler_of_the_page_is_kept_out_of_the_public_api(studio: Studio) -> None:
    blocks = shell.build(studio)
    assert not [f.name for f in blocks.fns.values() if f.api_visibility == "public" and f.fn is not None]
