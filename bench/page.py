"""B1: from the start of the process to the served page, against a Gradio-only app with the same components."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.measure import ROOT, Figure, environment, in_turns, spent

PLAIN = """
import json, sys
import gradio as gr
from gradio.utils import component_or_layout_class
kinds, events, port = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with gr.Blocks() as blocks:
    box, button = gr.Textbox(), gr.Button()
    for kind, count in kinds.items():
        for _ in range(count):
            if kind == "tabitem":
                with gr.Tabs():
                    gr.Tab()
            else:
                component_or_layout_class(kind)()
    for _ in range(events):
        button.click(lambda v: v, box, box)
blocks.launch(server_port=port, quiet=True)
"""


def page(rounds: int = 3) -> list[Figure]:
    with tempfile.TemporaryDirectory() as data:
        kinds, events = inventory(data)
        plain = ["-c", PLAIN, json.dumps(kinds), str(events)]
        torch_seen: list[bool] = []
        ours, theirs = in_turns(lambda: first_page(["app.py", "--data-dir", data, "--port"], torch_seen),
                                lambda: first_page(plain, []), rounds)
    runs = {"studio": ours, "gradio_only": theirs, "components": sum(kinds.values()), "events": events,
            "byte_code_is_kept": not sys.dont_write_bytecode}      # else the studio's files, and only those, are compiled each time
    return [
        Figure("B1", "start to first 200, studio / Gradio-only app of as many components (CPU)",
               min(ours) / min(theirs), "×", 1.15, runs),
        Figure("B1", "the same in CPU seconds", min(ours), "s", 3.5),
        Figure("B1", "torch is loaded when the page is served", float(any(torch_seen)), "", 0),
    ]


def inventory(data: str) -> tuple[dict[str, int], int]:
    """How many components of each kind the studio's page has, and how many events."""
    port = free_port()
    child = started(["app.py", "--data-dir", data, "--port"], port)
    try:
        until_served(child, port)
        config = json.loads(fetch(port, "/config")[1])
    finally:
        stop(child)
    kinds = Counter(c["type"] for c in config["components"])
    return {k: n for k, n in kinds.items() if k not in ("tabs", "form")}, len(config["dependencies"])


def first_page(words: list[str], torch_seen: list[bool]) -> float:
    """CPU seconds the child has used when its page first answers 200."""
    port = free_port()
    child = started(words, port)
    try:
        until_served(child, port)
        used = spent(child.pid)
        torch_seen.append("libtorch" in Path(f"/proc/{child.pid}/maps").read_text())
        return used
    finally:
        stop(child)


def started(words: list[str], port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *words, str(port)], cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE)


def until_served(child: subprocess.Popen[bytes], port: int, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if child.poll() is not None:
            raise RuntimeError(child.stderr.read().decode()[-500:] if child.stderr else "it ended")
        if fetch(port, "/")[0] == 200:
            return
        time.sleep(0.01)
    raise TimeoutError(f"no page after {seconds:g} s")


def fetch(port: int, path: str) -> tuple[int, bytes]:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""


def stop(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
