"""The panel of ControlNet units in a real browser, without a studio around it: its questions go straight to the desk."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from extensions.hooks import Hooks
from pipelines import pose, settings
from pipelines.families import FAMILIES
from pipelines.spec.geometry import Size
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from tabs.units import LOAD, TEMPLATE, Desk

PATIENCE = 180_000
RIGHT_WRIST, LEFT_WRIST = 4, 7
# What Gradio's HTML component gives its script, as far as the panel uses it.
HOST = """([load, value]) => {
  window.atelierForms = { test: { model: 'mini', width: 256, height: 192, picture: null } };
  const watched = [], panel = window.panel = { value };
  window.tell = (units) => { panel.value = units; watched.forEach((call) => call()); };
  const upload = async (file) => ({ path: await stored(btoa(String.fromCharCode(...new Uint8Array(await file.arrayBuffer())))) });
  const watch = (_, call) => watched.push(call);
  Function('element', 'props', 'server', 'upload', 'watch', load)(document.body, panel, { ask }, upload, watch);
}"""


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio(settings.checked({"data_dir": tmp_path}), Hooks())
    yield made
    made.close()


@pytest.fixture
def page(browser: Any, studio: Studio, tmp_path: Path) -> Iterator[Page]:
    page = browser.new_context(viewport={"width": 700, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    page.expose_function("ask", Desk(studio).ask)
    file = tmp_path / "uploaded.png"
    page.expose_function("stored", lambda data: (file.write_bytes(base64.b64decode(data)), str(file))[1])
    page.route("http://panel/", lambda route: route.fulfill(body=TEMPLATE.replace("OPEN", "open"),
                                                            content_type="text/html"))
    page.goto("http://panel/")      # an address, so that there is a local storage
    page.evaluate(HOST, [LOAD.replace("TAB", "test").replace("TAKES", "false"), []])
    page.locator(".unit-add").click()
    yield page
    page.context.close()


def units(page: Page) -> tuple[Any, ...]:
    """What a request would take from the panel now."""
    return GenerationRequest.parse({"control": page.evaluate("panel.value")}).control


def in_unit(page: Page) -> Callable[[str], Locator]:
    return page.locator(".unit-editor").locator


def give(page: Page, studio: Studio) -> Image.Image:
    """Choose a picture of a white square for the chosen unit."""
    picture = Image.new("RGB", (96, 64), (20, 40, 120))
    picture.paste((255, 255, 255), (32, 16, 64, 48))
    picture.save(studio.settings.data_dir / "square.png")
    in_unit(page)(".unit-source input").set_input_files(studio.settings.data_dir / "square.png")
    expect(in_unit(page)(".unit-source img")).to_be_visible(timeout=PATIENCE)
    return picture


def test_an_open_panel_shows_a_unit_that_steers_nothing_until_it_is_changed(page: Page) -> None:
    in_unit(page)(".unit-remove").click()
    page.evaluate("tell([{preprocessor: 'canny'}])")
    page.evaluate("tell([])")
    expect(page.locator(".unit-chip input")).not_to_be_checked(timeout=PATIENCE)
    assert units(page) == ()
    page.get_by_role("radio", name="Depth").click()
    expect(page.locator(".unit-chip input")).to_be_checked(timeout=PATIENCE)
    assert units(page)[0].model == "mini/depth"


def test_a_type_chooses_a_preprocessor_that_can_run_here(page: Page) -> None:
    page.get_by_role("radio", name="Scribble").click()
    assert units(page)[0].preprocessor == "scribble_xdog"
    in_unit(page)("select[name=preprocessor]").select_option("scribble_hed")
    expect(in_unit(page)("[role=status]")).to_contain_text("ControlNetHED.pth", timeout=PATIENCE)


def test_a_net_of_mini_comes_with_the_mode_in_which_it_is_followed_best(page: Page) -> None:
    best = FAMILIES.get("mini").control_mode
    page.get_by_role("radio", name="OpenPose").click()
    assert (units(page)[0].model, units(page)[0].control_mode) == ("mini/pose", best)
    page.get_by_role("radio", name="Balanced").click()
    assert units(page)[0].control_mode == "Balanced"
    expect(in_unit(page)("p").filter(has_text=best)).to_be_visible(timeout=PATIENCE)


def test_the_previewed_condition_becomes_the_picture(page: Page, studio: Studio) -> None:
    page.get_by_role("radio", name="Canny").click()
    give(page, studio)
    in_unit(page)("input[type=number][name=threshold_a]").fill("30")
    in_unit(page)("input[type=number][name=threshold_a]").press("Tab")
    in_unit(page)(".unit-preview").click()
    wanted = studio.conditions.of(units(page)[0], Size(256, 192))
    assert units(page)[0].threshold_a == 30
    page.get_by_role("button", name="Use the condition as picture").click()
    expect(in_unit(page)("select[name=preprocessor]")).to_have_value("none", timeout=PATIENCE)
    assert (np.asarray(studio.inputs.open(units(page)[0].image)) == np.asarray(wanted)).all()


def test_a_unit_is_switched_off_copied_and_removed(page: Page) -> None:
    in_unit(page)("input[type=number][name=weight]").fill("0.4")
    in_unit(page)("input[type=number][name=weight]").press("Tab")
    in_unit(page)(".unit-copy").click()
    assert [unit.weight for unit in units(page)] == [0.4, 0.4]
    page.locator(".unit-chip input").first.uncheck()
    assert len(units(page)) == 1
    in_unit(page)(".unit-remove").click()
    assert units(page) == () and page.locator(".unit-chip.off").count() == 1


def test_settings_that_arrive_replace_the_units(page: Page) -> None:
    page.evaluate("tell([{preprocessor: 'canny', weight: 0.7}, {preprocessor: 'none', end: 0.5}])")
    expect(page.locator(".unit-chip")).to_have_count(2, timeout=PATIENCE)
    expect(page.locator(".units-told")).to_have_text("canny 0.7 · none 1", timeout=PATIENCE)
    expect(in_unit(page)("input[type=number][name=threshold_b]")).to_have_value("200", timeout=PATIENCE)


def test_the_painted_region_is_white_on_black(page: Page, studio: Studio) -> None:
    in_unit(page)(".unit-region summary").click()
    in_unit(page)(".unit-paint").click()
    box = page.locator(".region-board").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.locator(".region-use").click()
    expect(in_unit(page)(".unit-mask img")).to_be_visible(timeout=PATIENCE)
    mask = np.asarray(studio.inputs.open(units(page)[0].mask).convert("L"))
    assert mask.shape == (192, 256) and (mask[96, 66:126] == 255).all() and not mask[:, 200:].any() and not mask[:40].any()


def test_units_are_kept_as_a_preset(page: Page) -> None:
    page.get_by_role("radio", name="Canny").click()
    page.once("dialog", lambda dialog: dialog.accept("Mine"))
    page.locator(".unit-save").click()
    expect(page.locator(".unit-presets option").last).to_have_text("Mine", timeout=PATIENCE)
    in_unit(page)(".unit-remove").click()
    page.locator(".unit-presets select").select_option("Mine")
    expect(page.locator(".unit-chip")).to_have_count(1, timeout=PATIENCE)
    assert units(page)[0].preprocessor == "canny"


def drag(page: Page, point: int, dx: float, dy: float) -> None:
    """Drag a key point of the first person by so many pixels of the screen."""
    box = page.locator(f'.stage circle[data-who="0"][data-point="{point}"]').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=5)
    page.mouse.up()


def used(page: Page) -> pose.Pose:
    """Press "Use this pose"; the points as the browser keeps them with the unit's picture."""
    page.locator(".pose-use").click()
    expect(page.locator(".pose-editor")).to_have_count(0, timeout=PATIENCE)
    image, data = json.loads(page.evaluate("localStorage.getItem('atelier-poses')"))[0]
    assert units(page)[0].image == image and units(page)[0].preprocessor == "none"
    return pose.from_data(data)


