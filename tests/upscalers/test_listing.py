"""Everything that can upscale is named, everything that cannot says why, and nothing is loaded for it."""

import hashlib
import subprocess
import sys

import pytest
from PIL import Image

from pipelines.loading.library import Library
from pipelines.spec.errors import FieldError, ModelFileError
from pipelines.upscalers import RESAMPLERS, Upscaler, Upscalers


def test_resamplers_minis_own_and_the_peers_folders_are_listed(upscalers):
    assert upscalers.names() == [*RESAMPLERS, "mini-x2", "1x-clean", "4x-Ultra", "general-x4", "grey-x4"]
    assert [upscalers.find(n).scale for n in ("mini-x2", "1x-clean", "4x-ultra", "general-x4.safetensors")] == [2, 1, 4, 4]


def test_a_network_is_named_by_the_hash_of_its_file(upscalers, holder):
    own = [name for name in upscalers.names() if upscalers.short_hash(name)]
    assert own == ["mini-x2", "1x-clean", "4x-Ultra", "general-x4", "grey-x4"], "resamplers have no file"
    for name in own:
        assert upscalers.short_hash(name) == hashlib.sha256(upscalers.find(name).path.read_bytes()).hexdigest()[:10]
    brought = Upscaler("its own", whole=lambda picture, emit: picture)
    assert Upscalers(holder.library, lambda: [brought]).short_hash("its own") == ""


def test_what_an_extension_brings_stands_behind_them(holder):
    brought = Upscaler("its own", whole=lambda picture, emit: picture.resize((8, 8)))
    assert Upscalers(holder.library, lambda: [brought]).names()[-1] == "its own"


def test_an_unknown_name_shows_the_nearest(upscalers):
    with pytest.raises(FieldError, match="Upscaler: mini-x3 - not found. Allowed: mini-x2"):
        upscalers.find("mini-x3")


def test_a_name_in_two_folders_asks_for_the_folder(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / "ESRGAN" / folder).mkdir(parents=True)
        (tmp_path / "ESRGAN" / folder / "4x-a.pth").write_bytes(b"PK\x03\x04")
    listed = Upscalers(Library([tmp_path]))
    with pytest.raises(FieldError, match="4x-A.pth - 2 files have that name. Allowed: x/4x-a, y/4x-a. Give the folder too."):
        listed.find("4x-A.pth")
    assert listed.find("Y/4x-a").path.parent.name == "y"


@pytest.mark.parametrize(("name", "content", "why"), [
    ("page.pth", b"<!DOCTYPE html><html>login", "web page"), ("empty.pth", b"", "empty"),
    ("text.pth", b"some words", "no PyTorch file"), ("page.safetensors", b"<html>" * 9, "web page"),
    ("model.pt", b"PK\x03\x04", "pickle"), ("half.pth.part", b"PK\x03\x04", "not finished")])
def test_a_broken_file_is_listed_with_its_line(models, tmp_path, name, content, why):
    (tmp_path / "ESRGAN").mkdir()
    (tmp_path / "ESRGAN" / name).write_bytes(content)
    listed = Upscalers(Library([tmp_path]))
    assert len(listed.problems()) == 1 and why in listed.problems()[0].problem
    assert listed.names() == [*RESAMPLERS]
    with pytest.raises(ModelFileError, match=why):
        listed.find(listed.problems()[0].name)


def test_the_list_is_made_without_torch(models, root):
    code = ("import sys; from pathlib import Path; from pipelines.upscalers import Upscalers;"
            "from pipelines.loading.library import Library;"
            f"names = Upscalers(Library([Path({str(models)!r})])).names(); print(len(names), 'torch' in sys.modules)")
    said = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["9", "False"]


def test_nearest_keeps_hard_pixels(upscalers):
    assert upscalers.find("nearest").resample == Image.Resampling.NEAREST
