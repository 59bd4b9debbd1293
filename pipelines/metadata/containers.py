"""Texts inside PNG, JPEG and WebP files, read from the headers only; damaged ones are skipped and named."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from pipelines.images import FORMATS
from pipelines.spec.errors import ImageFileError

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
TEXT_LIMIT = 8 * 1024 * 1024        # bytes of one text and of all texts of a file (a ComfyUI graph may have a megabyte)
CHUNK_LIMIT = 4096                  # chunks of a PNG that are looked at
OURS = "atelier"                    # key of our JSON
PARAMETERS = "parameters"           # key of AUTOMATIC1111's text
USER_COMMENT, EXIF_IFD = 0x9286, 0x8769
ASCII_TAGS = (0x010E, 0x010F, 0x0110)       # ImageDescription, Make, Model: ComfyUI writes its graphs there
XMP_OPEN, XMP_CLOSE = b"<atelier:request>", b"</atelier:request>"


@dataclass
class Texts:
    """What a file says: `pairs` in file order (a key may come twice), its size in pixels, what was skipped and why."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    notes: list[str] = field(default_factory=list)

    def get(self, key: str) -> str | None:
        return next((value for k, value in self.pairs if k == key), None)

    def all(self, key: str) -> list[str]:
        return [value for k, value in self.pairs if k == key]


def read_texts(source: str | Path | bytes, brief: bool = False) -> Texts:
    """All texts of a picture file. `brief` stops at the pixels of a PNG that has our JSON by then.

    Raises ImageFileError when it is no picture or cannot be read.
    """
    name = "the picture" if isinstance(source, bytes) else Path(source).name
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
            if file.read(8) == PNG_MAGIC:
                return _png(file, brief)
            file.seek(0)
            return _exif(file, name)
    except (OSError, ValueError) as error:
        raise ImageFileError(name, "the file cannot be read") from error


def _png(file: BinaryIO, brief: bool) -> Texts:
    texts = Texts()
    room = TEXT_LIMIT
    for kind, length in _chunks(file):
        if kind == b"IHDR" and length >= 8:
            texts.size = int.from_bytes(file.read(4), "big"), int.from_bytes(file.read(4), "big")
            file.seek(length - 8 + 4, io.SEEK_CUR)
        elif kind in (b"tEXt", b"zTXt", b"iTXt") and length <= room:
            data, crc = file.read(length), file.read(4)
            room -= length
            pair = _decoded(kind, data) if crc == zlib.crc32(kind + data).to_bytes(4, "big") else None
            if pair:
                texts.pairs.append(pair)
            else:
                texts.notes.append("A damaged text in the file was skipped.")
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            texts.notes.append(f"A text of {length / 1e6:.1f} MB in the file was skipped: too long.")
            file.seek(length + 4, io.SEEK_CUR)
        elif kind == b"IEND" or (kind == b"IDAT" and brief and texts.get(OURS)):
            break
        else:
            file.seek(length + 4, io.SEEK_CUR)
    return texts


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk; the caller leaves the file behind its CRC."""
    for _ in range(CHUNK_LIMIT):
        head = file.read(8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[:4], "big")
        yield head[4:], length


def _decoded(kind: bytes, data: bytes) -> tuple[str, str] | None:
    """Key and text of one chunk; None when it is damaged or unpacks to more than the limit."""
    key, _, rest = data.partition(b"\0")
    try:
        if kind == b"tEXt":
            text = rest.decode("latin-1")
        elif kind == b"zTXt":
            text = _unpacked(rest[1:]).decode("latin-1")
        else:
            packed, rest = rest[:1] == b"\1", rest[2:]
            _, _, rest = rest.partition(b"\0")      # language
            _, _, rest = rest.partition(b"\0")      # translated key
            text = (_unpacked(rest) if packed else rest).decode()
    except (UnicodeDecodeError, zlib.error, ValueError):
        return None
    return key.decode("latin-1"), text


def _unpacked(data: bytes) -> bytes:
    worker = zlib.decompressobj()
    result = worker.decompress(data, TEXT_LIMIT)
    if not worker.eof:
        raise ValueError("longer than allowed, or cut off")
    return result


def _exif(file: BinaryIO, name: str) -> Texts:
    """JPEG, WebP and the rest: EXIF, XMP and comments as Pillow finds them without decoding a pixel."""
    try:
        with Image.open(file, formats=FORMATS) as picture:
            texts = Texts(size=picture.size)
            exif, xmp, comment = picture.getexif(), picture.info.get("xmp"), picture.info.get("comment")
            user = exif.get_ifd(EXIF_IFD).get(USER_COMMENT)
            ascii_tags = [exif.get(tag) for tag in ASCII_TAGS]
    except Exception as error:      # Pillow's EXIF reader raises whatever a damaged file makes it raise
        raise ImageFileError(name, "not an image, or a damaged one") from error
    if isinstance(xmp, bytes) and XMP_OPEN in xmp:
        body = xmp.partition(XMP_OPEN)[2].partition(XMP_CLOSE)[0]
        texts.pairs.append((OURS, body.decode("ascii", "replace").replace("&lt;", "<").replace("&amp;", "&")))
    written = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else ""
    for text in (_user_comment(user), written if "Steps: " in written else ""):
        if text:
            texts.pairs.append((PARAMETERS, text))
    for tag in ascii_tags:
        key, colon, value = str(tag or "").partition(":")
        if colon and key.lower() in ("prompt", "workflow"):
            texts.pairs.append((key.lower(), value))
    return texts


def _user_comment(data: object) -> str:
    """EXIF UserComment: eight bytes name the encoding; UNICODE is UTF-16, in the byte order its zeros show."""
    if isinstance(data, str):
        return data
    if not isinstance(data, bytes) or len(data) > TEXT_LIMIT:
        return ""
    label, body = data[:8], data[8:]
    if label == b"UNICODE\0":
        little = body[1::2].count(0) > body[0::2].count(0)
        return body.decode("utf-16-le" if little else "utf-16-be", "replace")
    return (body if label in (b"ASCII\0\0\0", b"\0" * 8) else data).decode("utf-8", "replace").strip("\0")
