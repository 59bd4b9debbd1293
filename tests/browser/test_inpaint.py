"""A mask painted in a real browser is the mask that the engine paints under; the result goes on to other tabs."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from pipelines.metadata import read
from tests.browser.conftest import Visit

PATIENCE = 180_000       # ms; two busy cores and a first load of torch
BLUE = (40, 90, 200)
SIDE = 256
RIM = 3                 # px of the picture on both sides of a stroke's edge


@pytest.fixture
def visit() -> Iterator[Visit]:
    """A fresh visitor for every test: what was painted, sent on and undone before would show in the next."""
    with Visit() as one:
        yield one


@pytest.fixture
def inpaint(page: Page, tmp_path: Path) -> Page:
    """The inpaint tab with a plain blue picture in its editor."""
    Image.new("RGB", (SIDE, SIDE), BLUE).save(tmp_path / "blue.png")
    page.get_by_role("tab", name="Inpaint").click()
    page.locator("#inpaint-source input[type=file]").set_input_files(tmp_path / "blue.png")
    expect(page.locator("#inpaint-editor canvas").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#inpaint-width input[type=number]")).to_have_value(str(SIDE))
    page.wait_for_timeout(2500)     # the editor brings the picture to its size with an animation
    return page


def seen(editor: Locator) -> np.ndarray:
    """What the editor shows, height × width × 3."""
    return np.asarray(Image.open(io.BytesIO(editor.screenshot())).convert("RGB")).astype(int)


def stroke(page: Page) -> np.ndarray:
    """Paint a bent line; returns where the picture looks other than before, as a mask of the picture's size."""
    editor = page.locator("#inpaint-editor")
    editor.scroll_into_view_if_needed()
    box = page.locator("#inpaint-editor canvas").first.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = seen(editor)
    page.mouse.move(middle[0] - 50, middle[1] - 40)
    page.mouse.down()
    for x, y in ((0, 20), (60, -10), (70, 60)):
        page.mouse.move(middle[0] + x, middle[1] + y, steps=8)
    page.mouse.up()
    page.mouse.move(5, 5)
    page.wait_for_timeout(800)
    after = seen(editor)
    rows, columns = np.nonzero(np.abs(before - BLUE).sum(axis=2) < 12)
    inside = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    changed = np.abs(after - before).sum(axis=2)[inside] > 40
    return np.asarray(Image.fromarray((changed * 255).astype(np.uint8)).resize((SIDE, SIDE))) > 127


def test_the_painted_mask_is_the_mask_of_the_engine(inpaint: Page, tmp_path: Path,
                                                    tmp_path_factory: pytest.TempPathFactory) -> None:
    painted = stroke(inpaint)
    inpaint.locator("#inpaint-steps input[type=number]").fill("4")
    inpaint.locator("#inpaint-steps input[type=number]").press("Tab")
    inpaint.locator("#inpaint-generate").click()
    expect(inpaint.locator("#inpaint-results img").first).to_be_visible(timeout=PATIENCE)
    with inpaint.expect_download() as download:
        inpaint.locator("#inpaint-results").get_by_label(re.compile("download", re.I)).first.click()
    download.value.save_as(tmp_path / "made.png")

    request = read(tmp_path / "made.png").full
    [file] = tmp_path_factory.getbasetemp().glob(f"browser-home/outputs/.inputs/{request.inpaint.mask}.png")
    mask = np.asarray(Image.open(file).convert("L")) > 0
    assert mask.shape == (SIDE, SIDE) and mask.any()
    rim = _grown(mask, RIM) & _grown(~mask, RIM)        # where the screen's smoothing blurs the stroke's edge
    assert not ((mask ^ painted) & ~rim).any(), f"{((mask ^ painted) & ~rim).sum()} pixels are not what was painted"
    made = np.asarray(Image.open(tmp_path / "made.png").convert("RGB"))
    assert (made[~_grown(mask, 24)] == BLUE).all() and (made[mask] != BLUE).any()

    inpaint.locator("#inpaint-to-img2img").click()
    expect(inpaint.locator("#img2img-source img")).to_be_visible(timeout=PATIENCE)
    expect(inpaint.locator("#img2img-steps input[type=number]")).to_have_value("4")


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    grown = mask.copy()
    for axis in (0, 1):
        grown = np.any([np.roll(grown, shift, axis) for shift in range(-by, by + 1)], axis=0)
    return grown


