"""Tensors out of a checked .safetensors file, without ever dying with it.

A file that is cut while it is mapped kills the process (SIGBUS, no exception). So weights are read, through one scratch
buffer, whenever they are cast or sent to a device anyway: that costs nothing. Mapping stays for weights used exactly as
they lie in the file, on the CPU, from a local disk and a file at rest: there reading 2.1 GB into fresh memory took 1.6 s
and mapping it 0.03 s (measured on the machine of the tests). The file is checked again before every job that uses it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import Any, cast

from pipelines.loading.compat import torch
from pipelines.loading.header import AGAIN, Header, TensorInfo
from pipelines.spec.errors import ModelFileError, shown

DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F16": torch.float16, "BF16": torch.bfloat16,
    "F32": torch.float32, "F64": torch.float64,
}
AT_REST_S = 10.0    # a download or copy in progress touches its file more often than this
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "davfs"}


def read_tensors(path: Path, header: Header, keys: Iterable[str], dtype: torch.dtype | None, name: str,
                 mapping: bool = False) -> dict[str, torch.Tensor]:
    """The tensors `keys` on the CPU, floating ones as `dtype` (None: as stored). Raises ModelFileError.

    mapping: allow mapping where it is safe enough (see above); the caller keeps the weights where they are.
    """
    rows = sorted(((key, header.tensors[key]) for key in keys), key=lambda row: row[1].start)
    for key, info in rows:
        if info.dtype not in DTYPES:
            raise ModelFileError(name, f"tensor {shown(key, 40)} is stored as {info.dtype}, which this version cannot use",
                                 "Use an fp16 or fp32 version.")
    as_stored = all(_target(info, dtype) == DTYPES[info.dtype] for _, info in rows)
    try:
        with open(path, "rb", buffering=0) as file:
            _check_version(file, header, name)
            if mapping and as_stored and _may_map(path):
                return _map(path, [key for key, _ in rows])
            return _read(file, rows, dtype, name)
    except OSError as error:
        raise ModelFileError(name, f"cannot be read ({error.strerror})", "Refresh the list of models.") from None


def stored_bytes(header: Header, keys: Iterable[str], dtype: torch.dtype | None) -> int:
    """How many bytes `read_tensors` would hold."""
    total = 0
    for key in keys:
        info = header.tensors[key]
        stored = DTYPES.get(info.dtype)
        length = info.end - info.start
        if stored is not None and dtype is not None and stored.is_floating_point:
            length = length // stored.itemsize * dtype.itemsize
        total += length
    return total


def _target(info: TensorInfo, dtype: torch.dtype | None) -> torch.dtype:
    stored = DTYPES[info.dtype]
    return dtype if dtype is not None and stored.is_floating_point else stored


def _check_version(file: FileIO, header: Header, name: str) -> None:
    state = os.fstat(file.fileno())
    if (state.st_size, state.st_mtime_ns) != (header.size, header.mtime_ns):
        raise ModelFileError(name, "it changed on disk while it was opened", "Refresh the list of models, then start again.")


def _read(file: FileIO, rows: list[tuple[str, TensorInfo]], dtype: torch.dtype | None,
          name: str) -> dict[str, torch.Tensor]:
    casts = [info.end - info.start for _, info in rows if _target(info, dtype) != DTYPES[info.dtype]]
    scratch = torch.empty(max(casts, default=0), dtype=torch.uint8)
    found = {}
    for key, info in rows:
        stored = DTYPES[info.dtype]
        tensor = torch.empty(info.shape, dtype=_target(info, dtype))
        if tensor.dtype == stored:
            _fill(file, info, tensor.reshape(-1).view(torch.uint8), name)
        else:
            raw = scratch[: info.end - info.start]
            _fill(file, info, raw, name)
            tensor.copy_(raw.view(stored).view(info.shape))
        found[key] = tensor
    return found


def _fill(file: FileIO, info: TensorInfo, raw: torch.Tensor, name: str) -> None:
    file.seek(info.start)
    view = memoryview(cast(Any, raw.numpy()))
    while view:
        count = file.readinto(view)
        if not count:
            raise ModelFileError(name, "it became shorter while it was read", AGAIN)
        view = view[count:]


def _map(path: Path, keys: list[str]) -> dict[str, torch.Tensor]:
    from safetensors import safe_open

    with safe_open(path, framework="pt", device="cpu") as file:
        return {key: file.get_tensor(key) for key in keys}


def _may_map(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > AT_REST_S and _file_system(path) not in NETWORK


def _file_system(path: Path) -> str:
    """The kind of file system `path` lies on, "" where that cannot be told."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    resolved = str(path.resolve())
    inside = [(place, kind) for place, kind in mounts if resolved.startswith(place.rstrip("/") + "/") or place == "/"]
    return max(inside, key=lambda mount: len(mount[0]), default=("", ""))[1]
