"""A start for the autoencoder: it begins as a sixteenfold blur that already has the right colours, and learns the rest.

From a random start such a narrow, deep network learns one scalar of the picture after the other (lightness first, colours many
thousand steps later). Here the residual path carries red, green and blue through from the first step on. The two normalised
SiLU layers at the ends are crossed exactly by pairs, since silu(x) - silu(-x) = x.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import nn

RGB = 3
STEADY = 1.5  # two constant channels that keep the last normalisation from adapting to each picture's contrast


def average2() -> torch.Tensor:
    """3x3 kernel of a stride-2 convolution padded right and below: the mean of 2x2."""
    kernel = torch.zeros(3, 3)
    kernel[:2, :2] = 0.25
    return kernel


def smooth() -> torch.Tensor:
    """3x3 binomial kernel; after nearest upsampling it interpolates."""
    line = torch.tensor([0.25, 0.5, 0.25])
    return line[:, None] * line


def spot(size: int) -> torch.Tensor:
    """The kernel that does nothing."""
    kernel = torch.zeros(size, size)
    kernel[size // 2, size // 2] = 1
    return kernel


def pass_on(conv: nn.Conv2d, kernel: torch.Tensor, pairs: bool = False) -> None:
    """Let output channels 0..2 carry input channels 0..2 through the kernel, and 3..5 their negatives when `pairs`."""
    rows = 2 * RGB if pairs else RGB
    conv.weight[:rows] *= 0.05
    conv.bias[:rows] = 0
    for c in range(RGB):
        conv.weight[c, c] = kernel
        if pairs:
            conv.weight[c + RGB, c] = -kernel


def take_pairs(conv: nn.Conv2d, scale: float) -> None:
    """Output channels 0..2 become the differences of the pairs behind a SiLU."""
    conv.weight[:RGB] *= 0.05
    conv.bias[:RGB] = 0
    for c in range(RGB):
        conv.weight[c, c] = scale * spot(conv.kernel_size[0])
        conv.weight[c, c + RGB] = -scale * spot(conv.kernel_size[0])


@torch.no_grad()
def begin_as_blur(model: AutoencoderKL) -> None:
    """Set the weights in place."""
    for name, module in model.named_modules():
        if name.endswith("conv2") and isinstance(module, nn.Conv2d):  # each residual branch begins quietly
            module.weight *= 0.3
            module.weight[: 2 * RGB + 2] *= 0.1
            module.bias.zero_()
        elif name.endswith("conv_shortcut"):
            pass_on(module, spot(1))
    encoder, decoder = model.encoder, model.decoder
    pass_on(encoder.conv_in, spot(3))
    downs = [block.downsamplers[0].conv for block in encoder.down_blocks if block.downsamplers]
    for conv in downs:
        pass_on(conv, average2())
    last = encoder.down_blocks[-1].resnets[0]
    pass_on(last.conv_shortcut or downs[-1], spot(1) if last.conv_shortcut else average2(), pairs=True)
    take_pairs(encoder.conv_out, 1.0)
    for conv in (model.quant_conv, model.post_quant_conv):
        conv.weight.zero_()
        conv.bias.zero_()
        for c in range(min(conv.weight.shape[:2])):
            conv.weight[c, c] = 1
    pass_on(decoder.conv_in, spot(3))
    for block in decoder.up_blocks:
        for upsampler in block.upsamplers or ():
            pass_on(upsampler.conv, smooth())
    end = decoder.up_blocks[-1].resnets[0].conv_shortcut
    pass_on(end, spot(1), pairs=True)
    end.weight[2 * RGB :] *= 0.05
    end.bias[2 * RGB :] = 0
    end.bias[2 * RGB : 2 * RGB + 2] = torch.tensor([STEADY, -STEADY])
    take_pairs(decoder.conv_out, 0.9)
