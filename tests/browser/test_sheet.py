"""The sheet of the sketch tab in a real browser, without a studio around it: its size, its brush, what is dropped on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page

from pipelines.words import Words
from tabs.sketchpad import SCRIPT, drawing, template

PATIENCE = 60_000
WORDS = Words("en")
# What Gradio's HTML component gives its script, as far as the sheet uses it.
HOST = """(load) => {
  const pad = window.pad = { value: '' };
  Function('element', 'props', 'watch', load)(document.body, pad, () => {});
}"""


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    page = browser.new_context(viewport={"width": 700, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    page.route("http://sheet/", lambda route: route.fulfill(
        body="<style>canvas { width: 512px }</style>" + template(WORDS), content_type="text/html"))
    page.goto("http://sheet/")
    page.evaluate(HOST, SCRIPT.read_text(encoding="utf-8"))
    yield page
    page.context.close()


def shaped(page: Page, width: int, height: int) -> list[int]:
    """The sheet's own pixels when the picture is to be of this size."""
    page.evaluate("size => window.dispatchEvent(new CustomEvent('atelier-sheet', { detail: size }))", [width, height])
    return page.locator("canvas").evaluate("sheet => [sheet.width, sheet.height]")


@pytest.fixture
def stroke(drag: Callable[..., None]) -> Callable[..., Image.Image]:
    """The drawing after a stroke through points in shares of the sheet."""

    def drawn(page: Page, *points: tuple[float, float]) -> Image.Image:
        drag(page.locator("canvas"), *points)
        return drawing(page.evaluate("pad.value"), WORDS)

    return drawn


@pytest.mark.parametrize(("size", "sheet"), [((256, 256), [512, 512]), ((1024, 768), [1024, 768]), ((2048, 1024), [1024, 512]),
                                             ((768, 512), [768, 512])], ids=str)
def test_the_sheet_is_as_fine_as_the_picture_within_limits(page: Page, size: tuple[int, int], sheet: list[int]) -> None:
    assert shaped(page, *size) == sheet


@pytest.mark.parametrize("side", [512, 1024])
def test_a_brush_is_as_wide_to_the_eye_on_any_sheet(page: Page, side: int, stroke: Callable[..., Image.Image]) -> None:
    shaped(page, side, side)
    made = stroke(page, (0.2, 0.5), (0.8, 0.5))
    inked = [y for y in range(made.height) if made.getpixel((side // 2, y))[3] > 127]
    assert len(inked) == pytest.approx(8 / 512 * side, abs=2)


def test_a_drawing_keeps_its_fine_lines_on_a_large_sheet(page: Page, tmp_path: Path) -> None:
    shaped(page, 1024, 1024)
    fine = Image.new("L", (1024, 1024), 255)
    for x in range(100, 900, 4):
        fine.paste(0, (x, 100, x + 1, 900))
    fine.save(tmp_path / "fine.png")
    page.locator("[data-tool=file]").set_input_files(tmp_path / "fine.png")
    page.wait_for_function("pad.value !== ''")
    made = drawing(page.evaluate("pad.value"), WORDS).convert("L")
    assert made.size == (1024, 1024) and (made.getpixel((500, 500)), made.getpixel((502, 500))) == (0, 255)


def test_the_eraser_and_undo_work_on_what_was_drawn(page: Page, stroke: Callable[..., Image.Image]) -> None:
    first = stroke(page, (0.2, 0.5), (0.8, 0.5))
    page.locator("[data-tool=eraser]").click()
    erased = stroke(page, (0.5, 0.3), (0.5, 0.7))
    assert first.getpixel((256, 256))[3] == 255 and erased.getpixel((256, 256))[3] == 0
    page.locator("[data-tool=undo]").click()
    assert drawing(page.evaluate("pad.value"), WORDS).getpixel((256, 256))[3] == 255
    page.locator("[data-tool=clear]").click()
    assert page.evaluate("pad.value") == ""
