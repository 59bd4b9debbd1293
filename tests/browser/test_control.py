"""The ControlNet tab in a real browser over a real studio: units survive a reload, a dragged wrist moves the painted arm."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from pipelines import pose
from pipelines.tasks.preprocess import Preprocessors

PATIENCE = 90_000       # ms; two busy cores
MODELS = Path(__file__).parents[2] / "models"
READERS = Preprocessors((MODELS,), "cpu")
READER = next((row.name for row in READERS.rows if row.finds_people and not READERS.missing(row.name)), "")
NETS = [*(MODELS / "mini" / "controlnet").glob("*pose*")]
RIGHT_ELBOW, RIGHT_WRIST = 3, 4
ONE_ON = re.compile(r"^\w+ 0\.65$")      # the preprocessor that the type chose, and the weight; one unit alone


@pytest.fixture
def panel(page: Page) -> Locator:
    """The panel of the ControlNet tab with one unit of type OpenPose."""
    page.set_default_timeout(PATIENCE)
    page.get_by_role("tab", name="ControlNet").click()
    panel = page.locator("#control-control")
    panel.locator(".unit-add").click()
    panel.get_by_role("radio", name="OpenPose").click()
    return panel


def test_units_come_back_after_a_reload(panel: Locator, page: Page) -> None:
    weight = panel.locator("input[type=number][name=weight]")
    weight.fill("0.65")
    weight.press("Tab")
    panel.locator(".unit-copy").click()
    panel.locator(".unit-chip input").last.uncheck()
    expect(panel.locator(".units-told")).to_have_text(ONE_ON, timeout=PATIENCE)
    page.wait_for_timeout(500)
    page.reload()
    page.get_by_role("tab", name="ControlNet").click()
    expect(panel.locator(".unit-chip")).to_have_count(2, timeout=PATIENCE)
    expect(panel.locator(".units-told")).to_have_text(ONE_ON, timeout=PATIENCE)
    expect(panel.locator("input[type=number][name=weight]")).to_have_value("0.65", timeout=PATIENCE)


def painted(page: Page, outputs: Path) -> Path:
    """Press Generate; the file of the new picture."""
    def files() -> set[Path]:
        hidden = {file for folder in outputs.glob(".*") for file in folder.rglob("*.png")}
        return set(outputs.rglob("*.png")) - hidden

    before = files()
    page.locator("#control-generate").click()
    for _ in range(PATIENCE // 500):
        page.wait_for_timeout(500)
        if made := files() - before:
            return made.pop()
    pytest.fail("nothing was painted")


def posed(panel: Locator, moves: dict[int, tuple[float, float]]) -> pose.Pose:
    """Open the editor, drag these points by shares of the canvas, and use the pose."""
    page = panel.page
    panel.locator(".unit-pose").click()
    canvas = page.locator(".pose-editor .stage rect.canvas").bounding_box()
    for point, (dx, dy) in moves.items():
        box = page.locator(f'.stage circle[data-point="{point}"]').bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + dx * canvas["width"], y + dy * canvas["height"], steps=4)
        page.mouse.up()
    page.locator(".pose-use").click()
    expect(page.locator(".pose-editor")).to_have_count(0, timeout=PATIENCE)
    return pose.from_data(json.loads(page.evaluate("localStorage.getItem('atelier-poses')"))[0][1])


@pytest.mark.skipif(not NETS or not READER, reason="mini's pose net or the estimator that reads its pictures is not there")
def test_the_painted_arm_follows_the_dragged_wrist(panel: Locator, page: Page, tmp_path_factory: pytest.TempPathFactory) -> None:
    [outputs] = tmp_path_factory.getbasetemp().glob("home[0-9]/outputs")
    page.locator("#control-prompt textarea").fill("a woman in a red jacket and blue jeans")
    for field, value in (("seed", "7"), ("steps", "12")):
        page.locator(f"#control-{field} input[type=number]").fill(value)
        page.locator(f"#control-{field} input[type=number]").press("Tab")
    wrists = []
    for moves in ({}, {RIGHT_ELBOW: (-0.12, -0.2), RIGHT_WRIST: (-0.08, -0.62)}):
        wanted = posed(panel, moves).people[0].body[RIGHT_WRIST]
        found = READERS.pose(Image.open(painted(page, outputs)), READER, 256).people[0].body[RIGHT_WRIST]
        assert abs(found.x - wanted.x) < 32 and abs(found.y - wanted.y) < 32
        wrists.append(found)
    assert wrists[1].y < wrists[0].y - 64
