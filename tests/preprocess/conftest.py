"""Networks of the true architecture with random weights on disk, a picture, and no way out to the network."""

from __future__ import annotations

import functools
import socket

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch):
    """Whoever asks a hub fails at once."""
    def refuse(*_):
        raise AssertionError("something asked the network")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """A dark square and a ramp on a light ground; 200×150."""
    pixels = np.full((150, 200, 3), 220, np.uint8)
    pixels[:, :, 2] = np.linspace(120, 255, 200, dtype=np.uint8)
    pixels[40:110, 60:130] = (30, 60, 90)
    return Image.fromarray(pixels)


@pytest.fixture(scope="session")
def root_with_weights(tmp_path_factory):
    """A models folder whose annotators have random weights; as pickles, one as safetensors, transformers' as folders."""
    from safetensors.torch import save_file

    from pipelines.tasks.detectors import aux, torch

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("models")
    folder = root / "annotators" / "some" / "where"
    folder.mkdir(parents=True)
    norm = functools.partial(torch.nn.InstanceNorm2d, affine=False, track_running_stats=False)
    anime = aux("lineart_anime").UnetGenerator(3, 1, 8, 64, norm_layer=norm).state_dict()
    pidi = {f"module.{k}": v for k, v in aux("pidi.model").pidinet().state_dict().items()}
    body = {key.partition(".")[2]: v for key, v in aux("open_pose.model").bodypose_model().state_dict().items()}
    save_file(aux("hed").ControlNetHED_Apache2().state_dict(), folder / "ControlNetHED.safetensors")
    for name, state in (("table5_pidinet", {"state_dict": pidi}), ("sk_model", aux("lineart").Generator(3, 1, 3).state_dict()),
                        ("netG", {f"module.{k}": v for k, v in anime.items()}), ("body_pose_model", body),
                        ("mlsd_large_512_fp32", aux("mlsd.models.mbv2_mlsd_large").MobileV2_MLSD_Large().state_dict())):
        torch.save(state, folder / f"{name}.pth")
    depth_folders(root / "annotators")
    return root


def depth_folders(folder) -> None:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTConfig, DPTForDepthEstimation

    small = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 37}
    dino = Dinov2Config(**small, image_size=56, patch_size=14, out_features=["stage1", "stage2", "stage3", "stage4"],
                        reshape_hidden_states=False, apply_layernorm=True)
    anything = DepthAnythingConfig(backbone_config=dino, patch_size=14, reassemble_hidden_size=32, fusion_hidden_size=16,
                                   neck_hidden_sizes=[16] * 4, head_hidden_size=8)
    dpt = DPTConfig(**small, image_size=64, patch_size=16, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[16] * 4,
                    fusion_hidden_size=16, use_auxiliary_head=False)
    DepthAnythingForDepthEstimation(anything).save_pretrained(folder / "Depth-Anything-V2-Small-hf")
    DPTForDepthEstimation(dpt).save_pretrained(folder / "dpt-large")
