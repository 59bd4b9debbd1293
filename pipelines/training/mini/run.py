"""What every training run shares: clock, learning rate, moving average, log, resumable checkpoints."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch


@dataclass(frozen=True)
class Plan:
    """How a stage is trained. `minutes` of wall clock decide the length, so the schedule follows the clock."""

    work: Path
    minutes: float
    seed: int = 0
    device: str = "cpu"
    batch: int = 16
    peak: float = 1e-3
    lean: float = 1.0  # of the base: above 1 it sees cleaner latents more often
    hands: int = 0  # processes that draw beside the learner; 0: it draws for itself, between its steps
    floor: float = 0.02  # share of the peak at the end
    warmup: int = 100  # steps


class Clock:
    """Wall-clock share of a plan that has passed, across resumptions."""

    def __init__(self, plan: Plan, spent: float = 0.0) -> None:
        self.plan, self.start = plan, time.monotonic() - spent

    @property
    def spent(self) -> float:
        """Seconds trained so far."""
        return time.monotonic() - self.start

    @property
    def share(self) -> float:
        """0 at the beginning, 1 when the minutes are over."""
        return min(1.0, self.spent / (self.plan.minutes * 60))

    def rate(self, step: int) -> float:
        """Learning rate: linear warm-up in steps, cosine in time."""
        cosine = self.plan.floor + (1 - self.plan.floor) * 0.5 * (1 + math.cos(math.pi * self.share))
        return self.plan.peak * min(1.0, (step + 1) / self.plan.warmup) * cosine


class Average:
    """Exponential moving average of parameters, with a short memory at the beginning."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], decay: float) -> None:
        self.live = [p for p in parameters if p.requires_grad]
        self.decay, self.mean, self.steps = decay, [p.detach().clone() for p in self.live], 0

    @torch.no_grad()
    def update(self) -> None:
        """One step towards the live values."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.mean, [p.detach() for p in self.live], 1 - decay)  # noqa: SLF001 - torch's own optimisers use it

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange live values and means; call twice to restore."""
        for live, mean in zip(self.live, self.mean, strict=True):
            kept = live.detach().clone()
            live.copy_(mean)
            mean.copy_(kept)


def adamw(model: torch.nn.Module, decay: float = 0.01) -> torch.optim.AdamW:
    """AdamW that decays matrices only."""
    live = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in live if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in live if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-8, fused=True)


@cache
def halves_pay(threads: int) -> bool:
    """Whether this processor convolves bfloat16 faster than float32: of two with AVX512_BF16 one did, one took twice the time."""
    if not torch.cpu._is_avx512_bf16_supported():  # noqa: SLF001 - torch has no public question for it
        return False
    seen, kernel = torch.randn(8, 96, 16, 16), torch.randn(96, 96, 3, 3)
    seconds = []
    for kind in (torch.bfloat16, torch.float32):
        pair = [t.to(kind, memory_format=torch.channels_last) for t in (seen, kernel)]
        times = []
        for _ in range(5):
            start = time.perf_counter()
            torch.nn.functional.conv2d(*pair, padding=1)
            times.append(time.perf_counter() - start)
        seconds.append(min(times))
    return seconds[0] < seconds[1]


def quick(device: str) -> torch.autocast:
    """bfloat16 where it is faster: on a GPU, and on a processor that has shown so."""
    return torch.autocast(device, torch.bfloat16, enabled=device != "cpu" or halves_pay(torch.get_num_threads()))


def log(plan: Plan, stage: str, **values: float) -> None:
    """One JSON line to `<work>/<stage>.jsonl` and to the screen."""
    line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()})
    with (plan.work / f"{stage}.jsonl").open("a") as file:
        file.write(line + "\n")
    print(stage, line, flush=True)


def keep(path: Path, state: dict) -> None:
    """Write a checkpoint so that a crash leaves the former one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def recall(path: Path) -> dict | None:
    """The checkpoint, or None where there is none yet."""
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None
