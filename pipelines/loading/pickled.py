"""Pickles of others (.pth, .pt, .bin) as .safetensors: read once, by a confined process of its own, and kept. No torch.

A pickle is a program. Torch's `weights_only` runs none of it, and has been broken before (CVE-2025-32434, CVE-2026-24747); so
this process opens no pickle at all: `pickle_child.py` does, without network, with little memory and time. What it writes is
checked like any stranger's file. Converted files lie in `<data folder>/converted/<sha256>/` and may be deleted at any time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipelines.families.family import Shapes
from pipelines.loading.facts import Facts
from pipelines.loading.header import AGAIN, OTHER_FILES, TENSOR_LIMIT, read_header
from pipelines.spec.errors import ModelFileError
from pipelines.spec.events import Emit, Stage

# Kinds of models that are published as pickles, and under which suffixes; all others are refused (`header.py`).
KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "controlnet": (".pth", ".pt", ".bin"), "upscaler": (".pth",), "face restorer": (".pth",), "embedding": (".pt", ".bin"),
    "ip-adapter": (".bin", ".pt", ".pth"),
})
SUFFIXES = (".pth", ".pt", ".bin")
MAGIC = b"PK\x03\x04", b"\x80"          # a zip archive as torch writes it; a pickle as it wrote it before 1.6
CHILD = Path(__file__).with_name("pickle_child.py")
KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
ANSWER_LIMIT = 64 * 2**20               # bytes
PATIENCE = 300, 2 * 2**20               # s; so many and one more for each so many bytes, on a machine that is busy or swaps


def accepted(kind: str, path: Path) -> bool:
    """Whether `path` is a pickle of a kind that is read from pickles."""
    return path.suffix.lower() in KINDS.get(kind, ())


def check_start(path: Path, name: str) -> None:
    """Raises ModelFileError when the first bytes are not those of a file of torch; nothing else is read."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError:
        raise ModelFileError(name, "it is no longer there", "Refresh the list of models.") from None
    except OSError as error:
        raise ModelFileError(name, f"cannot be opened ({error.strerror})", "Check its permissions.") from None
    if not head:
        raise ModelFileError(name, "the file is empty", AGAIN)
    if head.startswith(MAGIC):
        return
    start = head.lstrip(b" \t\r\n\xef\xbb\xbf").lower()
    for magic, why, fix in OTHER_FILES:
        if start.startswith(magic):
            raise ModelFileError(name, why, fix)
    raise ModelFileError(name, "this is no PyTorch file", AGAIN)


def shapes_of(paths: Sequence[Path]) -> dict[Path, Shapes | ModelFileError]:
    """What each file holds, by one process for all of them; weights are not read. A file that ends it is passed over."""
    found: dict[Path, Shapes | ModelFileError] = {}
    for path in paths:
        try:
            check_start(path, path.name)
        except ModelFileError as error:
            found[path] = error
    left = [path for path in paths if path not in found]
    while left:
        answers, end = _asked(None, left)
        for path, said in zip(left, answers, strict=False):
            found[path] = _shapes(said, path.name)
        left = left[len(answers):]
        if left:        # the process ended while it looked at the first of them
            found[left.pop(0)] = end
    return found


def safetensors_of(path: Path, name: str, facts: Facts, emit: Emit | None = None) -> Path:
    """`path` itself, or for a pickle the .safetensors with its tensors, of the same stem, converted on first use.

    Names of nested dictionaries are joined by points; a dictionary that only wraps the weights (`state_dict`, `params_ema` …)
    is taken off. Raises ModelFileError, one line.
    """
    if path.suffix.lower() not in SUFFIXES:
        return path
    check_start(path, name)
    try:
        state = path.stat()
        digest = facts.sha256(path, f"{state.st_size}:{state.st_mtime_ns}")
        kept = facts.converted / digest / f"{path.stem}.safetensors"
        if not kept.is_file():
            if emit is not None:
                emit(Stage(f"Converting {name}"))
            kept.parent.mkdir(parents=True, exist_ok=True)
            _convert(path, kept, name)
    except OSError as error:
        raise ModelFileError(name, f"it cannot be converted ({error.strerror})", "Free some space in the data folder.") from None
    return kept


def _convert(path: Path, kept: Path, name: str) -> None:
    """Write `kept`, whole or not at all. Raises ModelFileError and OSError."""
    handle, temporary = tempfile.mkstemp(dir=kept.parent, prefix=".", suffix=".safetensors")
    os.close(handle)
    try:
        answers, end = _asked(temporary, [path])
        if not answers:
            raise ModelFileError(name, end.why, end.fix)
        shapes = _shapes(answers[0], name)
        if isinstance(shapes, ModelFileError):
            raise shapes
        read_header(Path(temporary), name)
        os.replace(temporary, kept)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _asked(target: str | None, paths: Sequence[Path]) -> tuple[list[Any], ModelFileError]:
    """The lines the process gave, and why there are no more of them. Raises OSError when it cannot be started."""
    command = [sys.executable, "-I", str(CHILD), target or "", *map(str, paths)]
    environment = {key: os.environ[key] for key in KEPT_ENVIRONMENT if key in os.environ} | {"OMP_NUM_THREADS": "1"}
    size = sum(path.stat().st_size for path in paths if path.exists())
    with tempfile.TemporaryFile() as said:      # not a pipe: what it may write there is limited
        try:
            code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.DEVNULL,  # noqa: S603 (our own)
                                  env=environment, timeout=PATIENCE[0] + size // PATIENCE[1], check=False).returncode
        except subprocess.TimeoutExpired:
            code = -getattr(signal, "SIGXCPU", 24)
        said.seek(0)
        answers = list(_parsed(said.read(ANSWER_LIMIT)))
    if code == -getattr(signal, "SIGXCPU", 24):
        return answers, ModelFileError("", "reading it takes far longer than its size explains", AGAIN)
    return answers, ModelFileError("", f"the process that read it ended ({_ending(code)})", AGAIN)


def _parsed(said: bytes) -> Iterator[Any]:
    """Its whole lines; the last may have been cut."""
    for line in said.splitlines():
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            return


def _ending(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"code {code}"


def _shapes(said: Any, name: str) -> Shapes | ModelFileError:
    """One line of the process, which is not believed either."""
    found = said.get("shapes") if isinstance(said, dict) else None
    if not isinstance(found, dict):
        why, fix = (str(said.get(key, ""))[:200] for key in ("problem", "fix")) if isinstance(said, dict) else ("", "")
        return ModelFileError(name, why or "it cannot be read", fix or AGAIN)
    if len(found) > TENSOR_LIMIT or not all(isinstance(s, list) and all(type(n) is int for n in s) for s in found.values()):
        return ModelFileError(name, "it cannot be read", AGAIN)
    return {key: tuple(shape) for key, shape in found.items()}
