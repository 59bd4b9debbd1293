"""Pickles of strangers: their tensors come out by a process of its own, whatever they do; control files work from them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipelines.loading import pickle_child, pickled
from pipelines.loading.controls import controls, find_control
from pipelines.loading.facts import Facts
from pipelines.loading.identity_files import identities
from pipelines.loading.library import Library
from pipelines.spec.errors import ModelFileError
from pipelines.spec.events import Stage

FLAT = {"conv_in.weight": torch.arange(6.0).reshape(2, 3), "half": torch.ones(3).half(), "count": torch.tensor(3)}


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return Facts(tmp_path / "state")


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def archive(path: Path, program: bytes, packed: bool = False) -> None:
    """A file as torch writes it, around a pickle of ours."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as made:
        for name, data in (("data.pkl", program), ("byteorder", b"little"), ("version", b"3\n")):
            made.writestr(f"archive/{name}", data)


def laughing(path: Path) -> None:
    """A thousand entries a level, all of them the same dictionary: 10^12 names without a tensor."""
    held: dict[str, Any] = {"x": 1}
    for _ in range(4):
        held = {f"k{n}": held for n in range(1000)}
    torch.save(held, path)


def test_a_wrapped_file_a_file_of_old_torch_and_a_view_come_out_as_they_are(tmp_path: Path, facts: Facts) -> None:
    wrapped = {"state_dict": FLAT | {"view": FLAT["conv_in.weight"].T}, "epoch": 3, "optimizer": {"lr": 0.1}}
    torch.save(wrapped, tmp_path / "new.pth")
    torch.save({"params_ema": FLAT, "params": {}}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    new, old = (load_file(pickled.safetensors_of(tmp_path / f"{n}.pth", n, facts)) for n in ("new", "old"))
    assert new.keys() == FLAT.keys() | {"view"} and old.keys() == FLAT.keys()
    assert all(torch.equal(new[key], FLAT[key]) and new[key].dtype == FLAT[key].dtype and torch.equal(old[key], FLAT[key])
               for key in FLAT)
    assert torch.equal(new["view"], FLAT["conv_in.weight"].T)


def test_it_is_converted_once_and_kept_by_its_contents(tmp_path: Path, facts: Facts) -> None:
    said: list[Any] = []
    for name in ("a.pth", "b.pth"):
        torch.save(FLAT, tmp_path / "x.pth")
        (tmp_path / "x.pth").rename(tmp_path / name)
    first, again = (pickled.safetensors_of(tmp_path / "a.pth", "a", facts, said.append) for _ in range(2))
    assert first == again and said == [Stage("Converting a")] and first.is_relative_to(tmp_path / "state" / "converted")
    assert first.parent.name == facts.sha256(tmp_path / "a.pth", "")
    assert [p.name for p in first.parent.iterdir()] == ["a.safetensors"]
    torch.save({"other": torch.ones(2)}, tmp_path / "a.pth")
    assert load_file(pickled.safetensors_of(tmp_path / "a.pth", "a", facts)).keys() == {"other"}


HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "code": (lambda p: torch.save({"a": Hostile(p.with_name("ran"))}, p),
             r"more than tensors, which could run code \(posix.mkdir\)"),
    "bare code": (lambda p: p.write_bytes(pickle.dumps({"a": Hostile(p.with_name("ran"))})), "more than tensors, or is damaged"),
    "packed": (lambda p: archive(p, b"0" * 10**6, packed=True), "its archive is packed"),
    "a claim": (lambda p: archive(p, b"\x80\x02B\xff\xff\xff\x7f."), "damaged|more memory"),
    "wide": (lambda p: torch.save({"a": torch.ones(1).expand(10**12)}, p), "unfold to far more than the file holds"),
    "nested": (laughing, "nested without end"),
    "no tensors": (lambda p: torch.save({"a": 1, "b": [2]}, p), "it holds no tensors"),
    "a program": (lambda p: torch.jit.save(torch.jit.script(torch.nn.ReLU()), p), "TorchScript"),
    "cut off": (lambda p: (torch.save(FLAT, p), p.write_bytes(p.read_bytes()[:400])), "it is damaged"),
    "another kind": (lambda p: torch.save({"a": torch.ones(2).to_sparse()}, p), "not read|damaged|more than tensors"),
}


def test_hostile_files_get_one_line_each_and_nothing_runs(tmp_path: Path) -> None:
    for name, (write, _) in HOSTILE.items():
        (tmp_path / name).mkdir()
        write(tmp_path / name / "x.pth")
    paths = {name: tmp_path / name / "x.pth" for name in HOSTILE}
    found = pickled.shapes_of(list(paths.values()))
    for name, (_, says) in HOSTILE.items():
        if name == "another kind":      # its shape can be told; it cannot be written
            continue
        error = found[paths[name]]
        assert isinstance(error, ModelFileError), name
        assert error.why and "\n" not in str(error)
        with pytest.raises(ModelFileError, match=says):
            raise error
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.parametrize("name", ["code", "another kind"])
def test_a_hostile_file_leaves_nothing_in_the_cache(tmp_path: Path, facts: Facts, name: str) -> None:
    write, says = HOSTILE[name]
    write(tmp_path / "x.pth")
    with pytest.raises(ModelFileError, match=says):
        pickled.safetensors_of(tmp_path / "x.pth", "x", facts)
    assert not [p for p in facts.converted.rglob("*") if p.is_file()] and not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("content", "says"), [
    (b"", "empty"), (b"<!DOCTYPE html><html>", "web page"), (b"version https://git-lfs", "git-lfs pointer"),
    (b"words", "no PyTorch")])
