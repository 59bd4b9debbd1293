"""Runs alone: a process of its own that reads a stranger's pickles as tensors and writes them as .safetensors.

`pickled.py` starts it as `python -I pickle_child.py OUT FILE …`. It knows nothing of the studio. Before the file is touched the
process gives up the network, other programs, writing anywhere but to OUT, and memory and time beyond what such a file can need.
Each FILE gets one line of JSON on the standard output: {"shapes": {name: shape}} or {"problem": why, "fix": what to do}.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

SLACK = 2**30               # bytes of memory besides what the file's size explains
SECONDS = 15, 20 * 2**20    # of CPU time: so many, and one more for each so many bytes
TENSORS = 100_000           # as many as `header.py` takes
ENTRIES = 10 * TENSORS      # of all dictionaries, those that stand at several places counted each time
GROWTH = 4, 64 * 2**20      # tensors may share storages, so all of them may be larger than the file: so many times and bytes
DEPTH = 4                   # {"id_encoder": {…}} is two levels deep
WRAPPERS = ("state_dict", "params_ema", "params-ema", "params", "model", "net")     # the first that is there holds the weights
ACTS = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "os.remove",
        "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate", "os.kill", "shutil.",
        "ctypes.", "pty.", "webbrowser.", "tempfile.", "urllib.")
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000      # of unshare(2)
AGAIN = "Download it again."
TRUSTED = "Download its .safetensors version, or convert it in a place you trust."


class Refused(Exception):
    """(why, fix)."""


def confine(files: list[str], room: int) -> None:
    """Give up what reading weights needs not. room: bytes that may be written. Kept for the life of the process."""
    sizes = [os.path.getsize(file) for file in files]
    with suppress(ImportError, OSError, ValueError):        # Windows has no such limits
        import resource

        with suppress(OSError), open("/proc/self/statm", encoding="ascii") as memory:
            held = int(memory.read().split()[0]) * resource.getpagesize()
            _limit(resource, resource.RLIMIT_AS, held + SLACK + 2 * max(sizes))
        _limit(resource, resource.RLIMIT_CPU, SECONDS[0] + sum(sizes) // SECONDS[1])        # the end is SIGXCPU, which tells
        _limit(resource, resource.RLIMIT_FSIZE, room)
        _limit(resource, resource.RLIMIT_CORE, 0)
    sys.addaudithook(_refuse)


def _limit(resource: Any, which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, hard))


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    writes = event == "open" and (set(str(arguments[1] or "r")) & set("wax+") or int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
    if writes or event.startswith(ACTS):
        raise PermissionError(f"{event} is not allowed here")


def leave_network() -> None:
    """On Linux, a name space without any network card, where the kernel gives one to us; the audit hook stands anyway."""
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        unshare = ctypes.CDLL(None, use_errno=True).unshare
        if unshare(NEW_NETWORK):
            unshare(NEW_NETWORK | NEW_USER)


def tensors_of(path: str, torch: Any) -> dict[str, Any]:
    """Name -> tensor. Raises Refused, and whatever a stranger's file raises."""
    packed = zipfile.is_zipfile(path)
    if packed:
        _check_archive(path)
    held = torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
    for _ in range(DEPTH):
        inner = next((held[key] for key in WRAPPERS if isinstance(held, Mapping) and isinstance(held.get(key), Mapping)), None)
        held = held if inner is None else inner
    most = GROWTH[0] * os.path.getsize(path) + GROWTH[1]
    found: dict[str, Any] = {}
    for entries, (name, tensor) in enumerate(_named(held, "", DEPTH)):
        if entries > ENTRIES:
            raise Refused("it is nested without end", "It is no model.")
        if tensor is None:
            continue
        found[name] = tensor
        most -= tensor.numel() * tensor.element_size()
        if most < 0 or len(found) > TENSORS:
            raise Refused("its tensors unfold to far more than the file holds", AGAIN)
    if not found:
        raise Refused("it holds no tensors", "It is no model, or one of another program.")
    return found


def _check_archive(path: str) -> None:
    """torch writes its archives unpacked and each entry once; anything else could unfold to any size."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise Refused("it is a program (TorchScript) and not only weights", TRUSTED)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise Refused("its archive is packed, as no model's is", AGAIN)
    if sum(entry.file_size for entry in entries) > os.path.getsize(path):
        raise Refused("its archive claims more than the file holds", AGAIN)


def _named(value: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Entries of nested dictionaries, their names joined by points; None for what is no tensor or lies too deep (a circle)."""
    if hasattr(value, "element_size"):
        yield prefix or "tensor", value.detach()
    elif isinstance(value, Mapping) and depth:
        for key, inner in value.items():
            if isinstance(key, str) and key != "__metadata__":
                yield from _named(inner, f"{prefix}.{key}" if prefix else key, depth - 1)
    else:
        yield prefix, None


def write(tensors: Mapping[str, Any], out: BinaryIO, torch: Any) -> None:
    """One tensor after the other, for the safetensors library would hold all of them twice."""
    kinds = {torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32", torch.int64: "I64",
             torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64",
             torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2"}
    rows, start = {}, 0
    for name, tensor in tensors.items():
        if tensor.dtype not in kinds or tensor.layout != torch.strided:
            raise Refused(f"its tensor {name[:40]} is of the kind {tensor.dtype}, which is not read", TRUSTED)
        end = start + tensor.numel() * tensor.element_size()
        rows[name] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    header = json.dumps(rows, ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    out.write(len(header).to_bytes(8, "little") + header)
    for tensor in tensors.values():
        if tensor.numel():
            out.write(memoryview(tensor.contiguous().reshape(-1).view(torch.uint8).numpy()))
    out.flush()


def problem(error: BaseException) -> tuple[str, str]:
    """One line for anything that reading or writing raised."""
    if isinstance(error, Refused):
        return error.args
    text = str(error)
    if wanted := re.search(r"GLOBAL ([\w.]+)", text):
        return f"it holds more than tensors, which could run code ({wanted[1][:60]})", TRUSTED
    if isinstance(error, PermissionError) and "not allowed here" in text:
        return "it tried to act outside of itself", "Delete it."
    if isinstance(error, MemoryError) or "allocate memory" in text or "Cannot allocate" in text:
        return "it unfolds to more memory than its size explains", AGAIN
    if isinstance(error, RecursionError):
        return "it is nested without end", "It is no model."
    if isinstance(error, OSError) and error.errno:
        return f"it cannot be converted ({error.strerror})", "Check the disk."
    if isinstance(error, pickle.UnpicklingError) and "magic" not in text:
        return "it holds more than tensors, or is damaged", TRUSTED
    return f"it is damaged ({type(error).__name__})", AGAIN


def answer(path: str, out: BinaryIO | None, torch: Any) -> dict[str, Any]:
    """The line for one file."""
    try:
        tensors = tensors_of(path, torch)
        if out is not None:
            write(tensors, out, torch)
        return {"shapes": {name: list(tensor.shape) for name, tensor in tensors.items()}}
    except Exception as error:      # a stranger's pickle raises anything (security.md, 1.3)
        return dict(zip(("problem", "fix"), problem(error), strict=True))


def main(target: str, files: list[str]) -> None:
    """target: where the tensors of the one file go, or "" to look only."""
    leave_network()
    import torch

    torch.set_num_threads(1)
    out = open(target, "wb") if target else None        # noqa: SIM115 (it is open until the process ends)
    confine(files, GROWTH[0] * max(map(os.path.getsize, files)) + 2 * GROWTH[1])
    for file in files:
        print(json.dumps(answer(file, out, torch)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