@pytest.fixture
def editor(page: Page) -> Page:
    """The OpenPose editor over an OpenPose unit."""
    page.get_by_role("radio", name="OpenPose").click()
    in_unit(page)(".unit-pose").click()
    return page


def test_a_dragged_wrist_is_in_the_condition_and_can_be_undone(editor: Page, studio: Studio) -> None:
    drag(editor, RIGHT_WRIST, -20, -60)
    drag(editor, LEFT_WRIST, 30, 0)
    editor.keyboard.press("Control+z")
    points = used(editor)
    body, standing = points.people[0].body, studio_pose("standing", points)
    assert body[RIGHT_WRIST].y < standing[RIGHT_WRIST].y - 10 and body[LEFT_WRIST] == standing[LEFT_WRIST]
    kept = np.asarray(studio.inputs.open(units(editor)[0].image))
    assert (kept == np.asarray(pose.draw(points))).all()


def studio_pose(name: str, like: pose.Pose) -> pose.figure.Points:
    return pose.Poses([Path("presets")]).get(name).pose.fitted(like.width, like.height).people[0].body


def test_a_used_pose_is_changed_again_people_added_points_hidden(editor: Page) -> None:
    before = used(editor).people[0].body
    in_unit(editor)(".unit-pose").click()
    editor.locator(".pose-add").click()
    editor.locator('.pose-points [data-point="0"]').click()
    editor.locator(".pose-hide").click()
    two = used(editor).people
    assert two[0].body == before and two[1].body[0] is None and two[1].body[1] is not None


def test_a_preset_mirrored_and_a_file_of_another_editor_are_taken(editor: Page, tmp_path: Path) -> None:
    editor.get_by_role("button", name="Waving").click()
    editor.get_by_role("button", name="Mirror").click()
    waving = pose.Poses([Path("presets")]).get("waving").pose
    assert used(editor) == waving.fitted(256, 192).mirrored()
    in_unit(editor)(".unit-pose").click()
    (tmp_path / "pose.json").write_text('[{"people": [{"pose_keypoints_2d": [0.5, 0.5, 1, 0.5, 0.7, 1' + ", 0, 0, 0" * 16 + ']}]}]')
    editor.locator(".pose-editor input[type=file][accept*=json]").set_input_files(tmp_path / "pose.json")
    expect(editor.locator(".stage circle[data-point]")).to_have_count(2, timeout=PATIENCE)
    assert used(editor).people[0].body[1] == pose.Point(256, 358.4)


def test_escape_leaves_the_editor_and_changes_nothing(editor: Page) -> None:
    drag(editor, RIGHT_WRIST, -20, -60)
    editor.keyboard.press("Escape")
    expect(editor.locator(".pose-editor")).to_have_count(0, timeout=PATIENCE)
    assert units(editor)[0].image == ""
