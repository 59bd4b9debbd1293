"""PhotoMaker's ID encoder, v1 and v2, under the key names of the published files, at any width.

Plain modules: they train like any other. Shapes in the docstrings: b prompts, n photos each, d the prompt's width.
The equations follow the reference (Apache-2.0); the vision tower is transformers' CLIP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Vision:
    """Sizes of the CLIP image tower; the defaults are ViT-L/14's."""

    hidden: int = 1024
    inner: int = 4096
    layers: int = 24
    heads: int = 16
    patch: int = 14
    image: int = 224


@dataclass(frozen=True)
class Perceiver:
    """Sizes of v2's face branch. `face` is the length of a face vector, `tokens` how many id tokens a photo gives."""

    face: int = 512
    tokens: int = 2
    depth: int = 4
    head_width: int = 128
    heads: int = 16


@dataclass(frozen=True)
class IdConfig:
    """`projections`: width of each text encoder's part; their sum is the prompt's width. `perceiver` makes it a v2."""

    vision: Vision = Vision()
    projections: tuple[int, ...] = (768, 1280)
    perceiver: Perceiver | None = None

    @property
    def width(self) -> int:
        return sum(self.projections)

    @property
    def version(self) -> int:
        return 1 if self.perceiver is None else 2

    @property
    def tokens(self) -> int:
        """Id tokens a photo."""
        return 1 if self.perceiver is None else self.perceiver.tokens


V1 = IdConfig()
V2 = IdConfig(perceiver=Perceiver())
MINI = IdConfig(Vision(hidden=192, inner=768, layers=6, heads=6, patch=16, image=128), projections=(192,))


class Mlp(nn.Module):
    """LayerNorm, Linear, GELU, Linear; its input is added where `residual`."""

    def __init__(self, width_in: int, width: int, residual: bool) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(width_in)
        self.fc1 = nn.Linear(width_in, width)
        self.fc2 = nn.Linear(width, width)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc2(nn.functional.gelu(self.fc1(self.layernorm(x))))
        return y + x if self.residual else y


class FuseModule(nn.Module):
    """Merges id tokens into the class word's embeddings."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp1 = Mlp(2 * width, width, residual=False)
        self.mlp2 = Mlp(width, width, residual=True)
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, prompt: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """prompt (b, t, d), ids (b, n, k, d), mask (b, t) bool with n·k set a row -> a new (b, t, d).

        Raises ValueError when the mask and the ids disagree. The prompt given is left as it is.
        """
        rows = ids.reshape(-1, ids.shape[-1])
        if int(mask.sum()) != rows.shape[0]:
            raise ValueError(f"{int(mask.sum())} class tokens for {rows.shape[0]} id tokens")
        tokens = prompt[mask]
        fused = self.mlp1(torch.cat([tokens, rows.to(tokens.dtype)], dim=-1)) + tokens
        fused = self.layer_norm(self.mlp2(fused))
        result = prompt.clone()
        result[mask] = fused.to(prompt.dtype)
        return result


class PerceiverAttention(nn.Module):
    """Latents look at the picture's tokens and at themselves."""

    def __init__(self, width: int, head_width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, head_width ** -0.25
        inner = head_width * heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, latents: Tensor) -> Tensor:
        x, latents = self.norm1(x), self.norm2(latents)
        key, value = self.to_kv(torch.cat([x, latents], dim=1)).chunk(2, dim=-1)
        query, key, value = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (self.to_q(latents), key, value))
        # The scale goes onto both sides, so that half precision does not overflow in their product.
        weight = ((query * self.scale) @ (key * self.scale).transpose(-2, -1)).float().softmax(dim=-1).to(query.dtype)
        return self.to_out((weight @ value).transpose(1, 2).flatten(2))


