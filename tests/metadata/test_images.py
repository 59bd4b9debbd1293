"""Faults C29-C31: pictures from anywhere become plain RGB or RGBA, or one line that says why not."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pipelines.images import open_image
from pipelines.spec.errors import ImageFileError
from tests.metadata.conftest import chunk

ALLOWED = "Allowed: PNG, JPEG, WebP, BMP, GIF (first frame)."


def encoded(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


PNG = encoded(Image.effect_noise((64, 64), 90))
JPEG = encoded(Image.effect_noise((64, 64), 90), "JPEG")
REFUSED = {
    "0 bytes": (b"", "the file is empty"),
    "txt named png": (b"hello, I am a text", "not an image"),
    "cut PNG": (PNG[: len(PNG) // 2], "the file is cut off or damaged"),
    "cut JPEG": (JPEG[:900], "the file is cut off or damaged"),
    "cut head": (PNG[:20], "the file is cut off or damaged"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS format not accepted"),
    "PDF": (b"%PDF-1.7\n", "PDF format not accepted"),
    "SVG": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG format not accepted"),
    "PSD": (b"8BPS\0\1" + b"\0" * 40, "PSD format not accepted"),
    "HEIC": (b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC format not accepted"),
    "AVIF": (b"\0\0\0\x18ftypavif" + b"\0" * 40, "AVIF format not accepted"),
    "TIFF": (encoded(Image.new("RGB", (4, 4)), "TIFF"), "TIFF format not accepted"),
    "HDR": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "HDR format not accepted"),
}


@pytest.mark.parametrize(("data", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_accepted_picture_is_one_line(data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(ImageFileError) as caught:
        open_image(tmp_path / "x.png")
    assert str(caught.value) == f"Image: x.png - {why}. {ALLOWED}"


def test_the_first_bytes_beat_the_extension(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(PNG)
    assert open_image(tmp_path / "x.txt").size == (64, 64)


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims more pixels than it has."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"x\x9c") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_200, 12_000, 20_000, 200_000], ids=str)
def test_a_bomb_is_refused_before_a_pixel_is_decoded(side: int) -> None:
    started = time.process_time()
    with pytest.raises(ImageFileError, match=r"too many pixels\. Allowed: up to 67.1 megapixels\.$"):
        open_image(bomb(side, side), name="bomb.png")
    assert time.process_time() - started < 0.5


def test_the_cap_can_be_lowered() -> None:
    with pytest.raises(
        ImageFileError, match=r"Image: x - 64×64 are too many pixels\. Allowed: up to 0\.001 megapixels\."
    ):
        open_image(PNG, max_pixels=1000, name="x")


RED = Image.new("RGB", (4, 4), "red")
KINDS = {
    "1x1": (encoded(Image.new("RGB", (1, 1), "red")), "RGB", (255, 0, 0)),
    "1x20000": (encoded(Image.new("RGB", (1, 20_000), "red")), "RGB", (255, 0, 0)),
    "1 bit": (encoded(Image.new("1", (4, 4), 1)), "RGB", (255, 255, 255)),
    "grey": (encoded(Image.new("L", (4, 4), 99)), "RGB", (99, 99, 99)),
    "16 bit": (encoded(Image.new("I;16", (4, 4), 0x8080)), "RGB", (128, 128, 128)),
    "grey and alpha": (encoded(Image.new("LA", (4, 4), (99, 7))), "RGBA", (99, 99, 99, 7)),
    "palette": (encoded(RED.convert("P")), "RGB", (255, 0, 0)),
    "palette with transparency": (
        encoded(RED.quantize(2), transparency=RED.quantize(2).getpixel((0, 0))),
        "RGBA",
        (255, 0, 0, 0),
    ),
    "CMYK": (encoded(RED.convert("CMYK"), "JPEG", quality=100), "RGB", (255, 0, 0)),
    "GIF animation": (
        encoded(RED, "GIF", save_all=True, append_images=[Image.new("RGB", (4, 4), "blue")]),
        "RGB",
        (255, 0, 0),
    ),
    "APNG": (encoded(RED, save_all=True, append_images=[Image.new("RGB", (4, 4), "blue")]), "RGB", (255, 0, 0)),
    "WebP animation": (
        encoded(RED, "WEBP", lossless=True, save_all=True, append_images=[Image.new("RGB", (4, 4), "blue")]),
        "RGB",
        (255, 0, 0),
    ),
    "BMP": (encoded(RED, "BMP"), "RGB", (255, 0, 0)),
}


@pytest.mark.parametrize(("data", "mode", "colour"), KINDS.values(), ids=KINDS)
def test_every_kind_becomes_plain(data: bytes, mode: str, colour: tuple[int, ...]) -> None:
    picture = open_image(data)
    assert picture.mode == mode
    assert all(abs(a - b) <= 2 for a, b in zip(picture.getpixel((0, 0)), colour, strict=True)), picture.getpixel((0, 0))
    assert not picture.info


TURNED = {1: (0, 0), 2: (3, 0), 3: (3, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 3), 8: (0, 3)}


@pytest.mark.parametrize(("orientation", "corner"), TURNED.items(), ids=str)
def test_exif_rotation_is_applied(orientation: int, corner: tuple[int, int]) -> None:
    picture, exif = Image.new("RGB", (4, 2), "black"), Image.Exif()
    picture.putpixel((0, 0), (255, 255, 255))
    exif[0x0112] = orientation
    upright = open_image(encoded(picture, exif=exif))
    assert upright.size == ((4, 2) if orientation < 5 else (2, 4))
    assert upright.getpixel(corner) == (255, 255, 255)


@pytest.mark.parametrize(
    "profile",
    [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"\0" * 128],
    ids=["sRGB", "damaged"],
)
def test_a_colour_profile_does_no_harm(profile: bytes) -> None:
    assert open_image(encoded(RED, "JPEG", quality=100, icc_profile=profile)).getpixel((0, 0))[0] >= 250


@pytest.mark.parametrize("name", ["a\0b.png", "n" * 3000, "none.png"], ids=["NUL", "long", "missing"])
def test_a_name_that_cannot_be_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="the file cannot be read"):
        open_image(f"{tmp_path}/{name}")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_pictures_are_refused_or_opened(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from([PNG, JPEG, *(kind[0] for kind in KINDS.values())])))
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert open_image(bytes(body)).mode in ("RGB", "RGBA")
    except ImageFileError as error:
        assert "\n" not in str(error)