def test_without_a_mask_or_a_picture_one_line_says_what_to_do(inpaint: Page) -> None:
    inpaint.locator("#inpaint-generate").click()
    expect(inpaint.locator(".toast-body")).to_contain_text("nothing is masked", timeout=PATIENCE)
    inpaint.locator("#inpaint-other").click()
    expect(inpaint.locator("#inpaint-source input[type=file]")).to_have_count(1, timeout=PATIENCE)
    inpaint.get_by_role("tab", name="img2img").click()
    inpaint.locator("#img2img-generate").click()
    expect(inpaint.locator(".toast-body").last).to_contain_text("there is none", timeout=PATIENCE)


def test_the_new_frame_is_drawn_while_its_sides_are_set(inpaint: Page) -> None:
    inpaint.get_by_role("button", name="Extend the picture").click()
    side = inpaint.locator("#inpaint-outpaint-left input[type=number]")
    side.fill("64")
    side.press("Tab")
    expect(inpaint.locator("#inpaint-frame")).to_contain_text("320 × 256", timeout=PATIENCE)


def test_its_own_picture_and_words_go_on_to_img2img(inpaint: Page) -> None:
    inpaint.locator("#inpaint-prompt textarea").fill("a blue boat")
    inpaint.locator("#inpaint-source-to-img2img").click()
    expect(inpaint.locator("#img2img-source img")).to_be_visible(timeout=PATIENCE)
    expect(inpaint.locator("#img2img-prompt textarea")).to_have_value("a blue boat")


@pytest.mark.parametrize("from_where", ["Inpaint", "txt2img"])
def test_strokes_that_come_back_are_seen_wherever_one_looked_meanwhile(inpaint: Page, from_where: str) -> None:
    painted = stroke(inpaint)
    inpaint.locator("#inpaint-other").click()
    expect(inpaint.locator("#inpaint-source input[type=file]")).to_have_count(1, timeout=PATIENCE)
    inpaint.get_by_role("tab", name=from_where).click()
    inpaint.locator("#undo").click()
    inpaint.wait_for_timeout(3000)      # it is hidden while its picture comes back, where another tab is looked at
    inpaint.get_by_role("tab", name="Inpaint").click()
    expect(inpaint.locator("#inpaint-editor canvas").first).to_be_visible(timeout=PATIENCE)
    editor = inpaint.locator("#inpaint-editor")
    editor.scroll_into_view_if_needed()
    _until(lambda: np.mean(_shown_strokes(seen(editor))[painted]) > 0.8, inpaint)


def _shown_strokes(screen: np.ndarray) -> np.ndarray:
    """Where the blue picture on the screen is painted over, as a mask of the picture's size."""
    alike = np.abs(screen - BLUE).sum(axis=2) < 12
    if not alike.any():
        return np.zeros((SIDE, SIDE), bool)
    rows, columns = np.nonzero(alike)
    inside = screen[rows.min():rows.max() + 1, columns.min():columns.max() + 1]
    other = (np.abs(inside - BLUE).sum(axis=2) > 40).astype(np.uint8) * 255
    return np.asarray(Image.fromarray(other).resize((SIDE, SIDE))) > 127


def _until(holds: Callable[[], bool], page: Page) -> None:
    """Waits for `holds()`; fails after the patience of this file."""
    for _ in range(PATIENCE // 1000):
        if holds():
            return
        page.wait_for_timeout(1000)
    assert holds()


def test_undo_brings_fields_picture_and_mask_back(inpaint: Page) -> None:
    steps = inpaint.locator("#inpaint-steps input[type=number]")
    before = steps.input_value()
    steps.click()
    steps.fill("4")
    steps.press("Tab")
    assert stroke(inpaint).any()
    inpaint.locator("#inpaint-other").click()
    expect(inpaint.locator("#inpaint-source input[type=file]")).to_have_count(1, timeout=PATIENCE)
    inpaint.locator("#undo").click()
    expect(inpaint.locator("#inpaint-editor canvas").first).to_be_visible(timeout=PATIENCE)
    expect(inpaint.locator("#inpaint-mask-file img")).to_be_visible(timeout=PATIENCE)
    expect(steps).to_have_value("4")
    inpaint.locator("#undo").click()
    expect(steps).to_have_value(before, timeout=PATIENCE)
    inpaint.locator("#redo").click()
    expect(steps).to_have_value("4", timeout=PATIENCE)
