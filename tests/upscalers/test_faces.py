"""Faces are found, squared, restored and laid back where they were; the networks are those of the published files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.deep import Deep
from pipelines.loading.compat import torch
from pipelines.loading.device import Budget, Device
from pipelines.loading.library import Library
from pipelines.loading.residency import Residency
from pipelines.portraits.crop import Box
from pipelines.spec.errors import FieldError, ModelFileError
from pipelines.spec.events import Note
from pipelines.spec.geometry import Size
from pipelines.upscalers import Target, Upscalers
from pipelines.upscalers.faces import SIDE, TEMPLATE, Face, cut, finder, lay, of_box
from pipelines.upscalers.making import Bench, made
from pipelines.upscalers.recipe import Faces, Recipe
from pipelines.upscalers.restorers import EXTRA, Restorer
from pipelines.upscalers.restoring import Placed, Wanted, load, network, restored

PHOTO = Path(__import__("skimage").__file__).parent / "data" / "astronaut.png"
EYES = np.array([[203, 101], [247, 103]])       # of that photo, as one sees them


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.open(PHOTO).convert("RGB")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """GFPGAN/ with a small RestoreFormer of random weights, and what other programs keep beside it."""
    from spandrel.architectures.RestoreFormer import RestoreFormer

    torch.manual_seed(0)
    net = RestoreFormer(n_embed=8, embed_dim=32, ch=32, out_ch=3, ch_mult=(1, 1, 1, 1, 1, 1), num_res_blocks=1,
                        attn_resolutions=(16,), dropout=0.0, in_channels=3, resolution=512, z_channels=32, double_z=False,
                        enable_mid=True, head_size=8)
    folder = tmp_path_factory.mktemp("faces") / "GFPGAN"
    folder.mkdir()
    torch.save({"params_ema": net.state_dict()}, folder / "RestoreFormer.pth")
    torch.save({"a": torch.zeros(2)}, folder / "detection_Resnet50_Final.pth")
    torch.save({"a": torch.zeros(2)}, folder / "codeformer-v0.1.0.pth")
    (folder / "page.pth").write_bytes(b"<!DOCTYPE html><html>login")
    return Library([folder.parent])


@pytest.fixture
def holder(library: Library) -> Residency:
    return Residency(library, Device.pick("cpu"), Budget(2**31, 2**31))


def face_at(left: float, top: float, scale: float, angle: float) -> Face:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Face((TEMPLATE - SIDE / 2) @ turn.T * scale + [left, top])


def test_the_detector_on_board_finds_a_face_and_the_square_has_its_eyes_at_their_place(photo: Image.Image) -> None:
    found = finder([])
    assert found is not None
    [face] = found(photo)
    eyes = (face.onto() @ np.vstack([EYES.T, [1, 1]]))[:2].T
    assert np.abs(eyes - TEMPLATE[:2]).max() < 20       # of 512: a face that smiles and leans a little


@pytest.mark.parametrize(("scale", "angle"), [(0.3, 0), (0.8, 0.4), (1.7, -0.3)], ids=["small", "turned", "large"])
def test_a_face_cut_out_and_laid_back_unchanged_leaves_the_picture_as_it_was(scale: float, angle: float) -> None:
    y, x = np.mgrid[0:900, 0:1000]
    picture = Image.fromarray(np.stack([x / 4, y / 4, (x + y) / 8], -1).astype(np.uint8))
    face = face_at(500, 450, scale, angle)
    square = np.asarray(cut(picture, face.onto()), np.float32) / 255
    laid = lay(square, picture.copy(), np.linalg.inv(face.onto()), 1.0)
    assert np.abs(np.asarray(laid, int) - np.asarray(picture, int)).max() <= 3


@pytest.mark.parametrize("place", [(0, 0), (995, 890), (-600, 450)], ids=["corner", "other corner", "outside"])
def test_a_face_at_or_beyond_the_edge_is_no_fault(place: tuple[int, int]) -> None:
    picture, face = Image.new("RGB", (1000, 900), (135, 33, 232)), face_at(*place, 0.5, 0.2)
    square = np.asarray(cut(picture, face.onto()), np.float32) / 255
    assert np.abs(np.asarray(lay(square, picture.copy(), np.linalg.inv(face.onto()), 1.0), int) - [135, 33, 232]).max() <= 1


@pytest.mark.parametrize(("visibility", "middle"), [(0, 0), (0.5, 128), (1, 255)])
@pytest.mark.parametrize("kind", ["RGB", "RGBA", "deep"])
def test_visibility_mixes_and_alpha_stays(kind: str, visibility: float, middle: int) -> None:
    picture: Any = Image.new("RGBA" if kind == "RGBA" else "RGB", (400, 400), (0, 0, 0, 77) if kind == "RGBA" else 0)
    picture = Deep.of(picture) if kind == "deep" else picture
    result: Any = lay(np.ones((SIDE, SIDE, 3)), picture, np.linalg.inv(face_at(200, 200, 0.4, 0).onto()), visibility)
    values = np.asarray(result.shallow() if kind == "deep" else result)
    assert abs(int(values[200, 200, 0]) - middle) <= 1 and values[5, 5, 0] == 0
    assert kind != "RGBA" or set(np.unique(values[..., 3])) == {77}


def test_the_place_in_the_enlarged_picture_is_that_of_the_source() -> None:
    placed = Placed.of(Image.new("RGB", (100, 50)), Size(400, 200), Size(200, 200))
    assert (placed.matrix @ [50, 25, 1])[:2].tolist() == [100, 100] and (placed.matrix @ [25, 0, 1])[:2].tolist() == [0, 0]


def test_restorers_are_listed_and_helpers_of_other_programs_are_not(library: Library) -> None:
    listed = Upscalers(library).restorers
    expected = ["codeformer-v0.1.0", "RestoreFormer"] if installed() else ["RestoreFormer"]
    assert listed.names() == expected and {r.name for r in listed.problems()} == {"page", "codeformer-v0.1.0"} - set(expected)
    with pytest.raises(FieldError, match="Restore faces: restoreforma - not found. Allowed: RestoreFormer"):
        listed.find("restoreforma")


def installed() -> bool:
    import importlib.util

    return importlib.util.find_spec(EXTRA) is not None


@pytest.mark.skipif(installed(), reason="CodeFormer's network is installed here")
def test_codeformer_without_its_package_says_which_and_that_it_is_not_free(library: Library) -> None:
    with pytest.raises(ModelFileError, match="forbids commercial use: python -m pip install spandrel_extra_arches"):
        Upscalers(library).restorers.find("codeformer-v0.1.0")


def test_a_portrait_is_restored_only_where_its_face_is(photo: Image.Image, library: Library, holder: Residency) -> None:
    small, said = photo.resize((256, 256)), []
    recipe = Recipe("Lanczos", target=Target(2), faces=Faces("restoreformer", 0.8))
    bench = Bench(Upscalers(library), holder)
    without = np.asarray(made(small, Recipe("Lanczos", target=Target(2)), bench, said.append).picture, int)
    done = made(small, recipe, bench, said.append)
    changed = np.abs(np.asarray(done.picture, int) - without).max(-1) > 8
    assert changed[60:180, 180:270].mean() > 0.5 and not changed[300:].any() and not changed[:, 400:].any()
    assert done.recipe.done()["RestoreFormer visibility"] == 0.8 and done.recipe.done()["Face restoration"] == "RestoreFormer"
    assert ("RestoreFormer", "face restorer") in [(m, c) for m, c, _, _ in holder.resident()]
    again = made(small, recipe, bench, said.append)
    assert (np.asarray(again.picture) == np.asarray(done.picture)).all()


@pytest.mark.parametrize(("found", "note"), [(None, "No face detector is installed"), (lambda picture: [], "No face was found")])
def test_without_a_face_the_picture_stays_and_it_is_said(library: Library, holder: Residency, found: Any, note: str) -> None:
    notes: list[str] = []
    picture = Image.new("RGB", (64, 64), "teal")
    wanted = Wanted(Upscalers(library).restorers.find("RestoreFormer"), 1.0, 0.5, found)
    result = restored(picture, Placed.of(picture, Size(64, 64), Size(64, 64)), wanted, holder,
                      lambda e: notes.append(e.text) if isinstance(e, Note) else None)
    assert result is picture and notes[0].startswith(note) and holder.loads == 0


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("field", ["visibility", "weight"])
def test_shares_outside_0_to_1_are_refused(library: Library, field: str, share: float) -> None:
    with pytest.raises(FieldError, match="outside the range. Allowed: 0-1"):
        Recipe("Lanczos", faces=Faces("RestoreFormer", **{field: share})).checked(Upscalers(library))


def test_an_upscaler_in_the_folder_of_restorers_is_named(tmp_path: Path) -> None:
    from tests.upscalers.conftest import compact

    torch.save(compact(2), tmp_path / "x2.pth")
    with pytest.raises(ModelFileError, match="restores no faces"):
        load(Restorer("x2", tmp_path / "x2.pth"))


def test_gfpgan_of_the_published_shape_runs_and_repeats_itself(tmp_path: Path, holder: Residency) -> None:
    from spandrel.architectures.GFPGAN import GFPGAN

    torch.manual_seed(0)
    torch.save({"params_ema": GFPGAN().state_dict()}, tmp_path / "GFPGANv1.4.pth")
    net = network(Restorer("GFPGANv1.4", tmp_path / "GFPGANv1.4.pth"), holder)
    assert net.kind == "GFPGAN" and net.place[1] == torch.float32
    face = torch.rand(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        first, second = net.restore(face, 0.5), net.restore(face, 0.5)
    assert first.shape == face.shape and torch.equal(first, second) and first.min() >= 0 and first.max() <= 1


@pytest.mark.skipif(not installed(), reason="spandrel_extra_arches is not installed: its licence forbids commercial use")
def test_codeformers_weight_reaches_its_network(tmp_path: Path, holder: Residency) -> None:
    from spandrel_extra_arches.architectures.CodeFormer import CodeFormer

    torch.manual_seed(0)
    torch.save({"params_ema": CodeFormer(n_layers=1).state_dict()}, tmp_path / "codeformer.pth")
    net = network(Restorer("codeformer", tmp_path / "codeformer.pth"), holder)
    face = torch.rand(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        strong, close = net.restore(face, 0.0), net.restore(face, 1.0)
    assert net.kind == "CodeFormer" and not torch.equal(strong, close)


def test_yunets_points_are_used_where_its_weights_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    (tmp_path / "facedetection").mkdir()
    (tmp_path / "facedetection" / "face_detection_yunet_2023mar.onnx").write_bytes(b"")
    rows = np.array([[0, 0, 9, 9, *range(10), 0.9], [0, 0, 50, 50, *range(10, 20), 0.9]], np.float32)
    fake = SimpleNamespace(create=lambda *args: SimpleNamespace(detect=lambda picture: (1, rows)))
    monkeypatch.setattr(cv2, "FaceDetectorYN", fake)
    found = finder([tmp_path])
    assert found is not None and [f.points[0].tolist() for f in found(Image.new("RGB", (60, 60)))] == [[10, 11], [0, 1]]


def test_a_box_stands_for_an_upright_face() -> None:
    onto = of_box(Box(100, 50, 200, 200)).onto()
    assert abs(onto[0, 1]) < 0.02 and onto[0, 0] == pytest.approx(onto[1, 1]) and 1.2 < onto[0, 0] < 1.7
