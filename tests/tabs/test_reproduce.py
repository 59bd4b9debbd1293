"""The fold that makes a dropped picture again, over a real studio without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from PIL import Image

from extensions.hooks import Hooks
from pipelines import reproduce, settings
from pipelines.metadata import write
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.gallery import Gallery, Shelf
from tabs.reproduce import Again, Reproduce

REQUEST = GenerationRequest(prompt="a red car", seed=5, steps=1, width=64, height=64)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio.open(settings.checked({"data_dir": tmp_path / "home"}), Hooks())
    yield made
    made.close()


@pytest.fixture
def fold(studio: Studio) -> Reproduce:
    with gr.Blocks() as blocks:
        return Reproduce(studio, SimpleNamespace(owner="owner", blocks=blocks))


@pytest.fixture
def file(tmp_path: Path) -> str:
    write(Image.new("RGB", (64, 64), "red"), tmp_path / "a.png", REQUEST, {"torch": "1.0"})
    return str(tmp_path / "a.png")


def test_a_dropped_picture_becomes_a_job_and_its_verdict_stands_over_both(fold: Reproduce, studio: Studio, file: str) -> None:
    owner, _, _ = fold.submit(file, "")
    [job] = studio.queue.jobs(owner)
    assert job.kind == reproduce.KIND and studio.queue.wait(job.id, 120).status == "done"
    stage, slider, timer, _ = fold.again.newest(owner)
    assert "Different: PSNR" in stage and "torch 1.0 → " in stage and timer.active is False
    before, after = slider["value"]
    assert Image.open(before).getpixel((0, 0)) == (255, 0, 0) and Image.open(after).size == (64, 64)


def test_while_it_waits_the_fold_looks_again(fold: Reproduce, studio: Studio, file: str) -> None:
    studio.queue.pause()
    stage, slider, timer, job = fold.again.look(fold.submit(file, "me")[2])
    assert timer.active and "busy" in stage and slider["visible"] is False and studio.queue.get(job)
    assert fold.again.newest("somebody else")[2].active is False


def test_a_click_in_the_gallery_makes_the_chosen_picture_again(studio: Studio, tmp_path: Path) -> None:
    studio.queue.pause()
    plain = studio.archive.save(Image.new("RGB", (64, 64)), REQUEST, {}).file
    with gr.Blocks():
        panel = SimpleNamespace(again=Again(studio, "x"))
    made = Gallery(studio, SimpleNamespace(), None, panel, None)
    owner, stage, _, timer, job = made._again(Shelf(chosen=plain), "")
    assert owner and "busy" in stage and timer.active and studio.queue.get(job).request.prompt == "a red car"
    stage = made._again(Shelf(chosen="gone.png"), "me")[1]
    assert "Cannot be made again: " in stage and "gone.png" in stage


def test_a_picture_without_settings_is_a_toast(fold: Reproduce, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(gr.Error, match="no generation data"):
        fold.submit(str(tmp_path / "plain.png"), "me")
