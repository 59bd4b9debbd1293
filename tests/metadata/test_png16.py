"""A PNG with 16 bits a channel holds every value, is read by everybody, and carries the same texts as one with 8."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pipelines.deep import Deep
from pipelines.metadata import read, write
from pipelines.spec.request import GenerationRequest


def picture(channels: int, height: int = 301) -> Deep:
    """Noise, a ramp, and one row more than a band."""
    pixels = np.random.default_rng(0).integers(0, 65536, (height, 37, channels), np.uint16)
    pixels[..., 1] = np.linspace(0, 65535, height).astype(np.uint16)[:, None]
    return Deep(pixels)


def written(image: Any, format: str) -> bytes:
    file = io.BytesIO()
    write(image, file, GenerationRequest(prompt="сніг", seed=5), {"Version": "Atelier"}, format)
    return file.getvalue()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("height", [1, 256, 301])
def test_every_value_comes_back(channels: int, height: int) -> None:
    deep = picture(channels, height)
    back = cv2.imdecode(np.frombuffer(written(deep, "png16"), np.uint8), cv2.IMREAD_UNCHANGED)
    order = [2, 1, 0, 3][:channels]         # OpenCV's own
    assert back.dtype == np.uint16 and (back[..., order] == deep.pixels).all()


def test_its_request_comes_back_and_pillow_opens_it() -> None:
    data = written(picture(3), "png16")
    assert read(data).full == GenerationRequest(prompt="сніг", seed=5)
    assert Image.open(io.BytesIO(data)).size == (37, 301) and data[24] == 16       # the depth in the header


@pytest.mark.parametrize(("format", "deep"), [("png", True), ("png16", False)])
def test_eight_bits_are_written_as_eight(format: str, deep: bool) -> None:
    image = picture(3) if deep else picture(3).shallow()
    data = written(image, format)
    assert data[24] == 8
    assert (np.asarray(Image.open(io.BytesIO(data))) == np.asarray(picture(3).shallow())).all()


def test_depth_is_told_from_the_values() -> None:
    assert picture(3).levels == 16 and Deep.of(picture(3).shallow()).levels == 8


THEIRS = "a fox\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 64x64, Model: other"
DONE = {"Postprocess upscale by": 4, "Postprocess upscaler": "4x, ultra", "job": "j1", "index": 0, "Version": "Atelier"}


@pytest.mark.parametrize("format", ["png", "png16", "jpeg", "webp"])
def test_another_programs_text_is_kept_and_continued(format: str) -> None:
    file = io.BytesIO()
    write(picture(3), file, THEIRS, DONE, format)
    found = read(file.getvalue())
    assert found.infotext == THEIRS + ', Postprocess upscale by: 4, Postprocess upscaler: "4x, ultra"'
    assert (found.full, found.source, found.request["seed"], found.made["job"]) == (None, "AUTOMATIC1111", 3, "j1")


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_picture_that_says_nothing_gets_no_made_up_settings(format: str) -> None:
    file = io.BytesIO()
    write(picture(3), file, "", DONE, format)
    found = read(file.getvalue())
    assert not found.full and "steps" not in found.request and found.made["Postprocess upscale by"] == 4


def test_automatic1111s_own_key_says_what_was_done() -> None:
    file = io.BytesIO()
    write(picture(3), file, "", DONE)
    texts = Image.open(file).text
    assert texts["postprocessing"] == 'Postprocess upscale by: 4, Postprocess upscaler: "4x, ultra"' and "parameters" not in texts


def test_webp_says_that_a_side_is_too_long() -> None:
    from pipelines.spec.errors import FieldError

    with pytest.raises(FieldError, match="Format: webp - a side of 16384 pixels"):
        write(Image.new("RGB", (16384, 1)), io.BytesIO(), "", {}, "webp")
