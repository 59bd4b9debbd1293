"""Notes and defaults of checkpoints: kept over a restart, whatever lies in the file, and never written over unread."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipelines.presets.model_notes import FIELDS, LIMIT, ModelNotes, usable
from pipelines.spec.errors import FieldError, StorageError
from pipelines.spec.request import GenerationRequest

WANTED = GenerationRequest(steps=12, cfg_scale=3.5, cfg_end=0.8, sampler="Euler a", width=320, vae="soft", clip_skip=2)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "models.json"


def test_a_note_and_defaults_survive_a_restart_and_each_may_go_alone(file: Path) -> None:
    notes = ModelNotes(file)
    notes.write("a/ї \udce9", "  good at <b>snow</b>\nCFG 3 ")
    notes.settle("a/ї \udce9", WANTED)
    notes.settle("other", WANTED)
    kept = ModelNotes(file).get("a/ї \udce9")
    assert kept.text == "good at <b>snow</b>\nCFG 3"
    assert usable(kept.settings) == ({name: getattr(WANTED, name) for name in FIELDS}, [])
    notes.write("a/ї \udce9", "")
    assert ModelNotes(file).get("a/ї \udce9").settings and not ModelNotes(file).get("a/ї \udce9").text
    notes.settle("a/ї \udce9", None)
    assert list(json.loads(file.read_text())["models"]) == ["other"] and not notes.get("nobody").settings
    with pytest.raises(FieldError, match="too long"):
        notes.write("other", "x" * 2001)


def test_a_default_that_is_no_field_or_out_of_range_by_now_is_left_out_with_a_line() -> None:
    changes, lines = usable({"steps": 20, "cfg_scale": 99, "eta": 0.5, "prompt": "a", "width": "wide", "clip_skip": [1]})
    assert changes == {"steps": 20}
    assert [line.partition(":")[0] for line in lines] == ["CFG scale", "eta", "prompt", "Width", "Clip skip"]
    assert lines[1] == "eta: 0.5 - no such setting any more. Left as it is."


@pytest.mark.parametrize("text", ["", "{", "[]", '{"models": []}', "[" * 100_000, "\xff\xfe", "x" * (LIMIT + 1)],
                         ids=["empty", "cut off", "a list", "no table", "deep", "bytes", "large"])
def test_a_damaged_file_is_named_kept_and_then_replaced(file: Path, text: str) -> None:
    file.write_bytes(text.encode("latin-1"))
    notes = ModelNotes(file)
    [line] = notes.problems()
    [kept] = file.parent.glob("models.json.bad-*")
    assert line.startswith("models.json: ") and kept.name in line and kept.read_bytes() == file.read_bytes()
    notes.write("mini", "still here")
    assert not notes.problems() and ModelNotes(file).get("mini").text == "still here"
    assert kept.read_bytes() == text.encode("latin-1")


@pytest.mark.parametrize("entry", [None, 3, [], {"note": 5, "settings": "x"}, {"note": None}])
def test_an_entry_that_is_none_costs_no_other(file: Path, entry: object) -> None:
    file.write_text(json.dumps({"models": {"bad": entry, "good": {"note": "yes"}}}))
    notes = ModelNotes(file)
    assert (notes.get("bad").text, dict(notes.get("bad").settings), notes.get("good").text) == ("", {}, "yes")
    notes.write("bad", "mended")
    assert ModelNotes(file).get("bad").text == "mended"


def test_a_file_that_may_not_be_read_is_not_written_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('{"models": {"mini": {"note": "precious"}}}')

    def refused(*_args: object, **_more: object) -> str:
        raise PermissionError(13, os.strerror(13))

    with monkeypatch.context() as locked:
        locked.setattr(Path, "read_text", refused)
        notes = ModelNotes(file)
    with pytest.raises(StorageError, match="Nothing was changed"):
        notes.write("mini", "gone")
    assert "Permission denied" in notes.problems()[0] and ModelNotes(file).get("mini").text == "precious"
