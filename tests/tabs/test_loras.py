"""LoRA cards: what a click does to a prompt, what a card shows of strangers' files, and the search."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipelines.loading.library import Library
from pipelines.loading.lora_card import LoraCard
from pipelines.words import Words
from tabs.loras import shown, toggled

CARD = LoraCard("ink", triggers=("ink drawing", "hatching"), weight=0.8)


@pytest.mark.parametrize(("prompt", "after"), [
    ("", "ink drawing, hatching, <lora:ink:0.8>"), ("a cat,", "a cat, ink drawing, hatching, <lora:ink:0.8>"),
    ("Ink Drawing of a cat", "Ink Drawing of a cat, hatching, <lora:ink:0.8>"),
    ("<lora:inkwell:1>", "<lora:inkwell:1>, ink drawing, hatching, <lora:ink:0.8>")], ids=str)
def test_a_click_adds_the_tag_and_the_trigger_words_that_are_missing(prompt: str, after: str) -> None:
    assert toggled(prompt, CARD) == (after, True)


@pytest.mark.parametrize(("prompt", "after"), [
    ("a cat, ink drawing, hatching, <lora:ink:0.8>", "a cat"), ("<lora:ink:0.3:0.5>, a cat", "a cat"),
    ("a cat <LORA:Ink>", "a cat"),
    ("hatching of a cat, <lora:ink:1>, night", "hatching of a cat, night")], ids=str)
def test_another_click_takes_them_out_again(prompt: str, after: str) -> None:
    assert toggled(prompt, CARD) == (after, False)


@pytest.fixture
def studio(tmp_path: Path) -> SimpleNamespace:
    folder = tmp_path / "models" / "Lora"
    folder.mkdir(parents=True)
    for name in ("ink", "<b>bold"):
        save_file({"lora_unet_x.lora_down.weight": torch.zeros(4, 8)}, folder / f"{name}.safetensors")
    (folder / "ink.json").write_text(json.dumps({"activation text": "ink drawing", "preferred weight": 0.7, "notes": "for books"}))
    Image.new("RGB", (600, 300), "red").save(folder / "ink.preview.png")
    (folder / "<b>bold.preview.png").write_bytes(b"no picture")
    library = Library([tmp_path / "models"])
    library.scan()
    return SimpleNamespace(library=library, words=Words("en"))


def test_a_card_shows_preview_words_and_weight_and_text_stays_text(studio: SimpleNamespace) -> None:
    drawn = shown(studio, "")
    assert drawn.count("data-lora=") == 2 and drawn.count("data:image/jpeg") == 1 and "<b>bold" not in drawn
    assert "ink drawing" in drawn and "advised weight 0.7" in drawn


@pytest.mark.parametrize(("query", "count"), [("", 2), ("INK", 1), ("books ink", 1), ("ink bold", 0)], ids=str)
def test_the_search_wants_every_word(studio: SimpleNamespace, query: str, count: int) -> None:
    assert shown(studio, query).count("data-lora=") == count


def test_without_files_the_tab_says_where_they_go(tmp_path: Path) -> None:
    library = Library([tmp_path])
    library.scan()
    assert "models/Lora" in shown(SimpleNamespace(library=library, words=Words("en")), "")
