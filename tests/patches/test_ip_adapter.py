"""IP-Adapter files are told apart, refused for another family, and leave the shared model bit for bit as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipelines.patches.ip_adapter import Kind, ip_adapter, look, recognise
from pipelines.prompt.embed import embed
from pipelines.spec.errors import FieldError, ModelFileError


def tensors(unet: Any, variant: str = "plain", image_width: int = 24) -> dict[str, torch.Tensor]:
    """A file of the published layout, as wide as `unet`, with random weights."""
    source, width = torch.Generator().manual_seed(1), unet.config.cross_attention_dim

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=source) * 0.5

    if variant == "plain":
        parts = {"proj.weight": drawn(4 * width, image_width), "proj.bias": drawn(4 * width), "norm.weight": torch.ones(width),
                 "norm.bias": torch.zeros(width)}
    else:
        parts = {"latents": drawn(1, 4, 64), "proj_in.weight": drawn(64, image_width), "proj_in.bias": drawn(64),
                 "proj_out.weight": drawn(width, 64), "proj_out.bias": drawn(width), "norm_out.weight": torch.ones(width),
                 "norm_out.bias": torch.zeros(width)}
        block = {"0.norm1.weight": torch.ones(64), "0.norm1.bias": torch.zeros(64), "0.norm2.weight": torch.ones(64),
                 "0.norm2.bias": torch.zeros(64), "0.to_q.weight": drawn(64, 64), "0.to_kv.weight": drawn(128, 64),
                 "0.to_out.weight": drawn(64, 64), "1.0.weight": torch.ones(64), "1.0.bias": torch.zeros(64),
                 "1.1.weight": drawn(256, 64), "1.3.weight": drawn(64, 256)}
        parts |= {f"layers.{layer}.{k}": v for layer in range(4) for k, v in block.items()}
    made = {f"image_proj.{k}": v for k, v in parts.items()}
    crossing = [(i, n) for i, n in enumerate(unet.attn_processors) if "attn2" in n]
    for index, name in crossing:
        inner = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
        made |= {f"ip_adapter.{index}.to_{kind}_ip.weight": drawn(inner, width) for kind in "kv"}
    return made


def run(pipe: Any, **more: Any) -> torch.Tensor:
    pipe.set_progress_bar_config(disable=True)
    return pipe(**embed(pipe, "a red car", "night"), **more, width=16, height=16, num_inference_steps=2, guidance_scale=3.0,
                output_type="latent", generator=torch.Generator().manual_seed(0)).images


@pytest.mark.parametrize("variant", ["plain", "plus"])
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_the_picture_is_seen_and_the_model_is_given_back(family: str, variant: str, request: Any) -> None:
    pipe = request.getfixturevalue(family)
    picture = torch.randn(*((2, 1, 24) if variant == "plain" else (2, 1, 5, 24)), generator=torch.Generator().manual_seed(2))
    before, state = run(pipe), {k: v.clone() for k, v in pipe.unet.state_dict().items()}
    processors, config = dict(pipe.unet.attn_processors), dict(pipe.unet.config)
    parts = {k: id(v) for k, v in pipe.components.items()}
    with ip_adapter(pipe, tensors(pipe.unet, variant), picture) as call:
        assert not torch.equal(run(pipe, **call), before)
    after = pipe.unet.state_dict()
    assert after.keys() == state.keys() and all(torch.equal(after[k], state[k]) for k in state)
    assert all(pipe.unet.attn_processors[k] is v for k, v in processors.items())
    assert dict(pipe.unet.config) == config
    assert {k: id(v) for k, v in pipe.components.items()} == parts
    assert torch.equal(run(pipe), before)


def test_a_scale_of_zero_shows_no_picture(sd: Any) -> None:
    with ip_adapter(sd, tensors(sd.unet), torch.randn(2, 1, 24), scale=0.0) as call:
        unseen = run(sd, **call)
    assert torch.allclose(unseen, run(sd), atol=1e-5)


def test_an_error_inside_gives_the_model_back(sd: Any) -> None:
    processors = dict(sd.unet.attn_processors)
    with pytest.raises(KeyError), ip_adapter(sd, tensors(sd.unet), torch.randn(2, 1, 24)):
        raise KeyError("cancelled")
    assert all(sd.unet.attn_processors[k] is v for k, v in processors.items())
    assert sd.unet.encoder_hid_proj is None


def test_another_family_and_another_encoder_are_refused(sd: Any, sdxl: Any) -> None:
    with pytest.raises(FieldError, match="another family"), ip_adapter(sd, tensors(sdxl.unet), torch.randn(2, 1, 24)):
        pytest.fail("it began")
    with pytest.raises(FieldError, match="24 wide"), ip_adapter(sd, tensors(sd.unet), torch.randn(2, 1, 7)):
        pytest.fail("it began")


def test_a_file_with_a_key_short_is_refused_and_nothing_stays(sd: Any) -> None:
    processors, short = dict(sd.unet.attn_processors), tensors(sd.unet)
    short.pop(next(k for k in short if "to_v_ip" in k))
    with pytest.raises(ModelFileError, match="do not fit"), ip_adapter(sd, short, torch.randn(2, 1, 24)):
        pytest.fail("it began")
    assert all(sd.unet.attn_processors[k] is v for k, v in processors.items())


FILES = {
    "ip-adapter_sd15": ({"image_proj.proj.weight": (3072, 1024)}, Kind("plain", 768, 1024)),
    "ip-adapter_sdxl": ({"image_proj.proj.weight": (8192, 1280)}, Kind("plain", 2048, 1280)),
    "ip-adapter-plus_sd15": ({"image_proj.latents": (1, 16, 768), "image_proj.proj_in.weight": (768, 1280),
                              "image_proj.proj_out.weight": (768, 768)}, Kind("plus", 768, 1280)),
    "ip-adapter-full-face_sd15": ({"image_proj.proj.0.weight": (1280, 1280), "image_proj.proj.3.weight": (768,)},
                                  Kind("full", 768, 1280)),
}


@pytest.mark.parametrize(("shapes", "kind"), FILES.values(), ids=FILES)
def test_the_published_files_are_told_apart(shapes: dict, kind: Kind) -> None:
    assert recognise(shapes | {"ip_adapter.1.to_k_ip.weight": (320, kind.width)}) == kind


@pytest.mark.parametrize(("shapes", "says"), [
    ({"conv.weight": (3, 3)}, "no IP-Adapter"),
    ({"image_proj.perceiver_resampler.proj_in.weight": (8, 8), "ip_adapter.1.to_k_ip.weight": (8, 8)}, "FaceID")])
def test_other_files_are_refused_by_name(shapes: dict, says: str) -> None:
    with pytest.raises(ModelFileError, match=says):
        recognise(shapes)


@pytest.mark.parametrize(("variant", "shape"), [("plain", (2, 3, 24)), ("plus", (2, 3, 5, 32))])
def test_the_image_encoder_gives_what_the_adapter_takes(variant: str, shape: tuple[int, ...]) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=16,
        projection_dim=24)).eval()
    assert look(encoder, torch.randn(3, 3, 32, 32), Kind(variant, 32, shape[-1])).shape == shape
