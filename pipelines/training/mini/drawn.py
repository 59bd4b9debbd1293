"""Renders that other processes draw into shared memory, for a learner quicker than one process can draw: a GPU's."""

from __future__ import annotations

import time
from random import Random

import numpy as np
import torch
from torch import multiprocessing

from pipelines.training.mini.pictures import HELD_OUT
from pipelines.training.mini.run import Plan
from pipelines.training.mini.world.draw import draw
from pipelines.training.mini.world.scene import Curriculum, sample

ROOM = 60_000  # pictures held, 196 kB each; when it is full, new ones take the place of the oldest
ENOUGH = 64  # drawn by each hand before the first batch


class Drawn:
    """A growing store of whole renders of one size, and the hands that fill it until the learner ends."""

    def __init__(self, plan: Plan, mix: Curriculum) -> None:
        width, height, _ = mix.sizes[0]
        self.hands, self.device = plan.hands, plan.device
        self.held = torch.empty(ROOM // self.hands * self.hands, height, width, 3, dtype=torch.uint8).share_memory_()
        self.filled = torch.zeros(self.hands, dtype=torch.int64).share_memory_()
        self.drawing = []
        for hand in range(self.hands):
            given = (hand, Random(plan.seed + 104_729 * hand), mix, self.held, self.filled)
            self.drawing.append(multiprocessing.get_context("spawn").Process(target=fill, args=given, daemon=True))
            self.drawing[-1].start()

    def close(self) -> None:
        """Let the hands rest; they would go on until this process ends."""
        for process in self.drawing:
            process.terminate()
            process.join()

    def batch(self, count: int) -> torch.Tensor:
        """(count, 3, height, width) in -1..1 on the plan's device; waits until every hand has drawn some."""
        while int(self.filled.min()) < ENOUGH:
            time.sleep(0.1)
        hand = torch.randint(self.hands, (count,))
        row = (torch.rand(count) * self.filled.clamp(max=len(self.held) // self.hands)[hand]).long()
        pixels = self.held[hand + self.hands * row].to(self.device, non_blocking=True)
        return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def fill(hand: int, rng: Random, mix: Curriculum, held: torch.Tensor, filled: torch.Tensor) -> None:
    """One hand: draws into its own rows, every `len(filled)`th, round and round."""
    torch.set_num_threads(1)
    hands = len(filled)
    while True:
        row = hand + hands * (int(filled[hand]) % (len(held) // hands))
        held[row] = torch.from_numpy(np.asarray(draw(sample(rng.randrange(HELD_OUT), mix))).copy())
        filled[hand] += 1
