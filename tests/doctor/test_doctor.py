"""The doctor finds what is wrong, one line each, and survives a broken installation."""

import socket

import pytest

from pipelines import doctor
from pipelines.settings import Settings


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(data_dir=tmp_path)


def findings(check) -> list[tuple[str, str]]:
    return [(f.level, f.what) for f in doctor.survived(check)]


def test_every_finding_is_one_line_and_this_machine_paints(settings):
    found = list(doctor.examine(settings))
    assert all("\n" not in str(f) for f in found)
    assert {"python", "packages", "torch", "outputs", "state", "models", "device", "port", "chromium", "diffusers"} <= {
        f.what for f in found}
    assert not [f for f in found if f.level == "bad" and f.what in ("diffusers", "models", "outputs")]


def test_a_port_in_use_is_named(settings):
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = settings.model_copy(update={"port": server.getsockname()[1]})
        assert findings(lambda: doctor.port(taken)) == [("odd", "port")]


@pytest.mark.parametrize(("versions", "level"), [
    ({"torch": "2.13.0+cpu", "torchvision": "0.28.0"}, "odd"), ({"torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu"}, "good"),
    ({"torch": "2.13.0"}, "bad")], ids=["two builds", "one build", "missing"])
def test_a_torch_pair_of_two_builds_is_named(monkeypatch, versions, level):
    monkeypatch.setattr(doctor, "installed", versions.get)
    assert findings(doctor.torch_pair) == [(level, "torch")]


def test_a_check_that_fails_is_a_finding():
    def broken():
        raise OSError("no such device")
        yield
    assert findings(broken) == [("bad", "broken")]
