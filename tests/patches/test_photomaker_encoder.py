"""The ID encoder equals the reference: key names, golden numbers, and files that load or say why not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pipelines.patches.photomaker.encoder import (
    V1,
    V2,
    FacePerceiverResampler,
    FuseModule,
    IdConfig,
    IdEncoder,
    Perceiver,
    Vision,
)
from pipelines.patches.photomaker.state import adapter, config_of
from pipelines.spec.errors import ModelFileError

TINY = Vision(hidden=128, inner=32, layers=2, heads=2, patch=16, image=32)


def filled(module: nn.Module) -> nn.Module:
    """Every parameter by its place in the sorted list, as the golden numbers were computed."""
    for i, (name, p) in enumerate(sorted(module.named_parameters())):
        wave = torch.sin(torch.arange(p.numel(), dtype=torch.float64) * 0.37 + i) * 0.05
        scale = p.ndim == 1 and name.endswith("weight")
        p.data = (wave + scale).reshape(p.shape).float()
    return module


def wave(*shape: int, a: float) -> Tensor:
    return torch.sin(torch.arange(math.prod(shape), dtype=torch.float64) * a).reshape(shape).float()


@pytest.mark.parametrize(("config", "keys"), [(V1, 407), (V2, 463)], ids=["v1", "v2"])
def test_the_published_files_have_as_many_keys(config: IdConfig, keys: int) -> None:
    with torch.device("meta"):
        state = IdEncoder(config).state_dict()
    assert len(state) == keys
    assert state["fuse_module.mlp1.fc1.weight"].shape == (2048, 4096)
    assert state["visual_projection_2.weight"].shape == (1280, 1024)
    assert config_of({k: tuple(v.shape) for k, v in state.items()}, {}) == config


def test_the_fuse_module_gives_the_golden_numbers_and_leaves_its_input() -> None:
    prompt, mask = wave(1, 6, 8, a=0.11), torch.tensor([[False, False, True, True, True, False]])
    before = prompt.clone()
    with torch.no_grad():
        out = filled(FuseModule(8))(prompt, wave(1, 3, 1, 8, a=0.23), mask)
    golden = torch.tensor([1.481945, 1.281151, 0.344329, 0.589699, -0.699059, -0.085842, -1.614776, -0.878805])
    assert torch.allclose(out[0, 2], golden, atol=1e-4)
    assert torch.equal(out[0, 5], prompt[0, 5])
    assert float(out.sum()) == pytest.approx(3.829906, abs=1e-4)
    assert torch.equal(prompt, before)


def test_the_resampler_gives_the_golden_numbers() -> None:
    resampler = filled(FacePerceiverResampler(16, 12, 16, Perceiver(depth=2, head_width=4, heads=4)))
    with torch.no_grad():
        out = resampler(wave(1, 2, 16, a=0.11), wave(1, 5, 12, a=0.19))
    assert torch.allclose(out[0, 0, :4], torch.tensor([-0.423143, -0.836699, -1.145553, -1.315412]), atol=1e-4)
    assert torch.allclose(out[0, 1, :4], torch.tensor([-0.058805, 0.395696, 0.790865, 1.083432]), atol=1e-4)
    assert float(out.abs().sum()) == pytest.approx(29.23619, abs=1e-4)


def test_a_mask_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 class tokens for 3 id tokens"):
        FuseModule(8)(torch.zeros(1, 4, 8), torch.zeros(1, 3, 1, 8), torch.tensor([[True, True, False, False]]))


@pytest.mark.parametrize("perceiver", [None, Perceiver(face=16, depth=1, head_width=128, heads=1)], ids=["v1", "v2"])
def test_an_encoder_comes_back_from_its_tensors(perceiver: Perceiver | None) -> None:
    torch.manual_seed(0)
    encoder = IdEncoder(IdConfig(TINY, (24, 40), perceiver)).eval()
    tensors = {f"id_encoder.{k}": v for k, v in encoder.state_dict().items()}
    old = {"id_encoder.vision_model.embeddings.position_ids": torch.arange(5)[None]}
    back = adapter(tensors | old | {"lora_weights.unet.x": torch.zeros(1)}).encoder
    photos, faces = torch.randn(1, 2, 3, 32, 32), torch.randn(1, 2, 16)
    assert torch.equal(back.identity(photos, faces), encoder.identity(photos, faces))
    assert back.config.version == (1 if perceiver is None else 2)


SPOILED = {
    "no encoder": (lambda t: {"lora_weights.x": torch.zeros(1)}, "holds no id_encoder"),
    "a key short": (lambda t: {k: v for k, v in t.items() if "mlp2.fc1.bias" not in k}, "fc1.bias is missing"),
    "a key too many": (lambda t: t | {"id_encoder.more": torch.zeros(1)}, "more is not part"),
    "another shape": (lambda t: t | {"id_encoder.fuse_module.mlp2.fc1.bias": torch.zeros(3)}, "has the shape"),
    "another layout": (lambda t: {"id_encoder.x": torch.zeros(1)}, "has not PhotoMaker's layout"),
}


@pytest.mark.parametrize(("spoil", "says"), SPOILED.values(), ids=SPOILED)
def test_a_spoiled_file_says_what_is_wrong(spoil, says: str) -> None:
    tensors = {f"id_encoder.{k}": v for k, v in IdEncoder(IdConfig(TINY, (64,))).state_dict().items()}
    with pytest.raises(ModelFileError, match=says):
        adapter(spoil(tensors))
