"""Puts what made a picture into its file: our JSON, and beside it AUTOMATIC1111's text for everybody else.

PNG (8 or 16 bits a channel): tEXt `atelier` and `parameters` (iTXt where Latin-1 does not do). JPEG and WebP: XMP and EXIF
UserComment. A picture of another program that was only worked over keeps that program's text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, PngImagePlugin

from pipelines.deep import Deep, Picture, shallow
from pipelines.metadata.containers import EXIF_IFD, OURS, PARAMETERS, USER_COMMENT, XMP_CLOSE, XMP_OPEN
from pipelines.metadata.infotext import continued, infotext, pairs
from pipelines.metadata.png16 import write_png16
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest

VERSION = 1                                     # of the envelope
SUFFIXES = {"png": ".png", "png16": ".png", "jpeg": ".jpg", "webp": ".webp"}
QUALITY = 95                                    # of JPEG and WebP, 1 to 100
WORKED_OVER = "postprocessing"                  # key of AUTOMATIC1111's text of what was done to a finished picture
WORK = ("Postprocess", "GFPGAN", "CodeFormer", "Face restoration")      # how the entries of that text begin
JPEG_SEGMENT = 65_000                           # bytes that fit into one JPEG segment, with room for its head
WEBP_SIDE = 16_383                              # pixels: the format has no more
XMP_HEAD = (b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
            b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            b'<rdf:Description rdf:about="" xmlns:atelier="urn:atelier:1">')
XMP_TAIL = b'</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'


def envelope(request: GenerationRequest | None, extra: Mapping[str, Any] | None = None) -> str:
    """Our JSON, ASCII only, so that every character of a prompt survives: lone surrogates, NUL, bidi."""
    made = json.dumps(dict(extra or {}), separators=(",", ":"), default=str)
    said = f'"request":{request.to_json()},' if request else ""
    return f'{{"version":{VERSION},{said}"made":{made}}}'


def write(image: Picture, path: str | Path | BinaryIO, request: GenerationRequest | str,
          extra: Mapping[str, Any] | None = None, format: str = "png", quality: int = QUALITY) -> tuple[str, ...]:
    """Write `image` (any mode; JPEG takes no transparency) with what made it. Returns notes: what did not fit in.

    request: ours, or the text another program wrote into the picture's source ("" where there was none).
    extra: JSON: who made it, how long it took; its capitalised entries go into the infotext too.
    format: "png16" keeps the 16 bits of a picture that has them; one that has 8 is written with 8.
    The file is not written atomically: that is the archive's trade. Raises OSError, and FieldError for an unknown format
    or a picture that the format cannot hold.
    """
    if format not in SUFFIXES:
        raise FieldError("Format", format, "not a format pictures are saved in", ", ".join(SUFFIXES))
    check_size(image.size, format)
    theirs = isinstance(request, str)
    ours = envelope(None if isinstance(request, str) else request, extra)
    text = _storable(continued(request, extra) if isinstance(request, str) else infotext(request, extra))
    if format not in ("png", "png16"):
        return _write_exif(shallow(image), path, (ours, text), format, quality)
    chunks = PngImagePlugin.PngInfo()
    worked_over = {key: value for key, value in (extra or {}).items() if key.startswith(WORK)}
    for key, value in ((PARAMETERS, "" if theirs and not request else text), (WORKED_OVER, pairs(worked_over)), (OURS, ours)):
        if value:
            chunks.add_text(key, value)
    if isinstance(image, Deep) and format == "png16":
        _write_deep(image, path, chunks)
    else:
        shallow(image).save(path, "PNG", pnginfo=chunks, compress_level=4)
    return ()


def png_texts(request: GenerationRequest, extra: Mapping[str, Any]) -> PngImagePlugin.PngInfo:
    """The same texts for a PNG that is written elsewhere."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in ((PARAMETERS, _storable(infotext(request, extra))), (OURS, envelope(request, extra))):
        chunks.add_text(key, value)
    return chunks


def check_size(size: tuple[int, int], format: str) -> None:
    """Raises FieldError for a picture that the format cannot hold."""
    if format == "webp" and max(size) > WEBP_SIDE:
        raise FieldError("Format", "webp", f"a side of {max(size)} pixels is more than WebP can hold", "png, png16, jpeg")


def _write_deep(image: Deep, path: str | Path | BinaryIO, chunks: PngImagePlugin.PngInfo) -> None:
    if isinstance(path, str | Path):
        with Path(path).open("wb") as file:
            write_png16(image, file, chunks)
    else:
        write_png16(image, path, chunks)


def _write_exif(image: Image.Image, path: str | Path | BinaryIO, texts: tuple[str, str], format: str,
                quality: int) -> tuple[str, ...]:
    """`texts`: ours, and everybody else's."""
    ours, text = texts
    limit = JPEG_SEGMENT if format == "jpeg" else 1 << 30
    escaped = ours.replace("&", "&amp;").replace("<", "&lt;").encode()
    xmp = XMP_HEAD + XMP_OPEN + escaped + XMP_CLOSE + XMP_TAIL
    comment = b"UNICODE\0" + text.encode("utf-16-be")
    exif = Image.Exif()
    if len(comment) <= limit and text:
        exif.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    keep = {"exif": exif.tobytes()} | ({"xmp": xmp} if len(xmp) <= limit else {})
    if format == "jpeg":
        image.convert("RGB").save(path, "JPEG", quality=quality, subsampling=0, **keep)
    else:
        image.save(path, "WEBP", quality=quality, method=4, **keep)
    if len(comment) <= limit and len(xmp) <= limit:
        return ()
    return ("The prompt is too long for a JPEG file; save as PNG or WebP to keep every setting.",)


def _storable(text: str) -> str:
    """`text` for foreign readers: NUL and lone surrogates, which no text chunk can hold, as visible stand-ins."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
