"""The gallery as a person uses it: search, star, throw away and undo, compare, download, use the settings again."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from pipelines.archive import Archive
from pipelines.metadata import read
from pipelines.spec.request import GenerationRequest

PATIENCE = 180_000       # ms
NASTY = "<b>bold</b>"


@pytest.fixture(scope="module")
def studio_url(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio that has painted 34 pictures already; it stands in for the empty one of conftest."""
    home = tmp_path_factory.mktemp("painted")
    archive = Archive(home / "outputs")
    for n in range(34):
        picture = Image.new("RGB", (64, 96 if n % 3 else 64), (n * 7, 255 - n * 5, n * 31 % 255))
        archive.save(picture, GenerationRequest(prompt=f"a red car, number {n} {NASTY}", seed=100 + n, steps=20 + n % 5))
    archive.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port), "--data-dir", str(home)], cwd=root,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield _answering(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(60)


def _answering(url: str) -> str:
    until = time.monotonic() + 240
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return url
        except httpx.TransportError:
            time.sleep(0.25)
    pytest.fail("the studio did not come up")


@pytest.fixture
def gallery(page: Page) -> Page:
    tab = page.get_by_role("tab", name="Gallery")
    if tab.get_attribute("aria-selected") == "false":
        answered: list[str] = []
        for end in ("requestfinished", "requestfailed"):        # a stream of answers ends when none is awaited any more
            page.on(end, lambda stream: answered.append(stream.url) if "/queue/data" in stream.url else None)
        tab.click()
        while not answered:     # or what is chosen next would be let go again by the answer to this click
            page.wait_for_timeout(50)
    expect(page.locator("#gallery-grid img").first).to_be_visible(timeout=PATIENCE)
    return page


def choose(page: Page, index: int, name: str) -> None:
    """Click a picture of the grid and wait until the panel shows it."""
    page.locator("#gallery-grid .thumbnail-lg").nth(index).click()
    expect(page.locator("#gallery-facts")).to_contain_text(name, timeout=PATIENCE)


def told(page: Page, text: str) -> None:
    expect(page.locator("#gallery-told")).to_contain_text(text, timeout=PATIENCE)


def test_pictures_are_found_by_words_and_turned_over_by_pages(gallery: Page) -> None:
    told(gallery, "34 · 1 of 2")
    expect(gallery.locator("#gallery-grid img")).to_have_count(30)
    gallery.locator("#gallery-older").click()
    expect(gallery.locator("#gallery-grid img")).to_have_count(4, timeout=PATIENCE)
    gallery.locator("#gallery-search").locator("input, textarea").fill("number 33")
    told(gallery, "found: 1")
    gallery.locator("#gallery-search").locator("input, textarea").fill("zebra")
    told(gallery, "No picture matches")
    gallery.locator("#gallery-search").locator("input, textarea").fill("number 33")
    gallery.set_viewport_size({"width": 390, "height": 844})
    expect(gallery.locator("#gallery-grid img")).to_be_in_viewport(ratio=0.9, timeout=PATIENCE)
    gallery.locator("#gallery-search").locator("input, textarea").fill("")
    told(gallery, "34 · 1 of 2")


def test_a_picture_shows_how_it_was_made_as_text(gallery: Page) -> None:
    choose(gallery, 0, f"a red car, number 33 {NASTY}")
    facts = gallery.locator("#gallery-facts")
    expect(facts).to_contain_text("133")
    expect(facts.locator("b")).to_have_count(0)
    gallery.get_by_role("button", name="Text of the settings").click()
    expect(gallery.locator("#gallery-infotext textarea")).to_have_value(re.compile("Steps: 23"))


def test_a_downloaded_picture_still_carries_its_settings(gallery: Page, tmp_path: Path) -> None:
    choose(gallery, 1, "number 32")
    with gallery.expect_download() as download:
        gallery.locator("#gallery-download").click()
    download.value.save_as(tmp_path / "made.png")
    assert read(tmp_path / "made.png").full == GenerationRequest(prompt=f"a red car, number 32 {NASTY}", seed=132, steps=22)


def test_two_pictures_are_compared(gallery: Page) -> None:
    choose(gallery, 0, "number 33")
    gallery.locator("#gallery-first").click()
    expect(gallery.locator("#gallery-diff")).to_contain_text("00033-133.png", timeout=PATIENCE)
    choose(gallery, 3, "number 30")
    gallery.locator("#gallery-second").click()
    expect(gallery.locator("#gallery-slider img").first).to_be_visible(timeout=PATIENCE)
    expect(gallery.locator("#gallery-slider")).to_be_in_viewport(ratio=0.9, timeout=PATIENCE)     # it lies below the fold
    diff = gallery.locator("#gallery-diff")
    expect(diff).to_contain_text("Steps")
    expect(diff).to_contain_text("133")
    expect(diff).not_to_contain_text("CFG scale")


def test_a_favourite_is_found_and_a_picture_thrown_away_comes_back(gallery: Page) -> None:
    choose(gallery, 2, "number 31")
    gallery.locator("#gallery-favourite").click()
    expect(gallery.locator("#gallery-favourite")).to_contain_text("★", timeout=PATIENCE)
    gallery.locator("#gallery-view").get_by_text("Favourites").click()
    told(gallery, "found: 1")
    choose(gallery, 0, "number 31")
    gallery.locator("#gallery-trash").click()
    told(gallery, "No pictures here yet")
    gallery.locator("#gallery-undo").click()
    told(gallery, "found: 1")
    gallery.locator("#gallery-view").get_by_text("Trash").click()
    told(gallery, "The trash is empty")
    gallery.locator("#gallery-view").get_by_text("All").click()
    told(gallery, "found: 34")


def test_keys_choose_mark_and_throw_away_one_after_the_other_and_several_at_once(gallery: Page) -> None:
    """The throw comes before the studio knows of the arrows: it waits for them, or another picture would go."""
    choose(gallery, 6, "number 27")
    for key in ("ArrowRight", "ArrowLeft", "ArrowRight", "f"):
        gallery.keyboard.press(key)
    expect(gallery.locator("#gallery-grid .thumbnail-lg").nth(7)).to_contain_text("★", timeout=PATIENCE)
    gallery.keyboard.press("f")
    expect(gallery.locator("#gallery-favourite")).to_contain_text("☆", timeout=PATIENCE)
    gallery.keyboard.press("ArrowRight")
    gallery.keyboard.press("Delete")
    told(gallery, "found: 33")
    expect(gallery.locator("#gallery-facts")).to_contain_text("number 24", timeout=PATIENCE)
    gallery.locator("#gallery-grid .thumbnail-lg").nth(0).click(modifiers=["Control"])
    expect(gallery.locator("#gallery-picked")).to_contain_text("2 chosen", timeout=PATIENCE)
    with gallery.expect_download() as download:
        gallery.locator("#gallery-zip").click()
    assert download.value.suggested_filename.endswith(".zip")
    gallery.keyboard.press("Delete")
    told(gallery, "found: 31")
    for count in (33, 34):
        gallery.locator("#gallery-undo").click()
        told(gallery, f"found: {count}")


def test_its_settings_go_into_the_form(gallery: Page) -> None:
    choose(gallery, 4, "number 29")
    gallery.locator("#gallery-send").click()
    expect(gallery.locator("#txt2img-prompt textarea")).to_have_value(f"a red car, number 29 {NASTY}", timeout=PATIENCE)
    expect(gallery.locator("#txt2img-seed input[type=number]")).to_have_value("129")


def test_a_variation_is_painted_in_the_first_tab(gallery: Page) -> None:
    """The last of this file: the gallery has one picture more after it."""
    choose(gallery, 4, "number 29")
    gallery.locator("#gallery-vary-subtle").click()
    expect(gallery.locator("#txt2img-results img").first).to_be_visible(timeout=PATIENCE)
    expect(gallery.locator("#txt2img-prompt textarea")).to_be_visible()
