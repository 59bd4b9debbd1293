"""Settings: where they come from, which source wins, and what happens to a damaged file."""

from __future__ import annotations

import json
import os

import pytest

from pipelines import settings as room
from pipelines.spec.errors import RequestError


def write(tmp_path, text):
    (tmp_path / "settings.json").write_text(text, encoding="utf-8")
    return {"data_dir": str(tmp_path)}


def test_defaults_stay_on_this_machine(tmp_path):
    settings, notes = room.load({"data_dir": tmp_path}, {})
    assert not settings.exposed and not settings.auth and not notes
    assert settings.outputs_dir == tmp_path / "outputs" and settings.model_roots[0] == room.ROOT / "models"


def test_flags_win_over_environment_over_file_over_defaults(tmp_path):
    flags = write(tmp_path, json.dumps({"port": 1, "theme": "dark", "language": "uk"}))
    settings, _ = room.load({**flags, "port": 3}, {"ATELIER_PORT": "2", "ATELIER_THEME": "light"})
    assert (settings.port, settings.theme, settings.language, settings.device) == (3, "light", "uk", "auto")


@pytest.mark.parametrize("text", ['{"port": 78', "", "\0" * 200, "[1]", "// hand\n{}", "[" * 100_000],
                         ids=["truncated", "empty", "nul", "list", "comment", "deep"])
def test_a_damaged_file_is_kept_and_defaults_are_used(tmp_path, text):
    settings, notes = room.load(write(tmp_path, text), {})
    kept = list(tmp_path.glob("settings.json.bad-*"))
    assert settings.port is None and len(kept) == 1 and kept[0].read_text() == text
    assert len(notes) == 1 and kept[0].name in notes[0]


@pytest.mark.parametrize("bad", [{"port": "x"}, {"colour": 1}, {"theme": "pink"}, {"listen": [1]}, {"auth": "nobody"}],
                         ids=["wrong-type", "unknown-key", "unknown-choice", "list-for-flag", "half-a-login"])
def test_a_wrong_value_in_the_file_is_named_and_the_rest_is_used(tmp_path, bad):
    settings, notes = room.load(write(tmp_path, json.dumps({**bad, "language": "uk"})), {})
    assert settings.language == "uk" and len(notes) == 1 and next(iter(bad)) in notes[0]
    assert (tmp_path / "settings.json").exists()


@pytest.mark.parametrize("flags", [{"port": 70000}, {"port": "x"}, {"device": "gpu"}, {"share": True, "offline": True},
                                   {"auth": "nobody"}, {"tls_certfile": "a.pem"}],
                         ids=["port-range", "port-text", "device", "share-offline", "auth", "tls-half"])
def test_a_wrong_flag_is_refused_by_name(tmp_path, flags):
    with pytest.raises(RequestError, match=next(iter(flags))):
        room.load({"data_dir": tmp_path, **flags}, {})


def test_a_password_is_never_shown_in_a_message(tmp_path):
    with pytest.raises(RequestError) as caught:
        room.load({"data_dir": tmp_path, "auth": ":geheim"}, {})
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(("typed", "gigabytes"), [("8", 8), ("8GB", 8), ("6 g", 6), ("512MB", 0.5), ("1.5GiB", 1.5)])
def test_an_amount_of_memory_may_be_typed_as_people_do(tmp_path, typed, gigabytes):
    assert room.load({"data_dir": tmp_path, "vram_budget": typed}, {}).settings.vram_budget == gigabytes


def test_lists_in_the_environment_are_separated_as_paths_are(tmp_path):
    settings, _ = room.load({"data_dir": tmp_path}, {"ATELIER_MODELS_DIR": "/a:/b"})
    assert [str(p) for p in settings.models] == ["/a", "/b"]


@pytest.mark.parametrize("flags", [
    {"listen": True}, {"share": True}, {"server_name": "0.0.0.0"}, {"server_name": "10.1.2.3"}], ids=str)
def test_every_way_out_of_this_machine_counts_as_exposed(tmp_path, flags):
    assert room.load({"data_dir": tmp_path, **flags}, {}).settings.exposed


def test_a_read_only_repository_moves_the_data_to_the_user(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "writable", lambda folder: False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert room.load({}, {}).settings.outputs_dir == tmp_path / "atelier" / "outputs"


def test_a_stored_change_is_there_at_the_next_start_and_nothing_else_is_lost(tmp_path):
    settings, _ = room.load(write(tmp_path, '{"language": "uk"}'), {})
    room.store(settings, {"theme": "dark"})
    again, notes = room.load({"data_dir": tmp_path}, {})
    assert (again.theme, again.language, notes) == ("dark", "uk", ())
    assert json.loads((tmp_path / "settings.json").read_text()) == {"language": "uk", "theme": "dark"}


def test_settings_are_frozen(tmp_path):
    settings, _ = room.load({"data_dir": tmp_path}, {})
    with pytest.raises(ValueError):
        settings.port = 1


PATHS = {"nobody's home": "~nosuchuser/x", "NUL": "/tmp/a\0b", "half a character": "/tmp/\ud800z"}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("key", ["data_dir", "outputs_dir", "state_dir", "models_dir"])
def test_what_can_be_no_path_is_one_line(tmp_path, key, path):
    value = [path] if key == "models_dir" else path
    with pytest.raises(RequestError) as caught:
        room.load({"data_dir": tmp_path, key: value}, {})
    assert str(caught.value).startswith(f"{key}: ") and "\n" not in str(caught.value)
    settings, notes = room.load(write(tmp_path, json.dumps({key: value, "theme": "dark"})), {})
    assert settings.theme == "dark" and len(notes) == 1 and notes[0].startswith(f"settings.json: {key}: ")


def test_a_folder_whose_name_is_no_utf8_may_be_used(tmp_path):
    folder = os.fsdecode(bytes(tmp_path) + b"/caf\xe9")
    assert str(room.load({"data_dir": tmp_path, "outputs_dir": folder}, {}).settings.outputs_dir) == folder


def test_what_could_not_be_used_stays_in_the_file(tmp_path):
    written = {"port": "78 60", "future_key": {"a": "\udce9"}, "models_dir": ["/data/models"], "auth": "me", "theme": "light"}
    settings, notes = room.load(write(tmp_path, json.dumps(written)), {})
    assert len(notes) == 3
    room.store(settings, {"theme": "dark"})
    assert json.loads((tmp_path / "settings.json").read_text()) == written | {"theme": "dark"}
    room.store(settings, {"port": 7860})
    assert json.loads((tmp_path / "settings.json").read_text())["port"] == 7860
