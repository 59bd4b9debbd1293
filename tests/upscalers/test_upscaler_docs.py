"""docs/upscalers.md names what the code has: formats, folders, limits, the first of the numbers."""

from __future__ import annotations

import re

import pytest

from pipelines.archive.outputs import VIEWED
from pipelines.archive.thumbnails import VIEW_SIDE
from pipelines.loading.folders import KIND_OF_FOLDER
from pipelines.metadata.writing import SUFFIXES, WEBP_SIDE
from pipelines.upscalers import MAX_SIDE, RESAMPLERS
from pipelines.upscalers.automatic import OWN
from pipelines.upscalers.recipe import Recipe
from pipelines.upscalers.restorers import EXTRA


@pytest.fixture(scope="module")
def text(root):
    return " ".join((root / "docs" / "upscalers.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", [*(f"`{f}`" for f in SUFFIXES), *RESAMPLERS, *(name for _, name in OWN["mini"]), EXTRA,
                                  str(MAX_SIDE), str(WEBP_SIDE), f"{VIEW_SIDE} pixels", f"{VIEWED / 1e6:.1f} megapixels"])
def test_names_and_limits_are_the_codes(text, name):
    assert name in text


def test_the_folders_it_names_are_looked_into(text):
    folders = re.findall(r"`(?:models/)?(ESRGAN|RealESRGAN|SwinIR|HAT|DAT|SPAN|upscale_models|GFPGAN|Codeformer|RestoreFormer"
                         r"|facerestore_models)`", text)
    assert len(set(folders)) == 11 and all(KIND_OF_FOLDER[f.lower()] in ("upscaler", "face restorer") for f in folders)


def test_the_entries_it_promises_are_written(text):
    for entry in re.findall(r"`(Postprocess upscale (?:by|to)|Postprocess upscaler)`", text):
        done = [*Recipe("Lanczos").done(), "Postprocess upscale to"]
        assert entry in done
