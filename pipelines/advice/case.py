"""One request as the advice sees it: the request, its family, its sampler's facts and its prompt, read once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from pipelines.advice.book import Book, Scale
from pipelines.advice.prompts import Reading, Vocabulary
from pipelines.spec.geometry import Size
from pipelines.spec.request import GenerationRequest


class FamilyLike(Protocol):
    """What the advice asks of a model family."""

    @property
    def name(self) -> str: ...
    @property
    def native_px(self) -> int: ...
    @property
    def sizes(self) -> Mapping[str, Any]: ...


class SamplerLike(Protocol):
    """What the advice asks of a row of the samplers' table."""

    @property
    def name(self) -> str: ...
    @property
    def stochastic(self) -> bool: ...
    @property
    def calls_per_step(self) -> int: ...


class Samplers(Protocol):
    def get(self, name: str) -> Any: ...
    def __contains__(self, name: object) -> bool: ...


@dataclass(frozen=True)
class Facts:
    """A sampler for the advice. `level` is the study's verdict, "" where the study did not try it.

    automatic: the schedule type that "Automatic" stands for, "" where the samplers' table was not handed in.
    """

    name: str
    level: str = ""
    stochastic: bool = False
    cost: int = 1
    automatic: str = ""

    def calls(self, steps: int) -> int:
        """U-Net evaluations for `steps` steps; the second one of the last step is saved."""
        return steps * self.cost - (self.cost > 1)


@dataclass(frozen=True)
class Case:
    """`request` painted by `family`. `samplers` may add facts of samplers the study did not try."""

    request: GenerationRequest
    family: FamilyLike
    book: Book
    vocabulary: Vocabulary
    samplers: Samplers | None = None

    @cached_property
    def reading(self) -> Reading:
        return Reading(self.request.prompt, self.request.negative_prompt, self.vocabulary)

    @property
    def scope(self) -> str:
        """"holds", "starts" (say that the numbers come from elsewhere) or "silent" (give none)."""
        scope = self.book.study["scope"]
        return next((s for s in ("holds", "starts") if self.family.name in scope[s]), "silent")

    def scale(self, name: str) -> Scale | None:
        return self.book.scale(name, self.family.name)

    @cached_property
    def title(self) -> str:
        """The family as the user reads it."""
        return str(getattr(self.family, "label", "") or self.family.name)

    @cached_property
    def sizes(self) -> dict[str, Size]:
        """The family's own sizes: square, portrait, landscape."""
        return {name: Size(*size) for name, size in dict(self.family.sizes).items()}

    @cached_property
    def sampler(self) -> Facts:
        """By the study's table, then by the studio's; a name known to neither has no facts."""
        name = self.request.sampler.strip()
        if self.samplers is not None and name in self.samplers:
            row = self.samplers.get(name)
            name = row.name
            known = Facts(name, "", bool(row.stochastic), int(row.calls_per_step), getattr(row, "automatic", ""))
        else:
            known = Facts(name)
        study = next((r for r in self.book.study["samplers"]["table"] if r["name"].lower() == name.lower()), None)
        return Facts(name, study["level"], study["stochastic"], study["cost"], known.automatic) if study else known

    @property
    def schedule(self) -> str:
        """The schedule type that is really used."""
        automatic = self.request.schedule.strip().lower() == "automatic"
        return (self.sampler.automatic or self.request.schedule) if automatic else self.request.schedule

    @cached_property
    def distilled_sampler(self) -> Mapping[str, Any] | None:
        """The numbers of LCM or TCD when that is the sampler."""
        rows = self.book.study["distilled"]["samplers"]
        return next((row for name, row in rows.items() if name.lower() == self.sampler.name.lower()), None)

    @cached_property
    def distilled_name(self) -> str:
        """The word in the checkpoint's or a LoRA's name that says it is distilled, or ""."""
        words = set(re.findall(r"[a-z]+", " ".join([self.request.model, *self.reading.networks]).lower()))
        return next((name for name in self.book.study["distilled"]["names"] if name in words), "")
