"""Settings are kept from the page for the next start, only what differs, and never by a visitor; Models says what there is."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from extensions.hooks import Hooks
from pipelines import settings
from pipelines.studio import Studio
from pipelines.words import LANGUAGES, Words
from tabs import models
from tabs.settings import EDITED, KEYS, kept, keys_dialog, next_start, shown, written
from tabs.theme import ASSETS


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(settings.checked({"data_dir": tmp_path}), Hooks())
    made.library.scan()
    yield made
    made.close()


def fields(studio: Studio, **changed: Any) -> dict[str, Any]:
    now = next_start(studio)
    return {key: written(now[key]) for key in EDITED} | changed


def test_only_what_differs_is_written_and_the_next_start_reads_it(studio: Studio, tmp_path: Path) -> None:
    kept(studio, fields(studio))
    assert not studio.settings.file.exists()
    studio.settings.file.write_text(json.dumps({"port": 9000}), encoding="utf-8")
    kept(studio, fields(studio, output_format="webp", vram_budget=6, models_dir=f" {tmp_path / 'more'}\n\n"))
    assert json.loads(studio.settings.file.read_text(encoding="utf-8")) == {
        "port": 9000, "output_format": "webp", "vram_budget": 6.0, "models_dir": [str(tmp_path / "more")]}
    after = settings.load({"data_dir": tmp_path}, {}).settings
    assert (after.output_format, after.vram_budget, after.port) == ("webp", 6, 9000) and tmp_path / "more" in after.model_roots
    assert fields(studio)["output_format"] == "webp" and studio.settings.output_format == "png"
    kept(studio, fields(studio, vram_budget=None))
    assert settings.load({"data_dir": tmp_path}, {}).settings.vram_budget is None


@pytest.mark.parametrize(("changed", "line"), [
    ({"device": "cpux"}, "device: cpux"), ({"output_quality": 101}, "output_quality: 101"),
    ({"vram_budget": -1}, "vram_budget: -1")])
def test_what_cannot_be_is_one_line_and_nothing_is_written(studio: Studio, changed: dict[str, Any], line: str) -> None:
    with pytest.raises(gr.Error, match=line):
        kept(studio, fields(studio, **changed))
    assert not studio.settings.file.exists()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_is_listed_with_what_it_does_and_where(language: str) -> None:
    words = Words(language)
    asked = {*KEYS, *(word for keys in KEYS.values() for _, word in keys)}
    assert asked <= set(words.names()) and all(html.escape(words(word)) in keys_dialog(words) for word in asked)
    files = ("studio.js", "sketchpad.js", "pose_editor.js", "complete.js")
    scripts = {name: (ASSETS / name).read_text(encoding="utf-8") for name in files}
    assert all(f"'{key}'" in scripts["studio.js"] for key in ("Enter", "Escape", "ArrowUp", "f", "Delete", "a", "?"))
    assert all(f"'{key}'" in scripts["sketchpad.js"] for key in "[]bez") and "'Delete'" in scripts["pose_editor.js"]
    assert all(f"'{key}'" in scripts["complete.js"] for key in ("Tab", "Escape"))


def test_a_visitor_keeps_nothing_and_sees_no_folders(tmp_path: Path) -> None:
    with Studio(settings.checked({"data_dir": tmp_path, "listen": True}), Hooks()) as studio:
        with pytest.raises(gr.Error, match="closed"):
            kept(studio, fields(studio, theme="dark"))
        assert not studio.settings.file.exists() and str(tmp_path) not in shown(studio)


def test_who_may_come_in_is_not_a_matter_of_the_page() -> None:
    assert not {"listen", "share", "auth", "server_name", "tls_keyfile", "allowed_hosts"} & set(EDITED)


def test_the_list_of_models_names_every_kind(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    for number in range(models.MOST + 1):
        (tmp_path / "models" / "Lora" / f"look-{number}.safetensors").write_bytes(b"x" * 2**20)
    (tmp_path / "models" / "vae").mkdir()
    (tmp_path / "models" / "vae" / "broken.safetensors").write_bytes(b"no header")
    studio.library.scan()
    page = models.shown(studio)
    for cell in ("mini", "mini/pose", "Control model · Mini (embedded)", "mini-x4", "LoRA", str(models.MOST + 1)):
        assert f"<td>{cell}</td>" in page
    assert "look-7" not in page and "<li>broken:" in page and "In memory" not in page
