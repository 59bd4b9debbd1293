"""A drawing made with the mouse is painted live, the last stroke last; Generate keeps a picture that knows its drawing."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from pipelines.metadata import read

PATIENCE = 240_000      # ms; two busy cores and a first load of torch


@pytest.fixture
def sketch(page: Page) -> Page:
    page.set_default_timeout(PATIENCE)
    page.get_by_role("tab", name="Sketch").click()
    expect(page.locator("#sketch-sheet canvas")).to_be_visible(timeout=PATIENCE)
    page.locator("#sketch-live input").uncheck()
    page.locator("#sketch-sheet [data-tool=clear]").click()
    page.locator("#sketch-prompt textarea").fill("a red house")
    return page


@pytest.fixture
def stroke(drag: Callable[..., None]) -> Callable[..., None]:
    return lambda page, *points: drag(page.locator("#sketch-sheet canvas"), *points)


def painted(page: Page) -> str:
    """The live picture of the sheet as it is now, once it is shown; older drawings' pictures are waited out."""
    drawing = page.locator("#sketch-sheet canvas").evaluate("sheet => sheet.toDataURL('image/png')")
    mine = page.locator(f"#sketch-shown img[data-of='{zlib.crc32(drawing.encode())}']")
    expect(mine).to_be_visible(timeout=PATIENCE)
    return str(mine.get_attribute("src"))


def test_many_fast_strokes_end_in_the_picture_of_the_last(sketch: Page, stroke: Callable[..., None]) -> None:
    sketch.locator("#sketch-live input").check()
    stroke(sketch, (0.2, 0.8), (0.2, 0.4), (0.5, 0.2), (0.8, 0.4))
    first = painted(sketch)
    calls: list[str] = []
    sketch.on("request", lambda r: calls.append(r.url) if "queue/join" in r.url else None)
    for number in range(30):
        stroke(sketch, (0.1, 0.05 + number * 0.03), (0.9, 0.05 + number * 0.03))
    last = painted(sketch)
    made = len(calls)
    assert last != first and 1 <= made <= 31
    sketch.wait_for_timeout(1500)
    assert len(calls) == made and painted(sketch) == last, "more was painted after the last stroke's picture"
    sketch.locator("#sketch-live input").uncheck()
    expect(sketch.locator("#sketch-shown img")).to_have_count(0, timeout=PATIENCE)
    sketch.locator("#sketch-live input").check()
    assert painted(sketch) == last, "the picture shown was not that of the last stroke"


def test_a_key_takes_a_stroke_back(sketch: Page, stroke: Callable[..., None]) -> None:
    sheet = sketch.locator("#sketch-sheet canvas")
    empty = sheet.evaluate("sheet => sheet.toDataURL()")
    stroke(sketch, (0.2, 0.2), (0.8, 0.8))
    assert sheet.evaluate("sheet => sheet.toDataURL()") != empty
    sketch.keyboard.press("Control+z")
    assert sheet.evaluate("sheet => sheet.toDataURL()") == empty


def test_a_drawing_becomes_a_picture_that_knows_it(sketch: Page, tmp_path: Path) -> None:
    picture = Image.new("RGB", (200, 200), "black")
    ImageDraw.Draw(picture).rectangle((60, 60, 140, 160), outline="white", width=3)
    picture.save(tmp_path / "light-on-dark.png")
    sketch.locator("#sketch-sheet [data-tool=file]").set_input_files(tmp_path / "light-on-dark.png")
    sketch.wait_for_timeout(500)
    sketch.locator("#sketch-generate").click()
    expect(sketch.locator("#sketch-results img").first).to_be_visible(timeout=PATIENCE)
    with sketch.expect_download() as download:
        sketch.locator("#sketch-results").get_by_label("Download").first.click()
    download.value.save_as(tmp_path / "made.png")
    request = read(tmp_path / "made.png").full
    assert request.sketch.lines and not request.sketch.strokes and request.init is None


def test_a_stroke_is_undone_and_an_empty_sheet_is_refused(sketch: Page, stroke: Callable[..., None]) -> None:
    stroke(sketch, (0.2, 0.2), (0.8, 0.8))
    sketch.locator("[data-tool=undo]").click()
    sketch.locator("#sketch-generate").click()
    expect(sketch.get_by_text("nothing is drawn yet")).to_be_visible(timeout=PATIENCE)
