"""The experiments tab over a real studio without a browser: what is read, submitted, shown and fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from extensions.hooks import Hooks
from pipelines import experiments, settings
from pipelines.grid.ready import ready
from pipelines.loading import estimate
from pipelines.queue import Job, Status
from pipelines.spec.errors import RequestError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.words import Words
from tabs import experiment_table, queue
from tabs.experiment_view import Looked
from tabs.experiments import Experiments, axis_label, clock

BASE = GenerationRequest(prompt="a red car", seed=5, steps=2, width=64, height=64)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio.open(settings.checked({"data_dir": tmp_path}), Hooks())
    made.queue.pause()
    yield made
    made.close()


@pytest.fixture
def tab(studio: Studio) -> Experiments:
    with gr.Blocks():
        page = SimpleNamespace(forms={"txt2img": SimpleNamespace(read=lambda data: BASE)}, owner="owner",
                               hand_over=lambda request: [request], stay=list)
        made = Experiments(studio, page)
        made.controls()
        made.view.results()
    return made


def asked(tab: Experiments, **axes: tuple[str, str]) -> dict[Any, Any]:
    data: dict[Any, Any] = {"owner": "me", tab.base: "txt2img", tab.ready: None, tab.exact: False}
    for side in "xyz":
        data[tab.kinds[side]], data[tab.values[side]] = axes.get(side, ("", ""))
    return data


def submitted(tab: Experiments, studio: Studio, **axes: tuple[str, str]) -> Job:
    tab._submit(asked(tab, **axes))
    found = tab.view.job("me")
    assert found is not None
    return found


def test_a_grid_is_one_job_with_its_cells(tab: Experiments, studio: Studio) -> None:
    job = submitted(tab, studio, x=("cfg_scale", "2, 4"), y=("seed", "1-3"))
    assert (job.kind, job.count, len(job.missing)) == ("grid", 6, 6)
    grid = experiments.of_job(studio.queue.get(job.id))
    assert {(grid.cell(i).cfg_scale, grid.cell(i).seed) for i in range(6)} == {(c, s) for c in (2, 4) for s in (1, 2, 3)}


def test_the_queue_says_that_a_job_is_a_grid_and_how_large(tab: Experiments, studio: Studio) -> None:
    job = submitted(tab, studio, x=("cfg_scale", "2, 4"), y=("seed", "1-3"))
    assert "X/Y/Z 2 × 3: a red car" in queue._row(studio, job)
    assert "X/Y/Z" not in queue._row(studio, replace(job, payload="damaged"))


@pytest.mark.parametrize("change", [{0: "gone"}, {2: "no such axis"}, {3: 7}], ids=["tab", "axis", "value"])
def test_the_axes_come_back_with_the_page_unless_they_cannot_be_used_any_more(tab: Experiments, change: dict[int, Any]) -> None:
    kept = ["txt2img", True, "seed", "1-3", "", "", "cfg_scale", "2, 4"]
    assert tab.brought_back(kept) == kept
    assert tab.brought_back([change.get(n, value) for n, value in enumerate(kept)]) == tab.brought_back(None) == [gr.skip()] * 8


def test_a_count_says_the_memory_of_the_largest_batch(tab: Experiments, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Studio, "in_main_memory", False)        # eight pictures of that size at once
    monkeypatch.setattr(estimate, "decoding", lambda *_: 0)     # mini needs more for one picture there than for eight in its UNet
    axes, base = [("seed", "1-8")], BASE.merged({"width": 512, "height": 512})
    grids = [experiments.grid_of(studio, base, axes, exact) for exact in (False, True)]
    together, alone = (experiments.expected(studio, grid).memory for grid in grids)
    assert together is not None and alone is not None and together > alone > 0
    assert "GiB of memory" in tab._counted(asked(tab, x=("cfg_scale", "2, 4")))


@pytest.mark.parametrize(("axis", "line"), [(("steps", "0"), "Steps"), (("model", "nothing"), "Model: nothing"),
                                            (("styles", "no such"), "no such"), (("preset", "no such"), "Preset")], ids=str)
def test_a_bad_value_is_a_toast_and_nothing_is_queued(tab: Experiments, studio: Studio, axis: Any, line: str) -> None:
    with pytest.raises(gr.Error, match=line):
        tab._submit(asked(tab, x=axis))
    assert tab.view.job("me") is None


def test_values_are_checked_together_with_the_base_one_line_each(studio: Studio) -> None:
    with pytest.raises(RequestError) as refused:
        experiments.grid_of(studio, BASE, [("sampler", "Eulr, Euler a"), ("width", "64, 72"), ("steps", "999")])
    assert [e.field for e in refused.value.errors] == ["Steps"]
    with pytest.raises(RequestError) as refused:
        experiments.grid_of(studio, BASE, [("sampler", "Eulr, Euler a"), ("width", "64, 72")])
    assert {e.field for e in refused.value.errors} == {"Sampler", "Width"}


@pytest.mark.parametrize("name", [one.name for one in ready()])
def test_every_ready_made_experiment_makes_a_grid(tab: Experiments, name: str) -> None:
    for form in ("txt2img", "img2img"):
        wanted = BASE.merged({"steps": 25, "prompt": "", "schedule": "Karras"})
        tab._page.forms[form] = SimpleNamespace(read=lambda data, wanted=wanted: wanted, inputs=())
    base, *filled = tab._ready({tab.ready: name, tab.base: "txt2img"})
    axes = {side: (filled[2 * n], filled[2 * n + 1]) for n, side in enumerate("xyz")}
    assert tab._grid(asked(tab, **axes) | {tab.ready: name, tab.base: base}).count >= 2


def test_cells_are_buttons_errors_are_said_and_text_stays_text(tab: Experiments, studio: Studio) -> None:
    grid = experiments.grid_of(studio, BASE, [("prompt", "<script>, b, c")])
    job = Job("j", grid.base, "grid", Status.DONE, files={0: "day/00000-5.png"}, payload=grid.to_json(), pictures=3,
              notes=(f"{grid.name(1)}: it failed",))
    drawn = experiment_table.table(grid, job, studio.words)
    assert 'data-cell="0"' in drawn and "pictures/.thumbs/day/00000-5.png.jpg" in drawn and "<script>" not in drawn
    assert drawn.count('class="wrong"') == 1 and "it failed" in drawn and drawn.count('class="missing"') == 1


def test_a_cell_is_looked_at_compared_handed_over_and_fetched(tab: Experiments, studio: Studio) -> None:
    job = submitted(tab, studio, x=("seed", "1-2"))
    grid = experiments.of_job(job)
    for index in (0, 1):
        item = studio.archive.save(Image.new("RGB", (64, 64), (90 * index, 0, 0)), grid.cell(index),
                                   {"job": job.id, "index": index})
        studio.queue._store.add_file(job.id, index, item.file)
    shown = tab.view._choose("me", Looked(job.id, "", -1, 0), SimpleNamespace(cell="1"))
    assert "Seed 2" in shown[1] and "Seed 1" in shown[1] and shown[3]["visible"] and shown[4].cell == 1
    assert tab.view._send("me", shown[4])[0].seed == 2
    sizes = {kind: Path(tab.view.written(studio.queue.get(job.id), kind)).stat().st_size for kind in ("png", "html", "csv")}
    assert all(size > 50 for size in sizes.values())


def test_a_grid_is_painted_by_the_worker_cell_by_cell(tab: Experiments, studio: Studio) -> None:
    job = submitted(tab, studio, x=("steps", "1-2"), y=("clip_skip", "1, 12"))
    studio.queue.resume()
    assert studio.queue.wait(job.id, 120).status == "done"
    done = studio.queue.get(job.id)
    assert sorted(done.files) == [0, 1] and len(done.notes) == 2 and "Clip skip" in done.notes[0]
    assert studio.archive.read(done.files[1]).full.steps == 2
    assert 'class="bars"' in tab.view._look("me", Looked())[1]
    looked = tab.view._look("me", Looked())
    assert looked[1].count("data-cell") == 2 and tab.view._look("me", looked[6])[1] == gr.skip()


@pytest.mark.parametrize(("seconds", "text"), [(9.4, "9 s"), (75, "1:15"), (3700, "1:01:40")], ids=str)
def test_times_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(("key", "english", "ukrainian"), [
    ("steps", "Steps", "Кроки"), ("prompt_sr", "Prompt S/R", "Заміна в запиті (S/R)"),
    ("control_weight", "Control weight", "ControlNet: Вага"), ("control_mode", "Control mode", "ControlNet: Хто важливіший")])
def test_an_axis_is_named_in_the_visitors_language(studio: Studio, key: str, english: str, ukrainian: str) -> None:
    kind = experiments.axis_kinds(studio)[key]
    assert [axis_label(Words(language), kind) for language in ("en", "uk")] == [english, ukrainian]
