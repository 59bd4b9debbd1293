"""What the index wants to know of one picture file, from its headers alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipelines.metadata import read, read_texts
from pipelines.metadata.containers import OURS
from pipelines.spec.errors import ImageFileError, StudioError


def facts(path: Path) -> dict[str, Any] | None:
    """time, bytes, size, source, request, made of the file; None when it is no picture or cannot be read.

    Our own JSON is taken as it stands, unchecked: it is only shown and searched here.
    """
    try:
        stat = path.stat()
        texts = read_texts(path, brief=True)
    except (OSError, ImageFileError):
        return None
    found = {"time": stat.st_mtime_ns / 1e9, "bytes": stat.st_size, "size": texts.size}
    ours = _ours(texts.get(OURS))
    if ours:
        return found | {"source": "Atelier"} | ours
    if not texts.pairs:
        return found | {"source": "", "request": {}, "made": {}}
    try:
        said = read(path)
    except StudioError:
        return None
    return found | {"source": said.source, "request": said.request, "made": said.made}


def _ours(text: str | None) -> dict[str, Any] | None:
    """Request and made of our envelope."""
    try:
        data = json.loads(text or "")
        request, made = data["request"], data.get("made", {})
        json.dumps(request, allow_nan=False)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
    return {"request": request, "made": made} if isinstance(request, dict) and isinstance(made, dict) else None
