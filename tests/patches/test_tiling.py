"""Seamless tiling wraps every padded convolution while it is on and leaves no trace."""

from __future__ import annotations

import torch
from torch import nn

from pipelines.patches.tiling import seamless


def test_the_picture_continues_at_its_opposite_edge() -> None:
    net = nn.Conv2d(1, 1, 3, padding=1)
    x = torch.randn(1, 1, 8, 8)
    with seamless([net]):
        whole = net(x)
        rolled = net(x.roll((3, 5), (2, 3)))
    assert torch.allclose(whole.roll((3, 5), (2, 3)), rolled, atol=1e-6)


def test_leaving_it_restores_outputs_bit_for_bit() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 1, 1))
    x = torch.randn(1, 1, 8, 8)
    before = net(x)
    with seamless([net]):
        assert not torch.equal(net(x), before)
    assert torch.equal(net(x), before)
    assert [m.padding_mode for m in net] == ["zeros", "zeros"]
