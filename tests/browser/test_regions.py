"""Boxes drawn on the frame under the prompt are the prompt's own regions, and the other way round."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from pipelines.prompt.parse import parts
from pipelines.prompt.regions import Region


def test_boxes_are_written_into_the_prompt_and_read_out_of_it(page: Page) -> None:
    prompt, fold = page.locator("#txt2img-prompt textarea"), page.locator("#txt2img-regions")
    prompt.fill("a meadow")
    fold.locator("summary").click()
    frame = fold.locator(".regions-frame")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 2, box["y"] + box["height"] - 3, steps=3)
    page.mouse.up()
    page.keyboard.type("a red car")
    fold.get_by_role("button", name="+").click()
    page.keyboard.type("a cat")
    expect(prompt).to_have_value("a meadow AND a red car <region:0,0,0.5,1> AND a cat <region:0.5,0,0.5,1>")
    frame.locator(".box").nth(1).focus()
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowDown")
    assert [part.region for part in parts(prompt.input_value())][1:] == [Region(0, 0, 0.5, 1), Region(0.5, 0.025, 0.5, 0.975)]
    prompt.fill("x AND (y:1.2) :0.5 <region:.1, 0,0.4,1:soft=0.3:base=0.5> AND z <region:0,0,7,1>")
    expect(fold.locator(".regions-row")).to_have_count(1)
    fold.get_by_label("Weight 1").fill("0.8")
    expect(prompt).to_have_value("x AND (y:1.2) :0.8 <region:0.1,0,0.4,1:base=0.5:soft=0.3> AND z <region:0,0,7,1>")
    fold.get_by_role("button", name="Remove 1").click()
    expect(prompt).to_have_value("x AND z <region:0,0,7,1>")
