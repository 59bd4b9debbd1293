"""Tensors of an adapter's file (PhotoMaker, IP-Adapter, guidance predictor), by names in one level: "part.key".

A .safetensors is read as every model is. The published .bin and .pt are pickles: only a zip archive is taken, only
tensors and plain containers out of it (torch's `weights_only`), and whatever goes wrong is one line for the user.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.loading.compat import torch
from pipelines.loading.header import read_header
from pipelines.loading.tensors import read_tensors
from pipelines.spec.errors import ModelFileError

LIMIT = 8 * 2**30           # bytes; PhotoMaker v2 has 1.8 GB
DEPTH = 4                   # {"id_encoder": {...}} is two levels deep
PICKLES = (".bin", ".pt", ".pth")
FIX = "Download it again, or use the .safetensors version."


def read_adapter(path: Path, name: str = "") -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """(tensors, metadata) of `path`; a nested pickle's names are joined by points. Raises ModelFileError."""
    name = name or path.name
    if path.suffix.lower() not in PICKLES:
        header = read_header(path, name)
        return read_tensors(path, header, header.tensors, None, name), dict(header.metadata)
    tensors = dict(_named(_unpickled(path, name), "", DEPTH))
    if not tensors:
        raise ModelFileError(name, "it holds no tensors", FIX)
    return tensors, {}


def _unpickled(path: Path, name: str) -> Any:
    try:
        if path.stat().st_size > LIMIT:
            raise ModelFileError(name, "it is far too large for an adapter", "Move it where it belongs.")
        with zipfile.ZipFile(path) as archive:
            packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
    except FileNotFoundError:
        raise ModelFileError(name, "it is no longer there", "Refresh the list of models.") from None
    except (OSError, zipfile.BadZipFile):
        raise ModelFileError(name, "it is damaged or a pickle of an old kind, which is not read", FIX) from None
    if packed:      # torch writes its archives unpacked; a packed one could unfold to any size
        raise ModelFileError(name, "its archive is packed, as no model's is", FIX)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:      # a stranger's pickle raises anything (security.md 1.3); it never runs code
        raise ModelFileError(name, f"it cannot be read safely ({type(error).__name__})", FIX) from None


def _named(value: Any, prefix: str, depth: int) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors of nested dictionaries; anything else is passed over, and so is what lies too deep (a circle)."""
    if isinstance(value, torch.Tensor):
        yield prefix, value.detach()
    elif isinstance(value, Mapping) and depth:
        for key, inner in value.items():
            if isinstance(key, str):
                yield from _named(inner, f"{prefix}.{key}" if prefix else key, depth - 1)
