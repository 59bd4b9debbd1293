"""Puts a request into a picture file: our JSON, and beside it AUTOMATIC1111's text for everybody else.

PNG: tEXt `atelier` and `parameters` (iTXt where Latin-1 does not do). JPEG and WebP: XMP and EXIF UserComment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, PngImagePlugin

from pipelines.metadata.containers import EXIF_IFD, OURS, PARAMETERS, USER_COMMENT, XMP_CLOSE, XMP_OPEN
from pipelines.metadata.infotext import infotext
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest

VERSION = 1                                     # of the envelope
SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
JPEG_SEGMENT = 65_000                           # bytes that fit into one JPEG segment, with room for its head
XMP_HEAD = (b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
            b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            b'<rdf:Description rdf:about="" xmlns:atelier="urn:atelier:1">')
XMP_TAIL = b'</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'


def envelope(request: GenerationRequest, extra: Mapping[str, Any] | None = None) -> str:
    """Our JSON, ASCII only, so that every character of a prompt survives: lone surrogates, NUL, bidi."""
    made = json.dumps(dict(extra or {}), separators=(",", ":"), default=str)
    return f'{{"version":{VERSION},"request":{request.to_json()},"made":{made}}}'


def write(image: Image.Image, path: str | Path | BinaryIO, request: GenerationRequest,
          extra: Mapping[str, Any] | None = None, format: str = "png") -> tuple[str, ...]:
    """Write `image` (any mode; JPEG takes no transparency) with its request. Returns notes: what did not fit in.

    `extra` is JSON: who made it, how long it took; its capitalised entries go into the infotext too. The file is not
    written atomically: that is the archive's trade. Raises OSError, and FieldError for an unknown format.
    """
    if format not in SUFFIXES:
        raise FieldError("Format", format, "not a format pictures are saved in", ", ".join(SUFFIXES))
    ours, text = envelope(request, extra), _storable(infotext(request, extra))
    if format == "png":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_text(PARAMETERS, text)
        chunks.add_text(OURS, ours)
        image.save(path, "PNG", pnginfo=chunks, compress_level=4)
        return ()
    return _write_exif(image, path, ours, text, format)


def _write_exif(image: Image.Image, path: str | Path | BinaryIO, ours: str, text: str, format: str) -> tuple[str, ...]:
    limit = JPEG_SEGMENT if format == "jpeg" else 1 << 30
    escaped = ours.replace("&", "&amp;").replace("<", "&lt;").encode()
    xmp = XMP_HEAD + XMP_OPEN + escaped + XMP_CLOSE + XMP_TAIL
    comment = b"UNICODE\0" + text.encode("utf-16-be")
    exif = Image.Exif()
    if len(comment) <= limit:
        exif.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    keep = {"exif": exif.tobytes()} | ({"xmp": xmp} if len(xmp) <= limit else {})
    if format == "jpeg":
        image.convert("RGB").save(path, "JPEG", quality=95, subsampling=0, **keep)
    else:
        image.save(path, "WEBP", quality=95, method=4, **keep)
    if len(comment) <= limit and len(xmp) <= limit:
        return ()
    return ("The prompt is too long for a JPEG file; save as PNG or WebP to keep every setting.",)


def _storable(text: str) -> str:
    """`text` for foreign readers: NUL and lone surrogates, which no text chunk can hold, as visible stand-ins."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
