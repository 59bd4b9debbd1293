"""The whole trip as a person makes it: type, take advice, generate, reload in the middle, find, drop, compare."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

PATIENCE = 180_000       # ms; two busy cores and a first load of torch


def number(page: Page, name: str) -> Any:
    return page.locator(f"#txt2img-{name} input[type=number]")


def fields(page: Page) -> dict[str, str]:
    """What the form shows, by element."""
    shown = {name: number(page, name).input_value() for name in
             ("steps", "cfg-scale", "width", "height", "seed", "batch-count", "batch-size")}
    shown |= {name: page.locator(f"#txt2img-{name} input").first.input_value() for name in ("model", "sampler", "schedule")}
    return shown | {name: page.locator(f"#txt2img-{name} textarea").input_value() for name in ("prompt", "negative-prompt")}


def fill(page: Page, name: str, value: object) -> None:
    number(page, name).fill(str(value))
    number(page, name).press("Tab")


@pytest.fixture
def page(page: Page) -> Page:
    """A form without words, whose numbers are those of one picture soon painted."""
    page.get_by_role("tab", name="txt2img").click()
    for name in ("prompt", "negative-prompt"):
        page.locator(f"#txt2img-{name} textarea").fill("")
    for name, value in {"steps": 20, "batch-count": 1, "batch-size": 1}.items():
        fill(page, name, value)
    return page


def test_advice_follows_the_slider_and_mends_it(page: Page) -> None:
    advice = page.locator("#advice-txt2img-cfg-scale")
    expect(advice.locator(".verdict.recommended")).to_be_visible(timeout=PATIENCE)
    fill(page, "cfg-scale", 18)
    expect(advice.locator(".verdict.not_recommended")).to_be_visible()
    advice.get_by_role("button").click()
    expect(advice.locator(".verdict.recommended")).to_be_visible()
    assert 3 <= float(number(page, "cfg-scale").input_value()) <= 5      # what was measured for mini


def test_the_counter_counts_and_the_keyboard_weighs(page: Page) -> None:
    area = page.locator("#txt2img-prompt textarea")
    area.fill("a red car, in the snow")
    expect(page.locator("#txt2img-counter")).to_contain_text(re.compile(r"\d+/75"), timeout=PATIENCE)
    area.evaluate("e => e.setSelectionRange(2, 9)")
    area.press("Control+ArrowUp")
    assert area.input_value() == "a (red car:1.1), in the snow"
    area.press("Control+ArrowDown")
    assert area.input_value() == "a red car, in the snow"


def test_names_are_offered_and_fields_say_what_they_do(page: Page) -> None:
    area, offered = page.locator("#txt2img-prompt textarea"), page.locator("#complete")
    area.press_sequentially("a __col")
    expect(offered).to_contain_text("__colour__", timeout=PATIENCE)
    area.press("Control+ArrowUp")
    assert area.input_value() == "a (__col:1.1)"
    area.fill("")
    area.press_sequentially("a __col")
    expect(offered).to_be_visible(timeout=PATIENCE)
    area.press("Enter")
    assert area.input_value() == "a __colour__"
    expect(offered).to_be_hidden(timeout=PATIENCE)
    page.locator("#txt2img-cfg-scale [data-testid=block-info]").hover()
    expect(page.locator("#tip")).to_contain_text("How strongly the prompt is followed", timeout=PATIENCE)


def test_a_caret_in_a_weighted_group_weighs_the_group(page: Page) -> None:
    area = page.locator("#txt2img-prompt textarea")
    area.fill("a cat")
    expect(page.locator("#txt2img-counter")).to_contain_text(re.compile(r"\d+/75"), timeout=PATIENCE)
    for text, caret, weighed in (("(red jacket, blue jeans:1.2)", 19, "(red jacket, blue jeans:1.3)"),
                                 ("a <lora:x:0.8> cat", 8, "a <lora:x:0.9> cat"), ("(a cat:0.9)", 3, "a cat"),
                                 ("(red (cat:1.1), b:1.2)", 7, "(red (cat:1.2), b:1.2)"), (r"a \(b\) c", 4, r"a \((b:1.1)\) c")):
        area.fill(text)
        area.evaluate("(e, at) => e.setSelectionRange(at, at)", caret)
        area.press("Control+ArrowUp")
        assert area.input_value() == weighed


def test_escape_closes_a_list_before_it_stops_a_run(page: Page) -> None:
    page.locator("#txt2img-prompt textarea").fill("a red car, in the snow")
    page.locator("#txt2img-steps input[type=number]").fill("150")
    page.locator("#txt2img-steps input[type=number]").press("Tab")
    page.locator("#txt2img-generate").click()
    stop = page.locator("#txt2img-interrupt")
    expect(stop).to_be_enabled(timeout=PATIENCE)
    page.locator("#txt2img-styles input").first.click()
    expect(page.get_by_role("listbox")).to_be_visible(timeout=PATIENCE)
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden(timeout=PATIENCE)
    expect(stop).to_be_enabled(timeout=PATIENCE)
    page.keyboard.press("Escape")
    expect(page.locator("#txt2img-stage")).to_contain_text("Cancelled", timeout=PATIENCE)


def test_from_words_to_a_picture_and_back(page: Page, tmp_path: Path) -> None:
    page.locator("#txt2img-prompt textarea").fill("a red car, in the snow")
    page.locator("#txt2img-negative-prompt textarea").fill("blurry, night")
    fill(page, "steps", 60)
    fill(page, "seed", 4242)
    before = fields(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#txt2img-stage .progress")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#txt2img-stage img")).to_be_visible(timeout=PATIENCE)       # the live preview
    page.reload()
    expect(page.locator("#txt2img-results img").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#txt2img-verdicts")).to_contain_text(re.compile("\\w"))
    expect(page.locator("#txt2img-before")).to_be_hidden()       # it was made from words alone
    expect(page.locator("#txt2img-prompt textarea")).to_have_value("a red car, in the snow")     # it may come after the picture
    expect(page.locator("#txt2img-seed input[type=number]")).to_have_value("4242")
    assert fields(page) == before, "the form came back from the browser after the reload"

    page.get_by_role("tab", name="Gallery").click()
    expect(page.locator("#gallery-grid img").first).to_be_visible(timeout=PATIENCE)
    page.get_by_role("tab", name="txt2img").click()
    with page.expect_download() as download:
        page.locator("#txt2img-results").get_by_label(re.compile("download", re.I)).first.click()
    file = tmp_path / "made.png"
    download.value.save_as(file)

    page.locator("#txt2img-prompt textarea").fill("something else")
    page.locator("#txt2img-negative-prompt textarea").fill("")
    fill(page, "steps", 11)
    fill(page, "seed", 1)
    page.locator("#txt2img-drop input[type=file]").set_input_files(file)
    expect(page.locator("#txt2img-prompt textarea")).to_have_value("a red car, in the snow", timeout=PATIENCE)
    assert fields(page) == before

    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator("#txt2img-prompt")).not_to_be_in_viewport()
    expect(page.locator("#txt2img-results")).to_be_in_viewport(ratio=0.9)       # the easel stays beside a long form
    page.locator("#txt2img-to-img2img").click()
    expect(page.locator("#img2img-prompt textarea")).to_be_in_viewport(ratio=0.9, timeout=PATIENCE)


def test_cancel_frees_the_studio_at_once(page: Page) -> None:
    page.locator("#txt2img-prompt textarea").fill("a green meadow")
    fill(page, "steps", 150)
    fill(page, "batch-count", 20)
    page.locator("#txt2img-generate").click()
    expect(page.locator("#txt2img-stage .progress")).to_be_visible(timeout=PATIENCE)
    page.keyboard.press("Escape")
    expect(page.locator("#txt2img-stage .progress")).to_have_count(0, timeout=60_000)
    expect(page.locator("#txt2img-interrupt")).to_be_disabled()
    page.get_by_role("tab", name="Queue").click()
    page.set_viewport_size({"width": 390, "height": 844})
    row = page.locator("#queue-table tr", has_text="a green meadow").first
    for part in (".prompt-cell", "[data-act=retry]"):
        expect(row.locator(part)).to_be_in_viewport(ratio=1, timeout=PATIENCE)


def test_the_models_tab_names_what_paints(page: Page) -> None:
    page.get_by_role("tab", name="Models").click()
    expect(page.locator("#models-table")).to_contain_text("mini", timeout=PATIENCE)


def test_settings_are_kept_from_the_page(page: Page) -> None:
    page.get_by_role("tab", name="Settings").click()
    quality = page.locator("#settings-output_quality input")
    expect(quality).to_have_value("95", timeout=PATIENCE)
    quality.fill("90")
    page.locator("#settings-keep").click()
    expect(page.get_by_text("Kept in settings.json")).to_be_visible(timeout=PATIENCE)
    page.reload()
    page.get_by_role("tab", name="Settings").click()
    expect(quality).to_have_value("90", timeout=PATIENCE)
