"""The first noise of every picture, drawn on the CPU so that a seed names the same noise on every device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.spec.request import GenerationRequest

if TYPE_CHECKING:
    from torch import Generator, Tensor


def generator(request: GenerationRequest) -> Generator:
    """The source of all randomness of one picture. Noise is drawn from it first, then the sampler's own noise."""
    import torch

    return torch.Generator("cpu").manual_seed(request.seed)


def first_noise(request: GenerationRequest, source: Generator, shape: tuple[int, int, int]) -> Tensor:
    """Unit normal noise of `shape` (channels, height, width) in latent pixels, float32, with the variation mixed in."""
    import torch

    noise = torch.randn(shape, generator=source)
    variation = request.variation
    if variation is None or variation.strength == 0:
        return noise
    other = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(variation.seed))
    return slerp(noise, other, variation.strength)


def slerp(a: Tensor, b: Tensor, part: float) -> Tensor:
    """Spherical interpolation from `a` (part 0) to `b` (part 1): keeps the norm that samplers expect of noise."""
    import torch

    cosine = (a * b).sum() / (a.norm() * b.norm())
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle.abs() < 1e-4:      # nearly the same direction: the sines below would divide by zero
        return torch.lerp(a, b, part)
    return (torch.sin((1 - part) * angle) * a + torch.sin(part * angle) * b) / torch.sin(angle)
