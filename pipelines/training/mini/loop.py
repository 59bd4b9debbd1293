"""The loop that all makers share: resume, learning rate, step, moving average, log line, checkpoint. Knows no model and no data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch

from pipelines.training.mini.crew import Crew
from pipelines.training.mini.run import Average, Clock, Plan, adamw, keep, log, recall


@dataclass(frozen=True)
class Habit:
    """memory: decay of the moving average. decay: AdamW's. line: steps between log lines. minutes: between checkpoints."""

    memory: float = 0.998
    decay: float = 0.01
    line: int = 50
    minutes: float = 3.0


STEADY = Habit()


class Training:
    """One stage while it is trained: `while training.goes_on(): training.learn(loss)`.

    Its checkpoint `<work>/<stage>.pt` holds what a later call needs to go on: weights, average, optimiser, steps, seconds.
    """

    def __init__(self, plan: Plan, stage: str, model: torch.nn.Module, crew: Crew | None = None, habit: Habit = STEADY) -> None:
        self.plan, self.stage, self.model, self.habit = plan, stage, model, habit
        self.crew = crew or Crew(plan, 0, 1)
        state = recall(self.path)
        if state:
            model.load_state_dict(state["model"])
        model.to(plan.device).train()
        self.optimiser = adamw(model, self.habit.decay)
        self.average = Average(model.parameters(), self.habit.memory)
        self.step, self.clock = 0, Clock(plan, state["spent"] if state else 0.0)
        if state:
            if state["optimiser"]:
                self.optimiser.load_state_dict(state["optimiser"])
            self.average.mean, self.average.steps = [m.to(plan.device) for m in state["mean"]], state["step"]
            self.step = state["step"]
        luck = plan.seed + self.step + 7919 * self.crew.rank  # another member, or a later call, sees other pictures
        self.rng = Random(luck)
        torch.manual_seed(luck)
        self.seen: list[dict[str, torch.Tensor]] = []
        self.since = self.kept = time.monotonic()

    @property
    def path(self) -> Path:
        """The stage's checkpoint."""
        return self.plan.work / f"{self.stage}.pt"

    def goes_on(self) -> bool:
        """Whether there is time for a step; sets its learning rate. The leader keeps a last checkpoint when there is none."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.clock.rate(self.step)
        going = self.crew.meet(self.step, self.average.live, self.clock.share < 1)
        if not going and self.crew.leads:
            self.keep()
        return going

    def learn(self, total: torch.Tensor, **shown: torch.Tensor) -> bool:
        """One step down a loss; True when a checkpoint was written. `shown`: what else to log, `loss` in place of the total."""
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.average.live, 1.0)
        self.optimiser.step()
        self.average.update()
        self.seen.append({name: value.detach() for name, value in {"loss": total, **shown}.items()})  # read later: a GPU runs on
        self.step += 1
        if self.step % self.habit.line == 0:
            self.say()
        if self.crew.leads and time.monotonic() - self.kept > self.habit.minutes * 60:
            self.keep()
            return True
        return False

    def say(self) -> None:
        """A log line of the steps since the last one."""
        if self.crew.leads:
            means = {name: sum(float(row[name]) for row in self.seen) / len(self.seen) for name in self.seen[0]}
            minutes, pace = self.clock.spent / 60, (time.monotonic() - self.since) / len(self.seen)
            log(self.plan, self.stage, step=self.step, minutes=minutes, **means, rate=self.clock.rate(self.step), pace=pace)
        self.seen, self.since = [], time.monotonic()

    def keep(self) -> None:
        """Write the checkpoint."""
        held = {"model": self.model.state_dict(), "mean": self.average.mean, "optimiser": self.optimiser.state_dict()}
        keep(self.path, {**held, "step": self.step, "spent": self.clock.spent})
        self.kept = time.monotonic()


def averaged(model: torch.nn.Module, path: Path) -> bool:
    """Put a checkpoint's averaged weights into the model; False where there is no such file, and the model stays as it is."""
    state = recall(path)
    if state is None:
        return False
    model.load_state_dict(state["model"])
    live = [p for p in model.parameters() if p.requires_grad]
    for parameter, mean in zip(live, state["mean"], strict=True):
        parameter.data.copy_(mean)
    return True


def ripe(model: torch.nn.Module, path: Path) -> torch.nn.Module:
    """The model with a checkpoint's averaged weights, ready for use. Raises FileNotFoundError where it has not been trained."""
    if not averaged(model, path):
        raise FileNotFoundError(path)
    return model.eval().requires_grad_(False)
