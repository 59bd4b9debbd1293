"""The upscale tab as a person uses it: drop a picture, make it larger, look at both, reload, download."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from pipelines.metadata import read, write
from pipelines.spec.request import GenerationRequest

PATIENCE = 180_000      # ms; the first job of a studio loads torch


def test_a_dropped_picture_is_made_larger_compared_kept_over_a_reload_and_downloaded(page: Page, tmp_path: Path) -> None:
    source = Image.radial_gradient("L").convert("RGB").resize((40, 30))
    write(source, tmp_path / "a.png", GenerationRequest(prompt="a hill", seed=9))
    page.get_by_role("tab", name="Upscale", exact=True).click()
    page.locator("#upscale-sources input[type=file]").set_input_files([tmp_path / "a.png"])
    expect(page.locator("#upscale-told")).to_contain_text("40×30 → 80×60", timeout=PATIENCE)
    page.locator("#upscale-start").click()
    expect(page.locator("#upscale-slider img")).to_have_count(2, timeout=PATIENCE)
    page.reload()
    page.get_by_role("tab", name="Upscale", exact=True).click()
    expect(page.locator("#upscale-slider img")).to_have_count(2, timeout=PATIENCE)
    with page.expect_download(timeout=PATIENCE) as download:
        page.locator("#upscale-download").click()
    download.value.save_as(tmp_path / "large.png")
    found = read(tmp_path / "large.png")
    assert found.size == (80, 60) and found.full == GenerationRequest(prompt="a hill", seed=9)
    assert "Postprocess upscale by: 2, Postprocess upscaler: mini-x2" in found.infotext
