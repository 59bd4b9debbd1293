"""One axis of a grid and its values: each value is a partial request, or an edit of the prompt, with a short name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pipelines.prompt.networks import networks, tag_of
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest

TOGETHER = frozenset({"seed", "variation.seed", "variation.strength", "prompt", "negative_prompt", "cfg_scale",
                      "init.denoising_strength"})
"""Fields in which pictures may differ and still be sampled in one batch; an axis over them runs innermost."""


@dataclass(frozen=True)
class Value:
    """shown: as the legend has it.   changes: a partial request.

    edit, made after all changes of a cell: () or (field, "replace", from, to) or (field, "order", word, word, …) or
    (field, "lora", name, weight) or ("control", "unit", field of the first unit, its value as JSON).
    """

    shown: str
    changes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    edit: tuple[str, ...] = ()

    def edited(self, request: GenerationRequest) -> GenerationRequest:
        """`request` with the edit made. Raises FieldError when the prompt lacks what is to be replaced."""
        if not self.edit:
            return request
        where, how, *words = self.edit
        if how == "unit":
            first, *others = request.control
            name, value = words
            return request.merged({where: [first.model_dump() | {name: json.loads(value)}, *(o.model_dump() for o in others)]})
        text = getattr(request, where)
        edits = {"order": lambda: ordered(text, words), "lora": lambda: reweighted(text, *words)}
        return request.merged({where: edits[how]() if how in edits else replaced(text, words, where)})


@dataclass(frozen=True)
class Axis:
    """key: "cfg_scale" or "prompt_sr".   cost: of a step along it, 1 reloads a checkpoint.   inner: cells stay together."""

    key: str
    label: str
    values: tuple[Value, ...]
    cost: float = 0.0
    inner: bool = False

    def as_json(self) -> dict[str, Any]:
        values = [[v.shown, dict(v.changes), list(v.edit)] for v in self.values]
        return {"key": self.key, "label": self.label, "cost": self.cost, "inner": self.inner, "values": values}

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what `as_json` did not write."""
        values = tuple(Value(str(shown), dict(changes), tuple(map(str, edit))) for shown, changes, edit in data["values"])
        return cls(str(data["key"]), str(data["label"]), values, float(data["cost"]), bool(data["inner"]))


SEARCHES = {"prompt": "Prompt S/R", "negative_prompt": "Negative prompt S/R"}


def replaced(text: str, words: Sequence[str], where: str = "prompt") -> str:
    """Every first of `words` in `text` as the second. Raises FieldError when there is none: the cell would be like its neighbour.

    where: the field `text` stands in.
    """
    old, new = words
    if old not in text:
        raise FieldError(SEARCHES[where], old, f"is not in the {where.replace('_', ' ')}", fix="The first value must stand in it")
    return text.replace(old, new)


def reweighted(text: str, name: str, weight: str) -> str:
    """The tag of LoRA `name` with this weight; put at the end where there is none. Raises FieldError for a name no tag can have."""
    found, new = tag_of(text, name), f"<lora:{name}:{weight}>"
    if not networks(new):
        raise FieldError("LoRA weight", name, "not the name of a LoRA")
    return text.replace(found, new) if found else f"{text}{new}"


def ordered(text: str, words: list[str]) -> str:
    """The places where `words` stand in `text`, filled with them in this order."""
    places = sorted((text.find(word), word) for word in words)
    missing = [word for at, word in places if at < 0]
    if missing:
        raise FieldError("Prompt order", missing[0], "is not in the prompt")
    result, end = "", 0
    for (at, old), new in zip(places, words, strict=True):
        if at < end:
            raise FieldError("Prompt order", old, "overlaps another of the words")
        result += text[end:at] + new
        end = at + len(old)
    return result + text[end:]
