"""How long the page stands still while a picture of 8192×8192 is opened in the gallery, beside one of 256×256. Chromium.

The main thread's long tasks (over 50 ms) are what a PerformanceObserver sees of them. What the browser asks the studio for is
listed too: a reduced copy is shown, and the file itself is fetched only by *Download*.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import Figure
from bench.page import free_port, started, stop, until_served

LARGE, SMALL = 8192, 256
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 240_000      # ms
LONG_TASKS = """window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((e) => e.duration)))
  .observe({ type: 'longtask', buffered: true });"""
SHOWN = """() => { const picture = document.querySelector('#gallery-picture img');
  return picture?.complete && picture.naturalWidth === %d; }"""


@dataclass(frozen=True)
class Opened:
    """One picture chosen in the gallery. blocked: ms of each long task meanwhile.   asked: paths fetched from the studio."""

    width: int
    blocked: Sequence[float]
    asked: Sequence[str]


def filled(folder: Path) -> list[str]:
    """An archive with a small picture and a large one, the newest; their files."""
    from PIL import Image

    from pipelines.archive import Archive
    from pipelines.spec.request import GenerationRequest

    archive = Archive(folder / "outputs")
    ramp = Image.radial_gradient("L").convert("RGB")
    files = [archive.save(ramp.resize((side, side)), GenerationRequest(prompt=f"a disc of {side}", seed=side)).file
             for side in (SMALL, LARGE)]
    archive.close()
    return files


def gallery(page: Any, url: str) -> None:
    """The gallery of a studio whose archive `filled` made, with its long tasks watched."""
    page.add_init_script(LONG_TASKS)
    page.goto(url, timeout=PATIENCE)
    page.get_by_role("tab", name="Gallery").click(timeout=PATIENCE)
    page.locator("#gallery-grid .thumbnail-lg").nth(1).wait_for(timeout=PATIENCE)
    page.wait_for_timeout(1500)


def opened(page: Any, index: int, width: int) -> Opened:
    """Choose a picture of the grid and wait until the panel shows it, `width` pixels wide as it is served."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("window.longTasks.length = 0")
    page.locator("#gallery-grid .thumbnail-lg").nth(index).click()
    page.wait_for_function(SHOWN % width, timeout=PATIENCE)
    page.wait_for_timeout(1500)     # what decoding it holds up comes after it is there
    return Opened(page.evaluate("document.querySelector('#gallery-picture img').naturalWidth"),
                  page.evaluate("window.longTasks"), asked)


def stall() -> list[Figure]:
    from playwright.sync_api import sync_playwright

    from pipelines.archive.thumbnails import VIEW_SIDE

    with tempfile.TemporaryDirectory() as home, sync_playwright() as play:
        files, port = filled(Path(home)), free_port()
        child = started(["app.py", "--data-dir", home, "--port"], port)
        try:
            until_served(child, port)
            chromium = play.chromium.launch(executable_path=next(filter(None, map(shutil.which, CHROMIUM))), args=["--no-sandbox"])
            page = chromium.new_page()
            gallery(page, f"http://127.0.0.1:{port}")
            opened(page, 1, SMALL)      # the panel is built with the first picture, whatever its size
            large, small = opened(page, 0, VIEW_SIDE), opened(page, 1, SMALL)
            chromium.close()
        finally:
            stop(child)
    whole = [url for url in large.asked if url.endswith(Path(files[1]).name)]
    return [
        Figure("stall", f"longest task of the page, {LARGE}² opened in the gallery", max(large.blocked, default=0), "ms", 200,
               {"large": list(large.blocked), "small": list(small.blocked)}),
        Figure("stall", f"blocked in all, {LARGE}² less {SMALL}²", sum(large.blocked) - sum(small.blocked), "ms", 200),
        Figure("stall", f"whole files of {LARGE}² fetched to show it", len(whole), "files", 0, {"asked": list(large.asked)})]