def test_what_is_no_file_of_torch_is_named_without_a_process(tmp_path: Path, facts: Facts, content: bytes, says: str,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *args, **more: pytest.fail("a process was started"))
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(ModelFileError, match=says):
        pickled.safetensors_of(tmp_path / "x.bin", "x", facts)
    with pytest.raises(ModelFileError, match="no longer there"):
        pickled.safetensors_of(tmp_path / "gone.pt", "gone", facts)


CONFINED = """
import runpy, sys
child = runpy.run_path({child!r})
child["leave_network"]()
child["confine"]([{file!r}], 2**20)
{attempt}
"""
ATTEMPTS = {
    "a socket": "import socket; socket.socket()", "another program": "import os; os.system('true')",
    "writing": "open({file!r} + '.new', 'w')", "removing": "import os; os.remove({file!r})",
    "memory": "bytearray(2**40)", "a fork": "import os; os.fork()",
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_the_process_can_do_nothing_but_read(tmp_path: Path, attempt: str) -> None:
    """No torch is needed to see that."""
    file = tmp_path / "x.pth"
    file.write_bytes(b"PK")
    code = CONFINED.format(child=pickle_child.__file__, file=str(file), attempt=attempt.format(file=str(file)))
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(("PermissionError", "MemoryError"))
    assert [p.name for p in tmp_path.iterdir()] == ["x.pth"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of CPU time as Linux has them")
def test_a_file_that_ends_the_process_is_named_and_the_others_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "child.py"
    script.write_text("import json, os, sys\n"
                      "for file in sys.argv[2:]:\n"
                      "    if 'bad' in file:\n        os.kill(os.getpid(), 24 if 'slow' in file else 11)\n"
                      "    print(json.dumps({'shapes': {'a': [1]}}), flush=True)\n")
    monkeypatch.setattr(pickled, "CHILD", script)
    paths = [tmp_path / f"{name}.pth" for name in ("one", "bad", "two", "bad-slow")]
    for path in paths:
        path.write_bytes(b"PK\x03\x04")
    found = {path.stem: said for path, said in pickled.shapes_of(paths).items()}
    assert found["one"] == found["two"] == {"a": (1,)}
    assert "ended (SIGSEGV)" in str(found["bad"]) and "takes far longer" in str(found["bad-slow"])


NET = {"control_model.input_hint_block.0.weight": (16, 3, 3, 3), "control_model.zero_convs.0.0.weight": (320, 320, 1, 1),
       "control_model.input_blocks.0.0.weight": (320, 4, 3, 3)}


def test_control_models_that_come_as_pickles_are_listed_with_their_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ControlNet"
    folder.mkdir()
    torch.save({key: torch.zeros(shape) for key, shape in NET.items()}, folder / "control_v11p_sd15_canny.pth")
    adapter = {"conv_in.weight": torch.zeros(4, 192, 3, 3), "body.0.block1.weight": torch.zeros(4, 4, 3, 3)}
    torch.save(adapter, folder / "t2i_sketch.pt")
    torch.save({"a": Hostile(tmp_path / "ran")}, folder / "evil.pth")
    torch.save({"a": torch.ones(1)}, tmp_path / "ControlNet" / "checkpoint.ckpt")
    library = Library([tmp_path], tmp_path / "state")
    assert {c.name: (c.family, c.kind, c.control) for c in controls(library)} == {
        "control_v11p_sd15_canny": ("sd15", "ControlNet", "Canny"), "t2i_sketch": ("sd15", "T2I-Adapter", "Scribble")}
    for name, says in (("evil", "could run code"), ("checkpoint", ".ckpt is a pickle")):
        with pytest.raises(ModelFileError, match=says):
            find_control(library, name)
    monkeypatch.setattr(subprocess, "run", lambda *args, **more: pytest.fail("looked at again"))
    assert len(controls(Library([tmp_path], tmp_path / "state"))) == 2 and not (tmp_path / "ran").exists()


def test_the_safetensors_of_the_same_name_stands_for_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import save_file

    monkeypatch.setattr(subprocess, "run", lambda *args, **more: pytest.fail("a process was started"))
    (tmp_path / "ControlNet").mkdir()
    save_file({key: torch.zeros(shape) for key, shape in NET.items()}, tmp_path / "ControlNet" / "net.safetensors")
    (tmp_path / "ControlNet" / "net.pth").write_bytes(b"PK\x03\x04")
    assert [c.name for c in controls(Library([tmp_path]))] == ["net"] and not Library([tmp_path]).problems()


def test_identity_adapters_that_come_as_pickles_tell_their_way_and_family(tmp_path: Path) -> None:
    (tmp_path / "photomaker").mkdir()
    (tmp_path / "ipadapter").mkdir()
    maker = {"id_encoder": {"fuse_module.layer_norm.weight": torch.ones(2048)},
             "lora_weights": {"unet.to_q_lora.down.weight": torch.ones(4, 4)}}
    face = {"image_proj": {"norm.weight": torch.ones(4)}, "ip_adapter": {"1.to_k_ip.weight": torch.ones(4, 768)}}
    torch.save(maker, tmp_path / "photomaker" / "v1.bin")
    torch.save(face, tmp_path / "ipadapter" / "portrait.bin")
    torch.save({"a": Hostile(tmp_path / "ran")}, tmp_path / "ipadapter" / "evil.bin")
    library = Library([tmp_path])
    assert [(f.name, f.way, f.family) for f in identities(library)] == [
        ("v1", "PhotoMaker", "sdxl"), ("portrait", "IP-Adapter", "sd15")]
    assert [file.name for file in library.problems()] == ["evil"] and not (tmp_path / "ran").exists()
