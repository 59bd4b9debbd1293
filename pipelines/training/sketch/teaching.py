"""Trains the predictor of arXiv 2211.13752: from the UNet's activations at any noise level to the latent of the edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from pipelines.patches.sketch_guidance import HOOKS, EdgePredictor, watching
from pipelines.prompt.embed import embed
from pipelines.spec.errors import FieldError
from pipelines.spec.events import Emit, Stage, Step
from pipelines.training.sketch.lessons import Lesson

SILENT = 0.1  # share of lessons without words, so that the predictor reads unprompted passes too


@dataclass(frozen=True)
class Teaching:
    """hooks: which activations are read (`HOOKS`).   rate: Adam's.   Everything random comes from `seed`."""

    hooks: str = "paper"
    steps: int = 4000
    batch: int = 4
    rate: float = 1e-4
    seed: int = 0


def teach(pipe: Any, taught: Sequence[Lesson], how: Teaching, emit: Emit) -> tuple[EdgePredictor, list[float]]:
    """The trained predictor, ready to guide, and the loss of every step. Raises FieldError for a model without the layers."""
    torch.manual_seed(how.seed)
    rng, hooks, unet = Random(how.seed), HOOKS[how.hooks], pipe.unet
    if getattr(unet.config, "addition_embed_type", None):
        raise FieldError(
            "Model", type(unet).__name__, "Stable Diffusion XL has no guidance predictors", "Stable Diffusion 1.x, 2.x, mini"
        )
    said: dict[str, Tensor] = {}
    predictor, optimiser, losses = None, None, []
    alphas = pipe.scheduler.alphas_cumprod
    emit(Stage("teaching"))
    for step in range(how.steps):
        rows = [taught[rng.randrange(len(taught))] for _ in range(min(how.batch, len(taught)))]
        words = torch.cat([_words(pipe, "" if rng.random() < SILENT else row.words, said) for row in rows])
        clean = torch.cat([row.clean for row in rows]).to(unet.device, unet.dtype)
        at = torch.tensor([rng.randrange(len(alphas)) for _ in rows])
        level = alphas[at].to(clean)[:, None, None, None]
        noise = (1 - level).sqrt() * torch.randn(clean.shape).to(clean)
        with torch.no_grad(), watching(unet, hooks) as activations:
            unet(level.sqrt() * clean + noise, at.to(unet.device), words)
            seen = [part.float() for part in activations()]
        if predictor is None or optimiser is None:
            predictor = EdgePredictor(sum(part.shape[1] for part in seen), clean.shape[1]).to(unet.device).train()
            optimiser = torch.optim.Adam(predictor.parameters(), how.rate)
        goal = torch.cat([row.edges for row in rows]).to(unet.device).float()
        loss = functional.mse_loss(predictor(seen, noise), goal)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        emit(Step(2, 2, step + 1, how.steps))
    if predictor is None:
        raise FieldError("Steps", how.steps, "too small", "1 or more")
    return predictor.eval().requires_grad_(False), losses


def write(predictor: EdgePredictor, path: Path, hooks: str) -> None:
    """In the published key layout; the metadata names the activations it reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.cpu().contiguous() for k, v in predictor.state_dict().items()}
    save_file(tensors, path, metadata={"format": "pt", "hooks": hooks})


def _words(pipe: Any, words: str, said: dict[str, Tensor]) -> Tensor:
    if words not in said:
        with torch.no_grad():
            said[words] = embed(pipe, words)["prompt_embeds"][:, : pipe.tokenizer.model_max_length]
    return said[words]
