"""Several single-threaded processes that train one model: each takes its own steps, and every few steps all weights are averaged.

On two cores shared with other work this doubles the pace of one process with two threads: threads meet at every operation and
wait for whichever was descheduled, a crew meets once in `EVERY` steps. (Local SGD, arXiv 1805.09767.)
"""

from __future__ import annotations

import torch
from torch import distributed
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from pipelines.training.mini.run import Plan

EVERY = 8


class Crew:
    """One member's view: its rank, and the meeting with the others."""

    def __init__(self, plan: Plan, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        if size > 1:
            distributed.init_process_group("gloo", init_method=f"file://{plan.work / 'meeting'}", rank=rank, world_size=size)

    @property
    def leads(self) -> bool:
        """Whether this member logs and keeps checkpoints."""
        return self.rank == 0

    @torch.no_grad()
    def meet(self, step: int, tensors: list[torch.Tensor], going_on: bool) -> bool:
        """Average the tensors over the crew every few steps; True while the leader wants to go on."""
        if self.size == 1:
            return going_on
        if step % EVERY:
            return True
        flat = _flatten_dense_tensors([t.detach().contiguous() for t in tensors])
        word = torch.tensor([float(going_on and self.leads)])
        distributed.all_reduce(flat)
        distributed.all_reduce(word)
        for tensor, mean in zip(tensors, _unflatten_dense_tensors(flat / self.size, tensors), strict=True):
            tensor.copy_(mean)
        return bool(word > 0)
