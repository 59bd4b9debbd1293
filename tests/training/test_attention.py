"""On a CPU the nets are taught with attention by plain products: another way to the same numbers."""

from __future__ import annotations

import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

from pipelines.training.mini import base
from pipelines.training.mini.vae import CHANNELS


def test_plain_attention_says_what_the_fused_says() -> None:
    torch.manual_seed(0)
    model = base.build().eval()
    noisy, states = torch.randn(1, CHANNELS, 16, 16), torch.randn(1, 77, 192)
    with torch.no_grad():
        fused = model(noisy, 500, states).sample
        base.plain_attention(model, "cpu")
        plain = model(noisy, 500, states).sample
    assert {type(one) for one in model.attn_processors.values()} == {AttnProcessor}
    assert torch.allclose(fused, plain, atol=1e-4), (fused - plain).abs().max()


def test_a_gpu_keeps_the_fused_one() -> None:
    model = base.build()
    base.plain_attention(model, "cuda")
    assert {type(one) for one in model.attn_processors.values()} == {AttnProcessor2_0}
