"""What is said of a second pass and of tiles."""

from __future__ import annotations

import pytest

from pipelines.advice import Advice
from pipelines.spec.request import GenerationRequest


def said(advice: Advice, family, field: str, **fields: object):
    return advice.verdict(field, GenerationRequest.parse({"width": 512, "height": 512, "steps": 25} | fields), family)


def test_off_nothing_is_said(advice: Advice, sd15) -> None:
    assert not [f for f in advice.all(GenerationRequest(), sd15) if f.startswith(("hires", "tiled"))]


@pytest.mark.parametrize(("first", "hires", "level", "change"), [
    ((512, 512), {}, "recommended", {}), ((512, 768), {"scale": 2}, "recommended", {}),
    ((512, 768), {"scale": 2.5}, "less_recommended", {"scale": 2.0, "width": 0, "height": 0}),
    ((512, 512), {"width": 1536, "height": 1536}, "less_recommended", {"scale": 2.0, "width": 0, "height": 0}),
], ids=["the study's", "one side at 1024", "beyond", "an exact size beyond"])
def test_one_side_stays_at_twice_the_training_size(advice: Advice, sd15, first, hires: dict, level: str, change: dict) -> None:
    found = said(advice, sd15, "hires.scale", width=first[0], height=first[1], hires=hires)
    assert found.level == level and dict(found.changes.get("hires", {})) == change


@pytest.mark.parametrize(("hires", "level", "to"), [
    ({"denoising_strength": 0.2}, "recommended", None), ({"denoising_strength": 0.1}, "less_recommended", 0.2),
    ({"denoising_strength": 0.3, "upscaler": "Latent"}, "not_recommended", 0.55),
    ({"denoising_strength": 0.6, "upscaler": "Latent (bicubic)"}, "acceptable", 0.2),
], ids=["the study's", "too weak", "latent, too weak", "latent"])
def test_the_strength_depends_on_how_it_is_enlarged(advice: Advice, sd15, hires: dict, level: str, to: float | None) -> None:
    found = said(advice, sd15, "hires.denoising_strength", hires=hires)
    assert found.level == level and found.changes == ({"hires": {"denoising_strength": to}} if to else {})


def test_few_hires_steps_are_mended_to_the_studys(advice: Advice, sd15) -> None:
    assert said(advice, sd15, "hires.steps", hires={"steps": 8}).changes == {"hires": {"steps": 25}}
    assert said(advice, sd15, "hires.steps", hires={}).level == "recommended"


@pytest.mark.parametrize(("strength", "level", "to"), [
    (0, "unusable", 0.4), (0.2, "acceptable", 0.4), (0.4, "recommended", None), (0.6, "acceptable", 0.4),
    (0.9, "not_recommended", 0.4)])
def test_the_detailers_strength_has_a_scale_of_its_own(advice: Advice, sd15, strength: float, level: str, to: float | None) -> None:
    found = said(advice, sd15, "detailer.denoising_strength", detailer={"denoising_strength": strength})
    assert found.level == level and found.changes == ({"detailer": {"denoising_strength": to}} if to else {})
    assert said(advice, sd15, "detailer.denoising_strength") is None


@pytest.mark.parametrize(("field", "tiled", "strength", "level"), [
    ("tiled.method", {}, 0.3, "recommended"), ("tiled.method", {}, 0.6, "not_recommended"),
    ("tiled.method", {"method": "Separate"}, 0.3, "acceptable"), ("tiled.tile", {"tile": 512}, 0.3, "recommended"),
    ("tiled.tile", {"tile": 1024}, 0.3, "less_recommended"), ("tiled.padding", {"padding": 8}, 0.3, "less_recommended"),
], ids=["blended", "too strong", "separate", "native", "large", "narrow"])
def test_tiles(advice: Advice, sd15, field: str, tiled: dict, strength: float, level: str) -> None:
    found = said(advice, sd15, field, tiled=tiled, init={"image": "a" * 64, "denoising_strength": strength})
    assert found.level == level and found.text and found.label


def test_tiles_by_the_default_strength_of_img2img_are_too_strong(advice: Advice, sd15) -> None:
    found = said(advice, sd15, "tiled.method", tiled={})       # what a form gives whose fields are all untouched
    assert found.level == "not_recommended" and found.changes == {"init": {"denoising_strength": 0.3}}


def test_a_second_pass_alone_is_not_blamed_for_the_first(advice: Advice, sd15) -> None:
    request = GenerationRequest.parse({"width": 1024, "height": 1024, "steps": 4, "hires": {"steps": 25, "scale": 1}})
    alone = request.merged({"init": {"image": "a" * 64, "denoising_strength": 0}})
    assert {v.field for v in advice.explain_result(request, sd15)} >= {"size", "steps"}
    assert not {v.field for v in advice.explain_result(alone, sd15)} & {"size", "steps"}
