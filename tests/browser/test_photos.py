"""The photos of a likeness in a real browser, without a studio around them: the panel's questions go straight to the desk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from pipelines.archive.inputs import Inputs
from pipelines.archive.photos import Photos
from pipelines.portraits.crop import Box
from pipelines.words import Words
from tabs.photos import SCRIPT, Desk, template

PATIENCE = 60_000
WORDS = Words("en")
# What Gradio's HTML component gives its script, as far as the panel uses it.
HOST = """(load) => {
  const panel = window.panel = { value: [] };
  Function('element', 'props', 'server', 'watch', load)(document.body, panel, { ask }, () => {});
}"""
FACE = Box(80, 40, 40, 40)      # of a photo shown 256 wide; with its margin it is the square 56, 16, 88


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(tmp_path / "outputs")


@pytest.fixture
def page(browser: Any, inputs: Inputs) -> Iterator[Page]:
    """A panel whose detector finds one face in every photo but a black one."""
    photos = Photos(inputs, lambda _open: set())
    desk = Desk(type("Studio", (), {"inputs": inputs, "words": WORDS, "photos": photos})())
    desk.__dict__["_detector"] = lambda photo: [FACE] if photo.getextrema()[0][1] > 9 else []
    page = browser.new_context(viewport={"width": 700, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    page.expose_function("ask", desk.ask)
    page.route("http://panel/", lambda route: route.fulfill(
        body="<style>figure { margin: 0 } canvas { display: block }</style>" + template(WORDS), content_type="text/html"))
    page.goto("http://panel/")
    page.evaluate(HOST, SCRIPT.read_text(encoding="utf-8"))
    yield page
    page.context.close()


def photo(path: Path, size: tuple[int, int] = (256, 192), colour: str = "red") -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def add(page: Page, *files: Path) -> None:
    before = page.locator("figure").count()
    page.locator("[data-act=add]").set_input_files(list(files))
    expect(page.locator("figure")).to_have_count(before + len(files), timeout=PATIENCE)


def names(page: Page) -> list[str]:
    return page.evaluate("panel.value")


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Over the first photo, in its pixels: it is shown one to one."""
    box = page.locator("figure canvas").first.bounding_box()
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=3)
    page.mouse.up()


def files(inputs: Inputs) -> list[Path]:
    return sorted(inputs.folder.glob("*.png"))


def test_a_face_is_cut_out_and_where_none_is_it_is_said(page: Page, inputs: Inputs, tmp_path: Path) -> None:
    add(page, photo(tmp_path / "a.png"), photo(tmp_path / "b.png", colour="black"))
    assert [inputs.open(name).size for name in names(page)] == [(88, 88), (192, 192)]
    assert page.locator("figcaption").all_inner_texts() == ["no face was found. The middle is used; crop by hand, or give an "
                                                            "upright photo from the front."]


def test_a_large_photo_is_cut_from_its_own_pixels(page: Page, inputs: Inputs, tmp_path: Path) -> None:
    add(page, photo(tmp_path / "large.png", (2048, 1536)))      # looked at 1024 wide, where the face and its margin are 88
    assert inputs.open(names(page)[0]).size == (176, 176)


def test_a_square_drawn_by_hand_takes_the_place_of_the_old_one(page: Page, inputs: Inputs, tmp_path: Path) -> None:
    picture = Image.new("RGB", (256, 192), "red")
    picture.paste("blue", (150, 50, 256, 192))
    picture.save(tmp_path / "a.png")
    add(page, tmp_path / "a.png")
    [old] = names(page)
    drag(page, (160, 60), (220, 120))
    page.wait_for_function("old => panel.value[0] !== old", arg=old)
    made = inputs.open(names(page)[0])
    assert abs(made.width - 60) <= 1 and made.getextrema() == ((0, 0), (0, 0), (255, 255)) and len(files(inputs)) == 1
    kept = names(page)
    drag(page, (10, 10), (30, 30))
    expect(page.locator(".line")).to_have_text(WORDS("photos_small"), timeout=PATIENCE)
    assert names(page) == kept and len(files(inputs)) == 1


def test_one_click_deletes_all_of_them_from_the_disk(page: Page, inputs: Inputs, tmp_path: Path) -> None:
    expect(page.locator("[data-act=delete]")).to_be_disabled()
    add(page, photo(tmp_path / "a.png"), photo(tmp_path / "b.png", colour="green"))
    assert len(files(inputs)) == 2
    page.locator("[data-act=delete]").click()
    expect(page.locator(".line")).to_have_text(WORDS("photos_deleted", count=2), timeout=PATIENCE)
    assert names(page) == [] and files(inputs) == [] and page.locator("figure").count() == 0


def test_a_photo_that_is_there_twice_is_kept_until_both_are_gone(page: Page, inputs: Inputs, tmp_path: Path) -> None:
    add(page, photo(tmp_path / "a.png"), photo(tmp_path / "b.png"))
    assert names(page)[0] == names(page)[1] and len(files(inputs)) == 1
    page.locator("figure button").first.click()
    expect(page.locator("figure")).to_have_count(1, timeout=PATIENCE)
    inputs.check(names(page)[0])
    page.locator("figure button").first.click()
    page.wait_for_function("panel.value.length === 0")
    page.wait_for_timeout(500)
    assert files(inputs) == []


def test_a_file_that_is_no_picture_is_named_and_the_others_are_taken(page: Page, tmp_path: Path) -> None:
    (tmp_path / "phone.heic").write_bytes(b"no picture")
    page.locator("[data-act=add]").set_input_files([tmp_path / "phone.heic", photo(tmp_path / "a.png")])
    expect(page.locator("figure")).to_have_count(1, timeout=PATIENCE)
    expect(page.locator(".line")).to_contain_text("phone.heic: the browser cannot open this as a picture", timeout=PATIENCE)


def test_more_photos_than_can_be_read_are_left_out_and_it_is_said(page: Page, tmp_path: Path) -> None:
    add(page, *(photo(tmp_path / f"{n}.png", (64, 64), "black") for n in range(16)))
    page.locator("[data-act=add]").set_input_files(photo(tmp_path / "more.png"))
    expect(page.locator(".line")).to_have_text(WORDS("photos_most"), timeout=PATIENCE)
    assert len(names(page)) == 16
