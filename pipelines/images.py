"""Opens a picture that came from anywhere, safely: known formats only, capped, upright, and as plain RGB or RGBA.

The extension is not believed, the first bytes are; the number of pixels is checked before a pixel is decoded.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image, ImageCms, ImageOps

from pipelines.spec.errors import ImageFileError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 8192 * 8192       # the largest picture the studio makes
MAX_BYTES = 256 * 1024 * 1024
REFUSED = (     # first bytes, at which offset, what it is: named so that the message can say it
    (b"%PDF", 0, "PDF"), (b"%!PS", 0, "EPS"), (b"\xc5\xd0\xd3\xc6", 0, "EPS"), (b"8BPS", 0, "PSD"),
    (b"II*\0", 0, "TIFF"), (b"MM\0*", 0, "TIFF"), (b"ftyphei", 4, "HEIC"), (b"ftyphev", 4, "HEIC"),
    (b"ftypmif1", 4, "HEIC"), (b"ftypavi", 4, "AVIF"), (b"\0\0\1\0", 0, "ICO"), (b"\xff\x0a", 0, "JPEG XL"),
    (b"\0\0\0\x0cJXL ", 0, "JPEG XL"), (b"\0\0\0\x0cjP  ", 0, "JPEG 2000"), (b"v/1\1", 0, "EXR"),
    (b"#?RADIANCE", 0, "HDR"), (b"gimp xcf", 0, "XCF"), (b"PK\3\4", 0, "ZIP"),
)


def open_image(source: str | Path | bytes, max_pixels: int = MAX_PIXELS, name: str = "") -> Image.Image:
    """The picture as RGB, or RGBA where it has transparency; first frame of an animation; EXIF rotation applied.

    Colours are brought to sRGB when the file carries another profile. Nothing of the file's metadata stays on it.
    Raises ImageFileError, one line, for whatever cannot be opened.
    """
    name = name or ("the picture" if isinstance(source, bytes) else Path(source).name)
    data = source if isinstance(source, bytes) else _bytes(Path(source), name)
    if not data:
        raise ImageFileError(name, "the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)     # our own limit is lower
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise _too_large(name, max_pixels, "it has") from None
    except Exception as error:      # a decoder may raise anything: 7000 mutated files showed six kinds of exception
        raise _not_opened(name, data) from error
    if picture.width * picture.height > max_pixels:
        raise _too_large(name, max_pixels, f"{picture.width}×{picture.height} are")
    try:
        return plain(picture)
    except Exception as error:
        raise ImageFileError(name, "the file is cut off or damaged") from error


def _bytes(path: Path, name: str) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ImageFileError(name, "the file is larger than 256 MB")
        return path.read_bytes()
    except (OSError, ValueError) as error:      # ValueError: a NUL in the name
        raise ImageFileError(name, "the file cannot be read") from error


def _too_large(name: str, max_pixels: int, what: str) -> ImageFileError:
    return ImageFileError(name, f"{what} too many pixels", f"up to {max_pixels / 1e6:.3g} megapixels")


def _not_opened(name: str, data: bytes) -> ImageFileError:
    """Say what it is when that can be seen from its first bytes."""
    for magic, offset, kind in REFUSED:
        if data[offset:offset + len(magic)] == magic:
            return ImageFileError(name, f"{kind} format not accepted")
    if b"<svg" in data[:1024].lower():
        return ImageFileError(name, "SVG format not accepted")
    ours = data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")) or data[8:12] == b"WEBP"
    return ImageFileError(name, "the file is cut off or damaged" if ours else "not an image")


def plain(picture: Image.Image) -> Image.Image:
    """Decoded, upright, sRGB, in mode RGB or RGBA, without metadata."""
    profile = picture.info.get("icc_profile")
    picture.seek(0)
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):            # 16 bits a pixel: convert() would cut at 255 instead of scaling
        picture = picture.convert("I").point(lambda value: value / 257).convert("L")
    transparent = picture.has_transparency_data
    picture = _srgb(picture, profile).convert("RGBA" if transparent else "RGB")
    picture.info = {}
    return picture


def _srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """`picture` in sRGB when it carries a readable profile for its mode, else as it is."""
    if not profile or picture.mode not in ("RGB", "CMYK", "L"):
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        wanted = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, source, wanted, outputMode="RGB") or picture
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):       # a damaged profile spoils the colours only
        return picture
