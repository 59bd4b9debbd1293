"""Faults D41 and D42: whatever lies in models/, one clear line says what it is and what to do."""

import json
import os
import struct

import pytest

from pipelines.loading.header import read_header
from pipelines.spec.errors import ModelFileError


def packed(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def row(dtype="F32", shape=(1,), offsets=(0, 4)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


GOOD = packed({"__metadata__": {"format": "pt", "n": 1}, "a": row(), "b": row("F16", (2, 1), (4, 8))}, bytes(8))
BAD = {
    "empty": (b"", "the file is empty. Download it again."),
    "seven bytes": (b"1234567", "only 7 bytes long. Download it again."),
    "web page": (b"<!DOCTYPE html><html>" + b" " * 99, "this is a web page, not a model"),
    "web page after a blank line": (b"\r\n\r\n<HTML>" + b" " * 99, "this is a web page, not a model"),
    "git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "this is a git-lfs pointer"),
    "zip": (b"PK\x03\x04" + bytes(60), "this is a zip file or a renamed PyTorch checkpoint"),
    "pickle": (b"\x80\x02}q\x00." + b"\xff" * 20, "a renamed pickle, which can run code"),
    "gguf": (b"GGUF" + b"\xff" * 20, "this is a GGUF file"),
    "header longer than the file": (packed({"a": row()}, bytes(4), 5000), "its header claims 5000 bytes and the file has"),
    "header of 67 MB": (packed({}, b" " * 50, 67 * 2**20), "its header claims 67 MB, over the limit of 16 MB"),
    "not JSON": (packed(b"{nonsense}"), "its header is not readable JSON"),
    "200 000 brackets": (packed(b'{"a":' + b"[" * 200_000), "its header is not readable JSON"),
    "no tensors": (packed({"__metadata__": {}}), "it holds no tensors"),
    "overlapping offsets": (packed({"a": row(), "b": row(offsets=(2, 6))}, bytes(8)), "tensor b overlaps another one"),
    "a hole": (packed({"a": row(), "b": row(offsets=(8, 12))}, bytes(12)), "there is a hole before tensor b"),
    "dtype F99": (packed({"a": row("F99")}, bytes(4)), "tensor a has the unknown number format F99"),
    "shape [-1]": (packed({"a": row(shape=(-1,))}, bytes(4)), "tensor a has the impossible shape [-1]"),
    "offsets backwards": (packed({"a": row(offsets=(4, 0))}, bytes(4)), "tensor a does not have the length its shape demands"),
    "duplicate keys": (packed(b'{"a":{"dtype":"F32"},"a":{}}'), "its header names a twice"),
    "truncated": (packed({"a": row(shape=(100,), offsets=(0, 400))}, bytes(100)), "the file was cut off. Download it again."),
    "too long": (packed({"a": row()}, bytes(9)), "5 bytes too many follow its last tensor"),
    "a list": (packed(b"[1]          "), "does not start with {"),
    "tensor is null": (packed({"a": None}), "tensor a has the unknown number format"),
}


def test_a_good_header_is_read_with_positions_in_the_file(tmp_path):
    (path := tmp_path / "a.safetensors").write_bytes(GOOD)
    header = read_header(path)
    assert header.metadata == {"format": "pt"} and header.shapes == {"a": (1,), "b": (2, 1)}
    assert header.tensors["b"].end == header.size == len(GOOD)


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_each_broken_file_gets_one_line_that_names_it_and_the_reason(tmp_path, case):
    data, expected = case
    (path := tmp_path / "broken.safetensors").write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        read_header(path)
    line = str(caught.value)
    assert line.startswith("Model file: broken.safetensors - ") and expected in line and "\n" not in line


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin"])
def test_pickles_are_refused_with_the_reason(tmp_path, suffix):
    (path := tmp_path / f"old{suffix}").write_bytes(b"\x80\x02.")
    with pytest.raises(ModelFileError, match="is a pickle, which can run any code when it is loaded. Convert it to .safetensors"):
        read_header(path)


def test_a_gguf_file_is_named(tmp_path):
    (path := tmp_path / "small.GGUF").write_bytes(GOOD)
    with pytest.raises(ModelFileError, match="this is a GGUF file, which this version does not read. Use the .safetensors"):
        read_header(path)


@pytest.mark.parametrize("suffix", [".part", ".crdownload", ".aria2"])
def test_an_unfinished_download_is_named(tmp_path, suffix):
    (path := tmp_path / f"new.safetensors{suffix}").write_bytes(GOOD[:20])
    with pytest.raises(ModelFileError, match="the download is not finished"):
        read_header(path)


def test_an_aria2_file_beside_a_full_looking_file_means_unfinished(tmp_path):
    (path := tmp_path / "new.safetensors").write_bytes(GOOD)
    (tmp_path / "new.safetensors.aria2").touch()
    with pytest.raises(ModelFileError, match=r"\.aria2 file lies beside it"):
        read_header(path)


def test_a_named_pipe_does_not_hang(tmp_path):
    os.mkfifo(path := tmp_path / "pipe.safetensors")
    with pytest.raises(ModelFileError, match="this is not a file"):
        read_header(path)


def test_a_missing_file_says_refresh(tmp_path):
    with pytest.raises(ModelFileError, match="it is no longer there. Refresh the list of models."):
        read_header(tmp_path / "gone.safetensors")


def test_a_million_tensors_are_refused(tmp_path):
    text = b"{" + b",".join(b'"%d":1' % i for i in range(100_001)) + b"}"
    (path := tmp_path / "many.safetensors").write_bytes(packed(text))
    with pytest.raises(ModelFileError, match="it names 100001 tensors, over the limit of 100000"):
        read_header(path)
