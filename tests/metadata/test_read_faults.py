"""Faults C35 and C36: strange, hostile and damaged texts give clamped values and one line each, never a traceback."""

from __future__ import annotations

import io
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.metadata import NOTHING, from_infotext, read, write
from pipelines.spec.errors import ImageFileError, StudioError
from pipelines.spec.request import GenerationRequest

Make = Callable[..., bytes]
GOOD = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x768"
CLAMPED = {
    "size": (
        "Steps: 20, CFG scale: 7, Size: 99999x99999",
        {"width": 4096, "height": 4096},
        "Width: 99999 - too large. Allowed: 64-4096 in steps of 8. Used: 4096.",
    ),
    "odd size": (
        "Steps: 20, CFG scale: 7, Size: 513x512",
        {"width": 512},
        "Width: 513 - must be a multiple of 8. Allowed: 64-4096 in steps of 8. Nearest: 512. Used: 512.",
    ),
    "steps": ("Steps: -1, CFG scale: 7, Seed: 1", {"steps": 1}, "Steps: -1 - too small. Allowed: 1-150. Used: 1."),
    "steps text": (
        "Steps: many, CFG scale: 7, Seed: 1",
        {"steps": None},
        "Steps: many - not a number. Allowed: 1-150. Left as it is.",
    ),
    "cfg": ("Steps: 5, CFG scale: inf, Seed: 1", {"cfg_scale": None}, "CFG scale: inf - not a finite number."),
    "seed": (
        "Steps: 5, CFG scale: 7, Seed: 99999999999",
        {"seed": None},
        "Seed: 99999999999 - too large. Allowed: -1 to 4294967295. Left as it is.",
    ),
    "sampler": (
        "Steps: 5, CFG scale: 7, Sampler: Eulr z",
        {"sampler": None},
        "Sampler: Eulr z - not found. Allowed: Euler",
    ),
    "schedule": (
        "Steps: 5, CFG scale: 7, Schedule type: Karasr",
        {"schedule": None},
        "Karasr - not found. Allowed: Karras",
    ),
    "not ours": ("Steps: 5, CFG scale: 7, RP Active: 2", {"steps": 5}, "Not used: RP Active."),
    "huge number": (f"Steps: {'9' * 5000}, CFG scale: 7, Seed: 1", {"steps": None}, "not a number. Allowed: 1-150."),
}


@pytest.mark.parametrize(("text", "expected", "line"), CLAMPED.values(), ids=CLAMPED)
def test_values_out_of_range_are_clamped_and_said(text: str, expected: dict[str, object], line: str) -> None:
    found = from_infotext(text)
    assert {key: found.request.get(key) for key in expected} == expected
    assert any(line in note for note in found.notes), found.notes


def test_the_first_of_two_parameters_is_used(png_with: Make) -> None:
    other = GOOD.replace("20", "30").encode()
    found = read(png_with((b"tEXt", b"parameters\0" + GOOD.encode()), (b"tEXt", b"parameters\0" + other)))
    assert found.request["steps"] == 20
    assert found.notes == ("The file has more than one `parameters` text; the first with settings is used.",)


BROKEN = {
    "iTXt that is not UTF-8": (b"iTXt", b"parameters\0\0\0\0\0\xff\xfe Steps: "),
    "zTXt cut off": (b"zTXt", b"parameters\0\0" + zlib.compress(GOOD.encode())[:-9]),
    "zTXt bomb": (b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * 50_000_000)),
    "iTXt bomb": (b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(b"a" * 50_000_000)),
}


@pytest.mark.parametrize("chunk", BROKEN.values(), ids=BROKEN)
def test_a_damaged_text_is_skipped_and_said(chunk: tuple[bytes, bytes], png_with: Make) -> None:
    assert read(png_with(chunk)).notes == (NOTHING, "A damaged text in the file was skipped.")
    assert read(png_with(chunk, (b"tEXt", b"parameters\0" + GOOD.encode()))).request["seed"] == 1


@pytest.mark.parametrize(
    ("size", "line"),
    [
        (1_000_000, "A `parameters` text longer than 256 KB was skipped."),
        (20_000_000, "A text of 20.0 MB in the file was skipped"),
    ],
    ids=["1 MB", "20 MB"],
)
def test_a_text_beyond_the_cap_is_skipped_at_once(size: int, line: str, png_with: Make) -> None:
    data = png_with((b"tEXt", b"parameters\0" + b"Steps: 1, " * (size // 10)))
    started = time.process_time()
    found = read(data)
    assert time.process_time() - started < 0.2
    assert not found.found
    assert any(note.startswith(line) for note in found.notes), found.notes


def test_our_json_of_a_later_version_is_taken_field_by_field(png_with: Make) -> None:
    ours = b'{"version":9,"request":{"prompt":"a cat","steps":900,"bloom":{"scale":2}},"made":{"by":"later"}}'
    found = read(png_with((b"tEXt", b"atelier\0" + ours)))
    assert (found.request["prompt"], found.request["steps"], found.full) == ("a cat", 150, None)
    assert found.unknown == {"bloom.scale": 2}
    assert found.notes == (
        "Steps: 900 - too large. Allowed: 1-150. Used: 150.",
        "Unknown to this version: bloom.scale.",
    )


@pytest.mark.parametrize(
    "ours",
    [b"{", b"[]", b"null", b'{"request":7}', b"[" * 100_000, b'{"request":{},"made":[]}'],
    ids=["cut", "list", "null", "number", "deep", "made is a list"],
)
def test_damaged_json_of_ours_leaves_the_text_beside_it(ours: bytes, png_with: Make) -> None:
    found = read(png_with((b"tEXt", b"parameters\0" + GOOD.encode()), (b"tEXt", b"atelier\0" + ours)))
    assert (found.source, found.request["prompt"]) == ("AUTOMATIC1111", "a cat")
    assert found.notes == ("The studio's own data in this file is damaged.",)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_stripped_picture_says_that_there_is_nothing(format: str, picture: Image.Image) -> None:
    file = io.BytesIO()
    picture.save(file, format)
    found = read(file.getvalue())
    assert (found.notes, found.source, found.found) == (("no generation data in this file",), "", False)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("hello")
    with pytest.raises(ImageFileError, match=r"Image: x\.png - not an image"):
        read(tmp_path / "x.png")


def test_the_cameras_own_comment_is_no_prompt(picture: Image.Image) -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0Holiday on the sea"
    picture.save(file, "JPEG", exif=exif, comment=b"CREATOR: camera")
    assert read(file.getvalue()).notes == (NOTHING,)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutated_files_never_raise_anything_else(data: st.DataObject) -> None:
    file = io.BytesIO()
    write(
        Image.new("RGB", (8, 8)),
        file,
        GenerationRequest(prompt="a cat"),
        {},
        data.draw(st.sampled_from(["png", "jpeg", "webp"])),
    )
    body = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(body[: data.draw(st.integers(1, len(body)))]))
    except StudioError as error:
        assert "\n" not in str(error)


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(["Steps: ", "Size: 1x1", '"', ", ", ":", "\\", "\n", "Seed: ", "-1", "Negative prompt:"])
    ).map("".join)
)
def test_any_text_can_be_pasted(text: str) -> None:
    GenerationRequest().merged(from_infotext(text).request)
