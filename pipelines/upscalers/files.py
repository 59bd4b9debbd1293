"""The pictures an upscale starts from: files, and folders of them. Nothing here decodes a pixel."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from pipelines.spec.errors import ImageFileError

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
PNG = b"\x89PNG\r\n\x1a\n"
DEPTH_AT = 24       # byte of a PNG that holds its bits a channel


def pictures(names: Sequence[str]) -> list[Path]:
    """The files, folders replaced by the pictures in them (not deeper). Raises ImageFileError for a name that is neither."""
    found: list[Path] = []
    for name in names:
        try:
            path = Path(name).expanduser()
            if path.is_dir():
                found += sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES and p.is_file())
            elif path.is_file():
                found.append(path)
            else:
                raise ImageFileError(name, "no such file")
        except (OSError, ValueError, RuntimeError) as error:        # a NUL in the name; a ~user nobody knows
            raise ImageFileError(name, "it cannot be read") from error
    if not found:
        raise ImageFileError(", ".join(names), "no pictures in it")
    return found


def bits(source: Path | bytes) -> int:
    """Bits a channel of a picture file, by its head; 8 where it does not say."""
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            head = file.read(DEPTH_AT + 1)
    except OSError:
        return 8
    return head[DEPTH_AT] if head.startswith(PNG) and len(head) > DEPTH_AT else 8


def about_depth(source_bits: int) -> str:
    """What has to be said when 16 bits a channel are asked for."""
    had = "16 bits a channel, of which 8 are read" if source_bits > 8 else "8 bits a channel"
    return f"16-bit PNG: the source had {had}; the finer steps are the upscaler's own."
