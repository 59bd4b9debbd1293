"""The history under the prompt: every combination of settings once, searched like the gallery, escaped, handed over."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from PIL import Image

from pipelines.archive import Archive
from pipelines.spec.request import GenerationRequest
from pipelines.words import Words
from tabs.history import History

BASE = GenerationRequest(prompt="a red car", seed=5, steps=2, width=64, height=64)


@pytest.fixture
def history(tmp_path: Path) -> History:
    archive = Archive(tmp_path)
    for changes in ({}, {"seed": 6}, {"cfg_scale": 9.0}, {"prompt": "<script>", "negative_prompt": "fog"}):
        archive.save(Image.new("RGB", (64, 64)), BASE.merged(changes))
    page = SimpleNamespace(later=[], hand_over=lambda request: [request], stay=list, targets=[])
    with gr.Blocks():
        return History(SimpleNamespace(archive=archive, words=Words("en")), page)


def test_settings_that_differ_only_in_their_seed_are_one_line(history: History) -> None:
    drawn = history.found("")
    assert drawn.count("data-file=") == 3 and "<script>" not in drawn and "<s>fog</s>" in drawn and "CFG scale 9" in drawn


@pytest.mark.parametrize(("query", "count"), [("car", 2), ("fog", 1), ("nothing like it", 0)], ids=str)
def test_it_is_searched_like_the_gallery(history: History, query: str, count: int) -> None:
    drawn = history.found(query)
    assert drawn.count("data-file=") == count and (count > 0 or "Nothing painted yet" in drawn)


def test_a_click_hands_the_settings_over(history: History) -> None:
    file = history._studio.archive.items("car")[0].file
    assert history._use(SimpleNamespace(file=file))[0].prompt == "a red car"
    with pytest.raises(gr.Error):
        history._use(SimpleNamespace(file="../../etc/passwd"))
