"""The ControlNet tab in a real browser over a real studio: units survive a reload."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

PATIENCE = 90_000       # ms; two busy cores


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
    expect(panel.locator(".units-told")).to_have_text("OpenPose 0.65", timeout=PATIENCE)
    page.wait_for_timeout(500)
    page.reload()
    page.get_by_role("tab", name="ControlNet").click()
    expect(panel.locator(".unit-chip")).to_have_count(2, timeout=PATIENCE)
    expect(panel.locator(".units-told")).to_have_text("OpenPose 0.65", timeout=PATIENCE)
    expect(panel.locator("input[type=number][name=weight]")).to_have_value("0.65", timeout=PATIENCE)
