"""Our JSON gives the request back exactly, in every format and with every character."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from PIL import Image

from pipelines.metadata import read, write
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from tests.metadata.conftest import requests

NASTY = 'a "cat": 1,\r\nNegative prompt: no\0ne \ud800 \u202eright\u202c 👩‍🚀 <b>&amp;</b> ]]> \\"'


@settings(max_examples=200, deadline=None)
@given(requests())
def test_any_request_comes_back_from_png(request: GenerationRequest) -> None:
    file = io.BytesIO()
    write(Image.new("RGB", (8, 8)), file, request)
    found = read(file.getvalue())
    assert found.full == request
    assert found.notes == ()


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_every_character_survives(format: str, tmp_path: Path, picture: Image.Image) -> None:
    request = GenerationRequest(prompt=NASTY, negative_prompt=NASTY, seed=3)
    made = {"Version": "Atelier 0.1.0", "seconds": 1.5, "parents": ["2026-11-21/00001-3.png"]}
    assert write(picture, tmp_path / "a", request, made, format) == ()
    found = read(tmp_path / "a")
    assert (found.full, found.made, found.source, found.size) == (request, made, "Atelier", (16, 8))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_the_foreign_text_stands_beside_it(format: str, picture: Image.Image) -> None:
    file = io.BytesIO()
    write(picture, file, GenerationRequest(prompt="сніг і 猫", seed=3), {}, format)
    assert read(file.getvalue()).infotext.startswith("сніг і 猫\nSteps: 25, Sampler: DPM++ 2M, Schedule type: Automatic, ")


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_sd_parsers_reads_what_we_write(format: str, picture: Image.Image) -> None:
    from sd_parsers import ParserManager

    file = io.BytesIO()
    write(
        picture,
        file,
        GenerationRequest(prompt="a cat", negative_prompt="blur", seed=3),
        {"Version": "Atelier 0.1.0"},
        format,
    )
    info = ParserManager().parse(file)
    assert (info.full_prompt, info.full_negative_prompt) == ("a cat", "blur")
    assert (info.samplers[0].name, info.samplers[0].parameters["seed"]) == ("DPM++ 2M", "3")


def test_pillow_sees_the_keys_other_programs_look_for(picture: Image.Image) -> None:
    file = io.BytesIO()
    write(picture, file, GenerationRequest(prompt="a cat", seed=3))
    keys = Image.open(file).text
    assert keys["parameters"].split("\n")[1].startswith("Steps: ")
    assert keys["atelier"].startswith('{"version":1,"request":{"prompt":"a cat"')


def test_a_jpeg_without_room_says_so(picture: Image.Image) -> None:
    file = io.BytesIO()
    notes = write(picture, file, GenerationRequest(prompt="ж" * 90_000, seed=3), {}, "jpeg")
    assert notes == ("The prompt is too long for a JPEG file; save as PNG or WebP to keep every setting.",)
    assert Image.open(file).size == (16, 8)


@pytest.mark.parametrize("format", ["png", "webp"])
def test_the_longest_prompt_fits_elsewhere(format: str, picture: Image.Image) -> None:
    request = GenerationRequest(prompt="😀" * 100_000, negative_prompt="ж" * 100_000, seed=3)
    file = io.BytesIO()
    write(picture, file, request, {}, format)
    assert read(file.getvalue()).full == request


def test_an_unknown_format_is_refused(picture: Image.Image) -> None:
    with pytest.raises(FieldError, match=r"Format: tiff - .*Allowed: png, png16, jpeg, webp\."):
        write(picture, io.BytesIO(), GenerationRequest(), {}, "tiff")
