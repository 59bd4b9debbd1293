"""The upscale tab's handlers over a real queue: what is asked for, what is shown, what a stranger may not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from pipelines import upscale_job
from pipelines.metadata import write
from pipelines.settings import Settings
from pipelines.spec.geometry import Size
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.tiles import calls
from pipelines.upscale_job import Work
from pipelines.words import Words
from tabs import theme, upscale
from tabs.before_after import BeforeAfter, chosen_of, originals, pair, source_of
from tabs.form import HELPED
from tabs.page import Page
from tabs.upscale import UpscaleTab
from tabs.upscale_paint import told_of

HOOKS: Any = SimpleNamespace(upscalers=list, image_request=lambda request: (request, {}), finished=lambda *_: None)


@pytest.fixture
def studio(tmp_path: Path):
    with Studio.open(Settings(data_dir=tmp_path, device="cpu"), HOOKS) as opened:
        yield opened


@pytest.fixture
def tab(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> UpscaleTab:
    """The tab on a page of its own."""
    made: list[UpscaleTab] = []
    monkeypatch.setattr(upscale, "UpscaleTab", lambda *args: made.append(UpscaleTab(*args)) or made[0])
    with gr.Blocks() as blocks:
        upscale.build(studio, Page(blocks, gr.Tabs(), gr.BrowserState(""), "secret"))
    return made[0]


@pytest.fixture
def picture(tmp_path: Path) -> str:
    write(Image.new("RGB", (40, 30), "teal"), tmp_path / "ours.png", GenerationRequest(prompt="a cat", seed=9))
    return str(tmp_path / "ours.png")


def asked(tab: UpscaleTab, files: list[str], **values: Any) -> dict[Any, Any]:
    given = {"upscaler": "Nearest", "second": "", "visibility": 0.5, "scale": 2, "width": 0, "height": 0, "crop": True,
             "folder": "", "restorer": "", "shown": 1, "weight": 0.5, "format": ""} | values
    painted = {"on": False, "held": False, "strength": 0.5, "prompt": "", "model": "", "method": "Blended", "seam_fix": "None",
               "tile": 64, "padding": 8, "negative": "", "mask_blur": 8, "order": "Linear", "seam_strength": 0.35, "seam_width": 64}
    paint = {getattr(tab.form.paint, name): given.pop(f"paint_{name}", value) for name, value in painted.items()}
    return {getattr(tab.form, name): value for name, value in given.items()} | paint | {
        tab.form.sources: [(f, None) for f in files], tab._page.owner: "me"}


def done(tab: UpscaleTab, studio: Studio) -> Any:
    job = tab.job("me")
    assert job is not None
    return studio.queue.wait(job.id, 300)


def test_what_was_asked_for_is_made_and_shown_beside_its_source(tab: UpscaleTab, studio: Studio, picture: str) -> None:
    assert tab._submit(asked(tab, [picture], width=100))[0] == "me"
    [file] = done(tab, studio).files
    assert studio.archive.get(file).width == 100
    stage, thumbnails, slider, download, *_ = tab._look("me", "")
    before, after = slider["value"]
    assert Image.open(before).size == (40, 30) and not thumbnails["visible"]
    assert after == download["value"] == str(studio.archive.open(file))
    assert tab._look("me", tab._look("me", "")[-1])[1:4] == [gr.skip()] * 3      # nothing new is sent twice


def test_it_is_painted_again_in_tiles_by_the_settings_of_its_own_file(tab: UpscaleTab, studio: Studio, picture: str) -> None:
    write(Image.effect_noise((64, 48), 60).convert("RGB"), picture, GenerationRequest(prompt="a cat", seed=9, steps=2))
    data = asked(tab, [picture], paint_on=True, paint_held=True, format="webp")
    tab._submit(data)
    progress = done(tab, studio)
    read = studio.archive.read(progress.files[0])
    assert progress.status == "done", progress.error
    assert progress.files[0].endswith(".webp") and studio.archive.get(progress.files[0]).width == 128
    assert (read.full.prompt, read.full.tiled.upscaler, read.full.tiled.tile) == ("a cat", "Nearest", 64)
    assert [unit.preprocessor for unit in read.full.control] == ["canny"] and read.made["Seam score"] > 0
    before, _ = tab._look("me", "")[2]["value"]
    assert Image.open(before).size == (64, 48), "laid over what it was made from"
    assert "6 tiles" in told_of(studio, picture, tab.form.paint.repaint(data), tab.form.recipe(data))
    assert "Tile padding: 32" in told_of(studio, picture, replace(tab.form.paint.repaint(data), padding=32), tab.form.recipe(data))


def test_all_of_a_script_like_run_reaches_the_request_and_its_plan(tab: UpscaleTab, studio: Studio, picture: str) -> None:
    write(Image.new("RGB", (64, 48), "teal"), picture, GenerationRequest(prompt="a cat", negative_prompt="fog", seed=9, steps=20))
    data = asked(tab, [picture], paint_on=True, paint_method="Separate", paint_seam_fix="Band", paint_order="Chess",
                 paint_mask_blur=4, paint_seam_strength=0.25, paint_seam_width=32, paint_negative="snow")
    studio.queue.pause()
    tab._submit(data)
    work = Work.of_json(studio.queue.jobs()[0].payload)
    made = upscale_job.painting(studio, work, work.sources[0])
    laid = made.tiled
    assert (laid.order, laid.mask_blur, laid.seam_denoising_strength, laid.seam_width) == ("Chess", 4, 0.25, 32)
    assert (made.prompt, made.negative_prompt) == ("a cat", "snow")
    told = told_of(studio, picture, tab.form.paint.repaint(data), tab.form.recipe(data))
    assert f"{calls(made, Size(64, 48), studio.model('mini').family)} model calls" in told and "and 4 over the borders" in told


@pytest.mark.parametrize(("values", "line"), [({"second": "Lanczos"}, "Second upscaler: Lanczos - not together"),
                                              ({"paint_model": "gone"}, "Model: gone - not found")], ids=str)
def test_what_cannot_be_painted_is_told_where_the_tiles_would_be(tab, studio, picture: str, values: dict, line: str) -> None:
    data = asked(tab, [picture], paint_on=True, **values)
    assert line in told_of(studio, picture, tab.form.paint.repaint(data), tab.form.recipe(data))


def test_a_picture_without_settings_is_planned_by_the_steps_that_will_be_run(tab, studio, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "bare.png")
    data = asked(tab, [str(tmp_path / "bare.png")], paint_on=True)
    told = told_of(studio, str(tmp_path / "bare.png"), tab.form.paint.repaint(data), tab.form.recipe(data))
    steps = int(studio.model("mini").family.default_request["steps"] * 0.5)
    assert f"{6 * steps} model calls" in told


@pytest.mark.parametrize(("values", "line"), [
    ({"paint_tile": 64, "paint_padding": 64}, "neighbours would share"), ({"second": "Lanczos"}, "Second upscaler: Lanczos - not"),
    ({"width": 64, "height": 64, "crop": False}, "Crop: off"), ({"paint_strength": 0.01}, "none would run"),
    ({"paint_method": "Sewn"}, "Tiling: Sewn")], ids=str)
def test_what_tiles_cannot_do_is_refused_before_it_is_queued(tab, studio, picture: str, values: dict[str, Any], line: str) -> None:
    with pytest.raises(gr.Error, match=line):
        tab._submit(asked(tab, [picture], paint_on=True, **values))
    assert not studio.queue.jobs()


def test_several_are_one_job_and_any_of_them_is_shown_when_clicked(tab: UpscaleTab, studio: Studio, picture: str) -> None:
    tab._submit(asked(tab, [picture, picture, picture]))
    files = done(tab, studio).files
    thumbnails = tab._look("me", "")[1]
    assert {Path(file).parent.name.rpartition("-")[0] for file in files} == {"upscale"}
    assert [Path(file).stem for file in files] == ["ours-1", "ours-2", "ours-3"], "under the names they came with"
    assert len(files) == 3 and thumbnails["visible"] and len(thumbnails["value"]) == 3
    slider, download, _ = tab._choose("me", SimpleNamespace(index=1))
    assert Path(download["value"]).name == Path(files[1]).name and slider["visible"]


@pytest.mark.parametrize(("looked_at", "number"), [("", 1), ("ours-1.png.jpg", 0), ("ours-2.png", 1)])
def test_a_result_is_sent_to_a_tab_that_starts_from_it(tab, studio, picture: str, looked_at: str, number: int) -> None:
    told: list[Any] = []
    form = SimpleNamespace(outputs=[1, 2], start_from=lambda kept, settings: told.append((kept, settings)) or ["a", "b"])
    tab._page.forms = {"img2img": form}
    with pytest.raises(gr.Error, match="no picture"):
        tab._starting("img2img")("me", looked_at)
    tab._submit(asked(tab, [picture, picture], scale=6))
    file = done(tab, studio).files[number]
    assert tab._starting("img2img")("me", looked_at)[1:] == ["a", "b"]
    [(kept, settings)] = told
    assert studio.lineage.origin(kept) == file and settings.prompt == "a cat" and (settings.width, settings.height) == (240, 176)


def test_a_folder_is_taken_when_nothing_was_dropped(tab: UpscaleTab, studio: Studio, picture: str) -> None:
    tab._submit(asked(tab, [], folder=str(Path(picture).parent)))
    assert len(done(tab, studio).files) == 1


def test_a_visitor_of_a_shared_link_names_no_folder(tab: UpscaleTab, studio: Studio, picture: str) -> None:
    studio.settings = studio.settings.model_copy(update={"share": True})
    with pytest.raises(gr.Error, match="closed while others may reach"):
        tab._submit(asked(tab, [], folder=str(Path(picture).parent)))


def test_nothing_to_make_larger_is_one_line(tab: UpscaleTab) -> None:
    with pytest.raises(gr.Error, match="Drop pictures into the field"):
        tab._submit(asked(tab, []))


def test_another_visitor_sees_and_stops_nothing(tab: UpscaleTab, studio: Studio, picture: str) -> None:
    studio.queue.pause()
    tab._submit(asked(tab, [picture]))
    tab._act(studio.queue.cancel)("somebody else")
    assert tab.job("somebody else") is None and tab.job("") is None and tab.job("me").status == "queued"
    tab._act(studio.queue.cancel)("me")
    assert tab.job("me").status == "cancelled"


@pytest.mark.parametrize(("size", "text"), [
    ((2, 0, 0, True), "40×30 → <b>80×60</b>"), ((2, 100, 0, True), "<b>100×75</b>"), ((9, 0, 0, True), "Upscale by: 9.0"),
    ((2, float("nan"), 0, True), "Width: -1"), ((2, 0, float("inf"), True), "Height: -1"), ((float("nan"), 0, 0, True), "nan"),
    ((None, None, None, None), "<b>80×60</b>")], ids=str)
def test_the_size_is_told_before_the_run(tab: UpscaleTab, picture: str, size: tuple[Any, ...], text: str) -> None:
    assert text in tab.form.sizes([(picture, None)], *size)


def test_a_form_of_an_older_browser_changes_nothing(tab: UpscaleTab) -> None:
    assert tab.form.bring_back([7, "gone.pth", 0.5, 2, 0, 0, True])[:2] == [gr.skip(), "gone.pth"]      # it may come back
    assert tab.form.bring_back("nonsense") == [gr.skip()] * len(tab.form._kept)


def test_how_it_is_painted_again_comes_back(tab: UpscaleTab) -> None:
    held = ["Lanczos", "", 0.5, 2, 0, 0, True, True, False, 0.4, "a cat", "", "Separate", "Band", 64, 16,
            "snow", 4, "Chess", 0.25, 32]
    assert tab.form.bring_back(held) == held and tab.form.bring_back(held[:16]) == held[:16] + [gr.skip()] * 5
    gone = tab.form.bring_back([*held[:11], "gone", "Sideways", *held[13:]])
    assert gone[11:13] == ["gone", gr.skip()] and gone[13:] == held[13:]


def test_a_result_of_img2img_is_laid_over_its_source_and_others_over_nothing(studio: Studio, picture: str) -> None:
    kept = studio.inputs.keep_file(picture)
    image = Image.new("RGB", (80, 60))
    files = [str(studio.archive.open(studio.archive.save(image, request).file)) for request in (
        GenerationRequest(seed=1), GenerationRequest(seed=2, init={"image": kept}), GenerationRequest(seed=3))]
    assert pair(studio, files, Path(files[1]).name) == (str(studio.inputs.path(kept)), files[1])
    assert pair(studio, files) is None and pair(studio, []) is None
    with gr.Blocks():
        compared = BeforeAfter(studio, "test")
    offered = [compared._offered([(file, None) for file in shown])[1].visible for shown in (files[:2], files, [])]
    assert offered == [True, False, False]
    studio.inputs.path(kept).unlink()
    assert source_of(studio, files[1]) is None


def test_a_copy_shown_instead_of_a_large_picture_stands_for_that_picture(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.archive.outputs.VIEWED", 40)
    file = studio.archive.save(Image.new("RGB", (64, 64)), GenerationRequest(seed=1)).file
    shown, real = str(studio.archive.view(file)), str(studio.archive.open(file))
    assert ".views" in shown and originals(studio, [(shown, None), (real, None)]) == [real, real]
    assert chosen_of([real, "other.png"], Path(shown).name) == real and chosen_of([], "") is None


def test_what_was_cut_is_laid_over_what_was_cut(tab: UpscaleTab, studio: Studio, picture: str) -> None:
    tab._submit(asked(tab, [picture], width=100, height=50))
    found = pair(studio, [str(studio.archive.open(file)) for file in done(tab, studio).files])
    assert found is not None and Image.open(found[0]).size == (40, 20)      # the middle of 40×30


def test_a_source_too_large_for_a_browser_is_laid_below_as_a_copy(studio: Studio, picture: str,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabs.before_after.VIEWED", 40 * 30 - 1)
    monkeypatch.setattr("tabs.before_after.VIEW_SIDE", 20)
    kept = studio.inputs.keep_file(picture)
    made = studio.archive.save(Image.new("RGB", (80, 60)), GenerationRequest(seed=2, init={"image": kept}))
    found = pair(studio, [str(studio.archive.open(made.file))])
    assert found is not None and Image.open(found[0]).size == (20, 15)


def test_jobs_of_this_tab_do_not_show_in_txt2img(studio: Studio, tab: UpscaleTab, picture: str) -> None:
    from tabs.run import Runner

    tab._submit(asked(tab, [picture]))
    with gr.Blocks():
        runner = Runner(studio, SimpleNamespace(prefix="txt2img"), None, None)
    assert not runner._mine("me") and tab.job("me") is not None


def test_every_field_of_the_tab_says_what_it_does(tab: UpscaleTab) -> None:
    fields = tab.form.inputs - {tab.form.sources}
    assert len(fields) > 20 and all(HELPED in field.elem_classes for field in fields)
    for said in (theme.helps(Words("en")), theme.helps(Words("uk"))):
        own = {field.elem_id: said.get(field.elem_id) or said.get(field.elem_id.partition("-")[2], "") for field in fields}
        assert not [name for name, text in own.items() if len(text) < 12]
        assert said["upscale-width"] != said["width"]       # what this tab's field does, not what a request's of that name does
