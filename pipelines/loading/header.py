"""What a .safetensors file says of itself, read from its head alone and checked before anything maps or loads it.

Layout: 8 bytes little-endian length, that many bytes of JSON, then the tensors. No torch, and the safetensors library is
not asked: it accepts a header of a million tensors (six seconds, 600 MB) and calls every web page "header too large".
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pipelines.spec.errors import ModelFileError, shown

HEADER_LIMIT = 16 * 2**20       # bytes; a checkpoint's is 0.1-0.3 MB
TENSOR_LIMIT = 100_000          # SDXL has 2 515
DIMENSION_LIMIT = 16
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}
GGUF = ".gguf"
PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
PARTIAL = (".part", ".crdownload", ".aria2", ".download", ".partial", ".tmp")
CONVERT = "Convert it to .safetensors in a place you trust, or download the .safetensors version."
AGAIN = "Download it again."
# First bytes -> what the file is instead. Looked at only when the file is no safetensors file.
OTHER_FILES = (
    (b"<!doctype html", "this is a web page, not a model", "The download link led to a login or error page: download it again."),
    (b"<html", "this is a web page, not a model", "The download link led to a login or error page: download it again."),
    (b"<?xml", "this is an XML answer of a server, not a model", AGAIN),
    (b"version https://git-lfs", "this is a git-lfs pointer, not the model itself", "Run `git lfs pull` in its folder."),
    (b"pk\x03\x04", "this is a zip file or a renamed PyTorch checkpoint", CONVERT),
    (b"\x80", "this is a renamed pickle, which can run code when it is loaded", CONVERT),
    (b"gguf", *(NO_GGUF := ("this is a GGUF file, which this version does not read", "Use the .safetensors version."))),
    (b"\x89png", "this is a picture, not a model", ""),
    (b"{", "this is a JSON text, not a model", AGAIN),
)


class TensorInfo(NamedTuple):
    """One tensor: `start` and `end` are byte positions in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """A checked header. `size` and `mtime_ns` name the version of the file that was read."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    size: int
    mtime_ns: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: info.shape for name, info in self.tensors.items()}


def read_header(path: Path, name: str = "") -> Header:
    """The header of `path`. Raises ModelFileError with one line that says what the file is instead and what to do."""
    name = name or path.name
    refuse_by_name(path, name)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise ModelFileError(name, "it is no longer there", "Refresh the list of models.") from None
    except OSError as error:
        raise ModelFileError(name, f"cannot be opened ({error.strerror})", "Check its permissions.") from None
    try:
        with open(descriptor, "rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise ModelFileError(name, "this is not a file", "Remove it from the models folder.")
            text = _header_text(file, state.st_size, name)
    except OSError as error:
        raise ModelFileError(name, f"cannot be read ({error.strerror})", "Check the disk it lies on.") from None
    tensors, metadata = _parse(text, state.st_size, name)
    return Header(tensors, metadata, state.st_size, state.st_mtime_ns)


def refuse_by_name(path: Path, name: str) -> None:
    """Raise ModelFileError for a pickle, a GGUF file and an unfinished download; their names tell."""
    suffix = path.suffix.lower()
    if suffix == GGUF:
        raise ModelFileError(name, *NO_GGUF)
    if suffix in PICKLES:
        raise ModelFileError(name, f"{suffix} is a pickle, which can run any code when it is loaded", CONVERT)
    if suffix in PARTIAL:
        raise ModelFileError(name, "the download is not finished", "Wait for it, or download it again.")
    if os.path.exists(f"{path}.aria2"):
        raise ModelFileError(name, "the download is not finished (an .aria2 file lies beside it)", "Wait for it.")


def _header_text(file: BinaryIO, size: int, name: str) -> bytes:
    head = file.read(64)
    if not size:
        raise ModelFileError(name, "the file is empty", AGAIN)
    length = int.from_bytes(head[:8], "little")
    if size < 10 or length > size - 8 or length > HEADER_LIMIT or head[8:9] != b"{":
        _name_other_file(head, name)
        if size < 10:
            raise ModelFileError(name, f"only {size} bytes long", AGAIN)
        if length > HEADER_LIMIT:
            raise ModelFileError(name, f"its header claims {length / 2**20:.3g} MB, over the limit of 16 MB",
                                 "It is damaged or no safetensors file: download it again.")
        if length > size - 8:
            raise ModelFileError(name, f"its header claims {length} bytes and the file has {size}",
                                 "The download is incomplete: download it again.")
        raise ModelFileError(name, "its header does not start with { as safetensors demands", AGAIN)
    file.seek(8)
    text = file.read(length)
    if len(text) < length:
        raise ModelFileError(name, "it became shorter while it was read", AGAIN)
    return text


def _name_other_file(head: bytes, name: str) -> None:
    start = head.lstrip(b" \t\r\n\xef\xbb\xbf").lower()
    for magic, why, fix in OTHER_FILES:
        if start.startswith(magic):
            raise ModelFileError(name, why, fix)


def _parse(text: bytes, size: int, name: str) -> tuple[dict[str, TensorInfo], dict[str, str]]:
    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
            raise ModelFileError(name, f"its header names {shown(twice, 40)} twice", AGAIN)
        return found

    try:
        data = json.loads(text, object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError):
        raise ModelFileError(name, "its header is not readable JSON", AGAIN) from None
    if not isinstance(data, dict):
        raise ModelFileError(name, "its header is not a JSON object", AGAIN)
    metadata = data.pop("__metadata__", None)
    metadata = {k: v for k, v in metadata.items() if isinstance(v, str)} if isinstance(metadata, dict) else {}
    if len(data) > TENSOR_LIMIT:
        raise ModelFileError(name, f"it names {len(data)} tensors, over the limit of {TENSOR_LIMIT}")
    if not data:
        raise ModelFileError(name, "it holds no tensors", AGAIN)
    base = 8 + len(text)
    tensors = {key: _tensor(key, value, base, name) for key, value in data.items()}
    _check_layout(tensors, base, size, name)
    return tensors, metadata


def _tensor(key: str, value: object, base: int, name: str) -> TensorInfo:
    row = value if isinstance(value, dict) else {}
    dtype, shape, offsets = row.get("dtype"), row.get("shape"), row.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise ModelFileError(name, f"tensor {shown(key, 40)} has the unknown number format {shown(dtype, 20)}",
                             "It needs a newer version, or is damaged.")
    if not isinstance(shape, list) or len(shape) > DIMENSION_LIMIT or not all(type(n) is int and n >= 0 for n in shape):
        raise ModelFileError(name, f"tensor {shown(key, 40)} has the impossible shape {shown(shape, 30)}", AGAIN)
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int and n >= 0 for n in offsets):
        raise ModelFileError(name, f"tensor {shown(key, 40)} has no valid place in the file", AGAIN)
    if (offsets[1] - offsets[0]) * 8 != math.prod(shape) * BITS[dtype]:
        raise ModelFileError(name, f"tensor {shown(key, 40)} does not have the length its shape demands", AGAIN)
    return TensorInfo(dtype, tuple(shape), base + offsets[0], base + offsets[1])


def _check_layout(tensors: Mapping[str, TensorInfo], base: int, size: int, name: str) -> None:
    """The tensors follow one another without overlap or hole and end where the file ends."""
    position = base
    for key, info in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if info.start < position:
            raise ModelFileError(name, f"tensor {shown(key, 40)} overlaps another one", AGAIN)
        if info.start > position:
            raise ModelFileError(name, f"there is a hole before tensor {shown(key, 40)}", AGAIN)
        position = info.end
    if position > size:
        missing = position - size
        raise ModelFileError(name, f"{missing} of {position} bytes are missing: the file was cut off", AGAIN)
    if position < size:
        raise ModelFileError(name, f"{size - position} bytes too many follow its last tensor", AGAIN)
