"""How the page is opened: ports, addresses, logins, the environment. Gradio itself is launched in test_guard."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from pipelines.settings import checked
from pipelines.spec.errors import FieldError
from tabs import address
from tabs.environment import IGNORED, prepare_gradio


def settings(tmp_path, **more):
    return checked({"data_dir": tmp_path, **more})


@pytest.fixture
def busy():
    """A port of this machine on which somebody listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_that_was_asked_for_is_named_with_a_free_one(tmp_path, busy):
    with pytest.raises(FieldError, match=f"Port: {busy} - already in use. Allowed: a free port, for example") as caught:
        address.address(settings(tmp_path, port=busy))
    assert "--port" in str(caught.value)


def test_without_a_wish_the_next_free_port_is_taken(tmp_path, busy, monkeypatch):
    monkeypatch.setattr(address, "FIRST_PORT", busy)
    monkeypatch.setattr(address, "LAST_PORT", busy + 50)
    host, port = address.address(settings(tmp_path))
    assert host == "127.0.0.1" and busy < port <= busy + 50


def test_no_free_port_is_one_line(tmp_path, busy, monkeypatch):
    monkeypatch.setattr(address, "FIRST_PORT", busy)
    monkeypatch.setattr(address, "LAST_PORT", busy)
    with pytest.raises(FieldError, match="all in use"):
        address.address(settings(tmp_path))


@pytest.mark.parametrize(("name", "why"), [
    ("no-such-host.invalid", "not known here"), ("203.0.113.7", "not an address of")])
def test_an_address_that_is_not_ours_is_one_line(tmp_path, name, why):
    with pytest.raises(FieldError, match=why):
        address.address(settings(tmp_path, server_name=name, port=0 if "invalid" not in name else 7999))
        address.is_free(name, 7999)


def test_ipv6_addresses_get_their_brackets(tmp_path):
    assert address.address(settings(tmp_path, server_name="::1", port=0))[0] == "[::1]"


@pytest.mark.parametrize(("given", "login"), [
    ({}, False), ({"listen": True}, True), ({"share": True}, True), ({"server_name": "0.0.0.0"}, True),
    ({"server_name": "127.0.0.1"}, False)], ids=str)
def test_whoever_opens_the_door_gets_a_password(tmp_path, given, login):
    made = [address.credentials(settings(tmp_path, **given)) for _ in range(2)]
    assert all(bool(m) == login for m in made) and (not login or made[0] != made[1])


def test_a_given_login_is_kept_even_with_colons(tmp_path):
    assert address.credentials(settings(tmp_path, auth="me:a:b")) == ("me", "a:b")


def test_names_of_this_machine_are_known_on_the_network_and_others_must_be_given(tmp_path):
    names = address.host_names(settings(tmp_path, listen=True, allowed_hosts=["Paint.Example:8443"]), "0.0.0.0")
    assert {"localhost", "paint.example", socket.gethostname().lower()} <= names
    assert socket.gethostname().lower() not in address.host_names(settings(tmp_path), "127.0.0.1") - {"localhost"}


@pytest.mark.parametrize("name", IGNORED)
def test_gradios_own_switches_are_taken_away_and_named(tmp_path, name):
    environ = {name: "True"}
    [line] = prepare_gradio(settings(tmp_path), environ)
    assert name in line and environ.get(name) in (None, str(tmp_path / "state" / "uploads"))


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(tmp_path):
    environ = {"HTTP_PROXY": "http://proxy.invalid:3128", "NO_PROXY": "corp.example"}
    prepare_gradio(settings(tmp_path, server_name="10.0.0.7"), environ)
    assert environ["NO_PROXY"] == "corp.example,localhost,127.0.0.1,::1,10.0.0.7"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_the_program_ends_when_it_is_asked_to(number, root):
    code = "from tabs.launch import end_signal; e = end_signal(); print('up', flush=True); e.wait(); print('closed', flush=True)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root,
                             env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert child.stdout.readline() == "up\n"
    threading.Timer(0.3, child.send_signal, [number]).start()
    assert child.communicate(timeout=90)[0] == "closed\n" and child.returncode == 0


def test_what_is_left_of_a_cut_upload_goes_at_a_start(tmp_path):
    known = checked({"data_dir": tmp_path})
    known.uploads_dir.mkdir(parents=True)
    (known.uploads_dir / "tmpdir1").mkdir()
    for name in ("tmpold", "tmpnew", "other"):
        (known.uploads_dir / name).write_bytes(b"half a picture")
    for name in ("tmpdir1", "tmpold", "other"):
        os.utime(known.uploads_dir / name, (1, 1))
    prepare_gradio(known, {})
    assert sorted(path.name for path in known.uploads_dir.iterdir()) == ["other", "tmpdir1", "tmpnew"]