class FacePerceiverResampler(nn.Module):
    """Refines face latents with the tokens of the picture: (b, m, width_out) and (b, p, width_in) -> (b, m, width_out)."""

    def __init__(self, width: int, width_in: int, width_out: int, sizes: Perceiver) -> None:
        super().__init__()
        self.proj_in, self.proj_out = nn.Linear(width_in, width), nn.Linear(width, width_out)
        self.norm_out = nn.LayerNorm(width_out)
        self.layers = nn.ModuleList(
            nn.ModuleList([
                PerceiverAttention(width, sizes.head_width, sizes.heads),
                nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width, bias=False), nn.GELU(),
                              nn.Linear(4 * width, width, bias=False)),
            ]) for _ in range(sizes.depth))

    def forward(self, latents: Tensor, x: Tensor) -> Tensor:
        x = self.proj_in(x)
        for layer in self.layers:
            attention, feed = cast(nn.ModuleList, layer)
            latents = attention(x, latents) + latents
            latents = feed(latents) + latents
        return self.norm_out(self.proj_out(latents))


class FaceBranch(nn.Module):
    """v2: a recognition vector becomes `tokens` id tokens, refined by the picture."""

    def __init__(self, width: int, vision: int, sizes: Perceiver) -> None:
        super().__init__()
        self.tokens, self.width = sizes.tokens, width
        self.token_proj = nn.Sequential(nn.Linear(sizes.face, 4 * sizes.face), nn.GELU(),
                                        nn.Linear(4 * sizes.face, width * sizes.tokens))
        self.token_norm = nn.LayerNorm(width)
        self.perceiver_resampler = FacePerceiverResampler(width, vision, width, sizes)

    def forward(self, faces: Tensor, picture: Tensor) -> Tensor:
        """faces (m, face) as the recogniser gives them, not normalised; picture (m, p, vision) -> (m, tokens, width)."""
        x = self.token_norm(self.token_proj(faces).unflatten(-1, (self.tokens, self.width)))
        return x + self.perceiver_resampler(x, picture)


class IdEncoder(nn.Module):
    """Photos and a prompt's embeddings to embeddings that carry the likeness."""

    def __init__(self, config: IdConfig) -> None:
        super().__init__()
        from transformers import CLIPVisionConfig, CLIPVisionModel

        vision, self.config = config.vision, config
        self.vision_model = CLIPVisionModel(CLIPVisionConfig(
            hidden_size=vision.hidden, intermediate_size=vision.inner, num_hidden_layers=vision.layers,
            num_attention_heads=vision.heads, patch_size=vision.patch, image_size=vision.image,
            projection_dim=config.projections[0]))
        for number, width in enumerate(config.projections, 1):
            setattr(self, _projection(number), nn.Linear(vision.hidden, width, bias=False))
        self.fuse_module = FuseModule(config.width)
        if config.perceiver is not None:
            self.qformer_perceiver = FaceBranch(config.width, vision.hidden, config.perceiver)

    def identity(self, pixels: Tensor, faces: Tensor | None = None) -> Tensor:
        """Id tokens (b, n, tokens, d) of photos (b, n, 3, side, side); v2 needs `faces` (b, n, face)."""
        b, n = pixels.shape[:2]
        seen = self.vision_model(pixels.flatten(0, 1))
        if self.config.perceiver is None:
            parts = [getattr(self, _projection(i + 1))(seen.pooler_output) for i in range(len(self.config.projections))]
            ids = torch.cat(parts, dim=-1)[:, None]
        else:
            if faces is None:
                raise ValueError("a version 2 encoder needs face vectors")
            ids = self.qformer_perceiver(faces.flatten(0, 1), seen.last_hidden_state)
        return ids.unflatten(0, (b, n))

    def forward(self, pixels: Tensor, prompt: Tensor, mask: Tensor, faces: Tensor | None = None) -> Tensor:
        """(b, n, 3, side, side), (b, t, d), (b, t) bool -> (b, t, d)."""
        return self.fuse_module(prompt, self.identity(pixels, faces), mask)


def _projection(number: int) -> str:
    return "visual_projection" if number == 1 else f"visual_projection_{number}"
