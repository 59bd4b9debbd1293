"""Pictures as they travel in JSON: base64 in, never an address or a path; base64 PNG with its texts out."""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from pipelines.metadata import open_image, read_texts
from pipelines.spec.errors import FieldError, shown

BASE64 = "base64 of a picture, alone or as a data: address"
PREFIX = 100            # characters a `data:image/png;base64,` may have


def decoded(value: Any, key: str) -> bytes:
    """The bytes of a field. Raises FieldError for what is no base64; an address or a path is never followed."""
    if not isinstance(value, str):
        raise FieldError(key, shown(value), "not a text", BASE64)
    text = value.strip()
    if text.startswith("data:"):
        text = text[text.find(",", 0, PREFIX) + 1:]
    elif "://" in text[:PREFIX]:
        raise FieldError(key, shown(text), "addresses are not fetched", BASE64)
    text = "".join(text.split()).rstrip("=")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):        # ValueError: characters that are no ASCII
        raise FieldError(key, shown(text, 20), "not base64", BASE64) from None
    if not data:
        raise FieldError(key, "", "there is no picture in it", BASE64)
    return data


def png(path: Path) -> bytes:
    """A finished picture as PNG: the file as it is, or one of another format with the same texts in it."""
    if path.suffix.lower() == ".png":
        return path.read_bytes()
    texts, data = PngImagePlugin.PngInfo(), io.BytesIO()
    for key, text in read_texts(path).pairs:
        texts.add_text(key, text)
    open_image(path).save(data, "PNG", pnginfo=texts, compress_level=4)
    return data.getvalue()


def preview(jpeg: bytes | None) -> str | None:
    """A preview as clients expect it, base64 PNG."""
    if not jpeg:
        return None
    data = io.BytesIO()
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        picture.save(data, "PNG", compress_level=1)
    return encoded(data.getvalue())


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
