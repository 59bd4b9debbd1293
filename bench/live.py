"""Live mode as the hand feels it: from pen-up in a real browser to the new picture on the page, through the whole studio.

Needs Chromium and playwright, as the browser tests do. A quiet machine is needed too: this is a wall clock.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from statistics import median
from typing import Any

from bench.measure import ROOT, Figure
from bench.page import free_port, until_served

STROKES = 10
TARGET = 1.5        # seconds
PATIENCE = 180_000  # ms: of the first picture, which loads torch and the weights
# The picture counts once it is decoded and laid out, not when its address has come.
WATCH = """() => {
  const shown = document.querySelector('#sketch-shown'); window.took = []; window.up = 0;
  addEventListener('pointerup', () => { window.up = performance.now(); }, true);
  new MutationObserver(() => { const image = shown.querySelector('img'); if (!image || !window.up) return;
    image.decode().then(() => requestAnimationFrame(() => { if (window.up) { window.took.push(performance.now() - window.up);
      window.up = 0; } })); }).observe(shown, { childList: true, subtree: true, attributes: true, attributeFilter: ['src'] });
}"""


def live() -> list[Figure]:
    """The median of ten strokes, each made after the picture of the one before has come."""
    chromium = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    if chromium is None:
        print("No Chromium here: live mode is not measured.")
        return []
    with tempfile.TemporaryDirectory() as data:
        port = free_port()
        threads = {"OMP_NUM_THREADS": str(os.cpu_count() or 1)}      # as a user starts it
        child = subprocess.Popen([sys.executable, "app.py", "--data-dir", data, "--port", str(port)], cwd=ROOT,
                                 env={**os.environ, **threads}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until_served(child, port)
            seconds = drawn(f"http://127.0.0.1:{port}", chromium)
        finally:
            child.terminate()
            child.wait(30)
    print("pen-up to picture, s: " + ", ".join(f"{s:.2f}" for s in seconds), file=sys.stderr, flush=True)
    return [Figure("live", f"pen-up to the picture shown, median of {len(seconds)} strokes", median(seconds), "s", TARGET,
                   {"seconds": seconds})]


def drawn(url: str, chromium: str) -> list[float]:
    """Seconds of every stroke; the first picture, which loads the weights, is not one of them."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(url)
        page.get_by_role("tab", name="Sketch").click(timeout=PATIENCE)
        sheet = page.locator("#sketch-sheet canvas")
        sheet.wait_for(timeout=PATIENCE)
        page.locator("#sketch-prompt textarea").fill("a red house on a meadow")
        page.locator("#sketch-live input").check()
        sheet.scroll_into_view_if_needed()
        stroke(page, sheet, 0)
        page.locator("#sketch-shown img").wait_for(timeout=PATIENCE)
        page.wait_for_timeout(5000)     # whatever else the first picture has begun is over
        page.evaluate(WATCH)
        for number in range(1, STROKES + 1):
            stroke(page, sheet, number)
            page.wait_for_function("count => window.took.length >= count", arg=number, timeout=PATIENCE)
            page.wait_for_timeout(300)
        took = page.evaluate("() => window.took")
        browser.close()
    return [ms / 1000 for ms in took]


def stroke(page: Any, sheet: Any, number: int) -> None:
    """One line of the mouse across the sheet, lower with every number."""
    box = sheet.bounding_box()
    y = box["y"] + box["height"] * (0.1 + 0.07 * number)
    page.mouse.move(box["x"] + 0.2 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], y + 10, steps=6)
    page.mouse.up()
