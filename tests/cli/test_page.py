"""`python app.py` as a person starts it: the page is served before torch, says where it is, and ends when asked to."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def start(tmp_path, root):
    """Start the studio in a data folder of its own; returns the child and its first lines. It is ended afterwards."""
    children = []

    def run(*words, **env):
        child = subprocess.Popen([sys.executable, "app.py", "--data-dir", str(tmp_path), *words], cwd=root, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env={**os.environ, "COMMANDLINE_ARGS": "", "OMP_NUM_THREADS": "1", **env})
        children.append(child)
        return child
    yield run
    for child in children:
        child.kill()
        child.communicate()


def get(port, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path)
    return connection.getresponse()


def port_of(line):
    return int(re.search(r"http://[^:]+:(\d+)", line)[1])


def test_the_page_is_served_before_torch_and_ends_with_ctrl_c(start):
    child = start("--port", "0", HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    line = child.stdout.readline()
    assert line.startswith("Atelier is open at http://127.0.0.1:"), child.stderr.read()
    page = get(port_of(line))
    assert page.status == 200 and b"Atelier" in page.read()
    assert "libtorch" not in Path(f"/proc/{child.pid}/maps").read_text()
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=120)
    assert child.returncode == 0 and "Traceback" not in said


def test_a_page_for_the_network_prints_the_password_it_made_up(start):
    child = start("--listen", "--port", "0")
    opened, login = child.stdout.readline(), child.stdout.readline()
    assert re.fullmatch(r"Log in as atelier with the password \S{12,}\n", login), (opened, login)
    assert get(port_of(opened), "/config").status == 401
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=120) == 0


def test_a_port_in_use_is_one_line_and_exit_code_2(start):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        child = start("--port", str(busy.getsockname()[1]))
        out, said = child.communicate(timeout=180)
    assert child.returncode == 2 and not out
    assert re.fullmatch(r"Port: \d+ - already in use. Allowed: a free port, for example \d+. Start with .*\n", said)


def test_a_second_studio_on_the_same_data_is_one_line(start):
    first = start("--port", "0")
    assert "Atelier is open" in first.stdout.readline()
    second = start("--port", "0")
    out, said = second.communicate(timeout=180)
    assert second.returncode == 1 and not out and said.count("\n") == 1
