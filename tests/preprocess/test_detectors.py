"""Networks with random weights of the true architecture run offline; conventions; what is missing or wrong is named."""

from __future__ import annotations

import os
import pickle
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipelines.pose import draw
from pipelines.preprocess import ROWS
from pipelines.spec.errors import FieldError, ModelFileError
from pipelines.tasks.preprocess import Preprocessors

RANDOM = ("softedge_hed", "softedge_hedsafe", "softedge_pidinet", "lineart_realistic", "lineart_anime", "mlsd",
          "depth_anything_v2", "depth_dpt")
Spot = namedtuple("Spot", "x y")


@pytest.fixture(scope="module")
def preprocessors(root_with_weights):
    return Preprocessors([root_with_weights], "cpu")


@pytest.mark.parametrize("name", RANDOM)
def test_a_network_of_the_true_architecture_runs_offline(preprocessors, picture, name):
    assert not preprocessors.missing(name)
    found = preprocessors.run(name, picture, {"value": 0.01, "distance": 0.01} if name == "mlsd" else {}, 96)
    assert found.mode == "RGB" and found.size == (128, 96)
    assert found.convert("L").convert("RGB").tobytes() == found.tobytes(), "a map without colours"


@pytest.mark.parametrize("name", [row.name for row in ROWS if row.weights])
def test_a_missing_weight_says_which_file_goes_where_and_its_licence(picture, name, tmp_path):
    lone = Preprocessors([tmp_path])
    with pytest.raises(ModelFileError) as refusal:
        lone.run(name, picture)
    weight = lone.missing(name)[0]
    assert all(word in str(refusal.value) for word in (weight.file, "models/annotators", weight.licence, "nothing is downloaded"))


def test_one_network_is_held_and_given_back(preprocessors, picture):
    import gc
    import weakref

    preprocessors.run("softedge_hed", picture, {}, 64)
    held = weakref.ref(preprocessors._held[1])
    preprocessors.run("softedge_hedsafe", picture, {}, 64)
    assert preprocessors._held[1] is held(), "two rows of one file share its network"
    preprocessors.release()
    gc.collect()
    assert held() is None


def test_nobody_in_the_picture_is_named(preprocessors, picture):
    with pytest.raises(FieldError, match="found no people"):
        preprocessors.run("openpose", picture, {}, 64)
    assert preprocessors.pose(picture, resolution=64).people == ()


def test_a_detected_pose_is_drawn_as_controlnet_aux_draws_it():
    from pipelines.tasks.detectors import aux, pose_of

    rng = np.random.default_rng(3)
    body = [None if i == 4 else Spot(rng.integers(0, 301) / 301, rng.integers(0, 227) / 227) for i in range(18)]
    found = [SimpleNamespace(body=SimpleNamespace(keypoints=body), left_hand=None, right_hand=None, face=None)]
    theirs = aux("open_pose").draw_poses(found, 227, 301, draw_hand=False, draw_face=False)
    assert np.array_equal(np.asarray(draw(pose_of(found, 301, 227))), theirs)


class Seen:
    """A network whose answer is known."""

    def __init__(self, answer):
        self.answer, self.config = answer, SimpleNamespace(model_type="depth_anything", image_size=None,
                                                           backbone_config=SimpleNamespace(patch_size=16))

    def __call__(self, pixels):
        return self.answer

    def parameters(self):
        import torch
        return iter([torch.zeros(1)])

    def to(self, device):
        return self


def test_near_is_bright_in_both_depth_paths():
    from pipelines.tasks.detectors import aux, seen_by_depth, seen_by_midas, torch

    near_at_the_right = torch.linspace(1, 9, 64).expand(1, 64, 64)
    image = np.zeros((64, 64, 3), np.uint8)
    by_midas = seen_by_midas(aux("midas").MidasDetector(Seen(near_at_the_right)))(image, {})
    by_transformers = seen_by_depth(Seen(SimpleNamespace(predicted_depth=near_at_the_right)), torch.device("cpu"))(image, {})
    for found in (by_midas[:, :, 0], by_transformers):
        assert found[:, 0].max() == 0 and found[:, -1].min() >= 254 and (np.diff(found[9].astype(int)) >= 0).all()


def test_a_wall_facing_the_viewer_is_blue_in_bae_normals():
    from pipelines.tasks.detectors import aux, called, torch

    normals = torch.zeros(1, 4, 64, 64)
    normals[:, 2], normals[:, 0, :, :32] = 1, 1
    detector = aux("normalbae").NormalBaeDetector(Seen([[normals]]))
    found = called(detector, torch.device("cpu"))(np.zeros((64, 64, 3), np.uint8), {})
    assert found[30, 50].tolist() == [127, 127, 255] and found[30, 10].tolist() == [255, 127, 255]


class Trap:
    def __reduce__(self):
        return os.mkdir, (self.where,)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, picture):
    trap = Trap()
    trap.where = str(tmp_path / "sprung")
    (tmp_path / "annotators").mkdir()
    (tmp_path / "annotators" / "sk_model.pth").write_bytes(pickle.dumps({"a": trap}))
    with pytest.raises(ModelFileError, match="more than tensors, or is damaged"):
        Preprocessors([tmp_path], "cpu").run("lineart_realistic", picture)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(("content", "says"), [(b"", "file is empty"), (b"<html>", "is a web page"), (b"PK\3\4", "damaged")],
                         ids=["empty", "a web page", "cut off"])
def test_a_file_that_is_no_weights_is_named(tmp_path, picture, content, says):
    (tmp_path / "annotators").mkdir()
    (tmp_path / "annotators" / "ControlNetHED.pth").write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"ControlNetHED.pth - .*{says}"):
        Preprocessors([tmp_path], "cpu").run("softedge_hed", picture)


def test_weights_of_another_network_and_folders_with_code_are_refused(tmp_path, root_with_weights, picture):
    import shutil

    folder = tmp_path / "annotators"
    shutil.copytree(root_with_weights / "annotators" / "dpt-large", folder / "dpt-large")
    (folder / "dpt-large" / "modeling.py").write_text("raise SystemExit")
    shutil.copy(next(root_with_weights.rglob("sk_model.pth")), folder / "ControlNetHED.pth")
    with pytest.raises(ModelFileError, match="not the weights of this network"):
        Preprocessors([tmp_path], "cpu").run("softedge_hed", picture)
    with pytest.raises(ModelFileError, match="program code, which is never run"):
        Preprocessors([tmp_path], "cpu").run("depth_dpt", picture)


def test_a_picture_of_one_colour_still_gives_soft_edges(preprocessors):
    assert preprocessors.run("softedge_hed", Image.new("RGB", (64, 64), "grey"), {}, 64).size == (64, 64)
