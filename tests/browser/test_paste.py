"""A text of AUTOMATIC1111 pasted into the page: what would change stands there before anything does."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.test_trip import PATIENCE

TEXT = ("a white cat\nNegative prompt: fog\nSteps: 11, Sampler: DPM++ 2M Karras, CFG scale: 4.5, Seed: 77, Size: 320x192, "
        "Model: v1-5-pruned, Denoising strength: 0.4, Hires upscale: 1.5, Hires upscaler: Latent, ENSD: 31337")


def test_what_a_pasted_text_would_change_is_shown_first(page: Page) -> None:
    page.locator("#txt2img-prompt textarea").fill("a red car")
    page.locator("#txt2img-paste button").first.click()
    page.locator("#txt2img-paste-text textarea").fill(TEXT)
    told = page.locator("#txt2img-paste-told")
    expect(told.locator(".change", has_text="CFG scale 4 → 4.5")).to_be_visible(timeout=PATIENCE)
    expect(told.locator(".explain-trouble")).to_contain_text("v1-5-pruned")
    expect(told).to_contain_text("Not used: ENSD")
    expect(page.locator("#txt2img-paste-take")).to_be_enabled()
    expect(page.locator("#txt2img-prompt textarea")).to_have_value("a red car")
