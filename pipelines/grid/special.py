"""The axes that are more than a field: edits of the prompt, prompts from a text, LoRA and unit weights, sizes, presets."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from itertools import permutations
from typing import Any

from pipelines.grid.axis import SEARCHES, Value, ordered, replaced, reweighted
from pipelines.grid.fields import AxisKind, Names, entries, hint_of, nested, shown_value, suggestion, typed
from pipelines.grid.values import MOST_VALUES, as_list, listed, numbers
from pipelines.prompt.networks import STRONGEST, networks
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.param import Declared, declared
from pipelines.spec.parts import ControlUnit
from pipelines.spec.request import GenerationRequest, merge

PresetChanges = Callable[[str], Mapping[str, Any]]
MATRIX_PARTS = 8                                # 2^8 prompts of one axis
ORDER_WORDS = 5                                 # 5! prompts
LORA_COST, UNIT_COST = 0.5, 0.3                 # its tensors are laid over the model's; a condition may be made anew
THEIR_FLAGS = {"--sampler_name": "sampler", "--sd_model": "model", "--subseed": "variation.seed",
               "--subseed_strength": "variation.strength"}         # of AUTOMATIC1111's prompts from file


def special(names: Names, preset: PresetChanges) -> list[AxisKind]:
    """In the order of the form."""
    return [
        AxisKind("prompt_sr", "Prompt S/R", "car, bus, \"old, red car\"", _search("prompt"), _first_word("prompt"), 0, True),
        AxisKind("negative_sr", "Negative prompt S/R", "blurry, dark", _search("negative_prompt"),
                 _first_word("negative_prompt"), 0, True),
        AxisKind("prompt_order", "Prompt order", "snow, car, night", _orders, _first_words, 0, True),
        AxisKind("prompt_matrix", "Prompt matrix", "at night | in the snow", _matrix, lambda _: "", 0, True),
        AxisKind("prompts", "Prompts, one a line", "a red car\n--prompt \"a cat\" --steps 12", _lines,
                 lambda base: base.prompt, 0, True),
        AxisKind("lora_weight", "LoRA weight", "0-1 [5], or name: 0.4, 0.8", _lora_weights,
                 lambda base: "0-1 [5]" if _loras(base) else _fill_lora(names), LORA_COST),
        *(_of_unit(row, names) for row in declared(ControlUnit) if not row.param.picture),
        AxisKind("size", "Size", "256x256, 320x192", _sizes, _size_fill, 0.1),
        AxisKind("preset", "Preset", "quick-preview, valley", lambda text, _: [
            Value(name, dict(preset(name))) for name in listed("Preset", text)],
            lambda _: as_list(names("presets")), 1.0)]


def _search(where: str) -> Callable[[str, GenerationRequest], list[Value]]:
    def read(text: str, base: GenerationRequest) -> list[Value]:
        first, *others = listed(SEARCHES[where], text)
        replaced(getattr(base, where), (first, first), where)
        return [Value(word, {}, (where, "replace", first, word)) for word in (first, *others)]

    return read


def _first_word(where: str) -> Callable[[GenerationRequest], str]:
    def fill(base: GenerationRequest) -> str:
        head = getattr(base, where).split(",")[0].strip()
        return as_list([head]) + ", " if head else ""

    return fill


def _first_words(base: GenerationRequest) -> str:
    return as_list([w.strip() for w in base.prompt.split(",") if w.strip()][:3])


def _orders(text: str, base: GenerationRequest) -> list[Value]:
    words = listed("Prompt order", text)
    if not 2 <= len(words) <= ORDER_WORDS:
        raise FieldError("Prompt order", f"{len(words)} words", "cannot be put in order here", f"2-{ORDER_WORDS} words")
    ordered(base.prompt, words)
    return [Value(", ".join(order), {}, ("prompt", "order", *order)) for order in permutations(words)]


def _matrix(text: str, base: GenerationRequest) -> list[Value]:
    """Every subset of the parts between bars behind the prompt, as AUTOMATIC1111's prompt matrix has it."""
    parts = [part.strip() for part in text.split("|") if part.strip()]
    if not 1 <= len(parts) <= MATRIX_PARTS:
        raise FieldError("Prompt matrix", f"{len(parts)} parts", "that many cannot be combined", f"1-{MATRIX_PARTS} parts")
    subsets = ([p for i, p in enumerate(parts) if n >> i & 1] for n in range(2 ** len(parts)))
    return [Value(", ".join(some) or "–", {"prompt": ", ".join(filter(None, [base.prompt, *some]))}) for some in subsets]


def _lines(text: str, _base: GenerationRequest) -> list[Value]:
    """A prompt a line; a line of flags (`--prompt "…" --steps 12`) sets whatever field it names."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not 1 <= len(lines) <= MOST_VALUES:
        raise FieldError("Prompts", f"{len(lines)} lines", "that many cannot be", f"1-{MOST_VALUES}")
    return [Value(line, _flags(line) if line.startswith("--") else {"prompt": line}) for line in lines]


def _flags(line: str) -> dict[str, Any]:
    by_path = {d.path: d for d in declared(GenerationRequest)}
    rows = {"--" + path.replace(".", "-"): d for path, d in by_path.items()}
    rows |= {flag: by_path[path] for flag, path in THEIR_FLAGS.items()}
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise FieldError("Prompts", line, f"cannot be read ({error})") from None
    changes: dict[str, Any] = {}
    for name, value in zip(words[::2], words[1::2], strict=False):
        row = rows.get(name) or rows.get(name.replace("-", "_").replace("__", "--", 1))
        if row is None or len(words) % 2:
            raise FieldError("Prompts", name, "no such flag, or no value behind it", ", ".join(list(rows)[:6]) + " …")
        changes = merge(changes, nested(row.path, row.param.check(typed(row, value, lambda: 0), row.kind)))
    return changes


def _sizes(text: str, _base: GenerationRequest) -> list[Value]:
    rows = {d.path: d for d in declared(GenerationRequest)}
    values = []
    for entry in listed("Size", text):
        sides = entry.lower().replace("×", "x").split("x")
        if len(sides) != 2:
            raise FieldError("Size", entry, "not a size", "widthxheight, such as 256x256")
        width, height = (rows[p].param.check(s, int) for p, s in zip(("width", "height"), sides, strict=True))
        values.append(Value(f"{width}x{height}", {"width": width, "height": height}))
    return values


def _size_fill(base: GenerationRequest) -> str:
    w, h = base.width, base.height
    short = max(64, min(w, h) * 3 // 4 // 64 * 64)
    return f"{w}x{h}, {w}x{short}, {short}x{h}"


# -- LoRAs and units ---------------------------------------------------------------------------------------------------

def _loras(base: GenerationRequest) -> list[str]:
    """Those that the prompt names. Raises FieldError for a tag that cannot be read."""
    return [one.name for one in networks(base.prompt)]


def _fill_lora(names: Names) -> str:
    first = next(iter(names("loras")), "")
    return f"{first}: 0-1 [5]" if first else ""


def _lora_weights(text: str, base: GenerationRequest) -> list[Value]:
    """Weights of the only LoRA of the prompt; `name: …` says which, and puts one there that the prompt lacks."""
    label, (name, colon, rest) = "LoRA weight", text.partition(":")
    if not colon:
        rest, there = text, _loras(base)
        if len(there) != 1:
            which = f"the prompt has {len(there)}: {', '.join(there)}" if there else "the prompt has no <lora:…>"
            raise FieldError(label, text, which, fix="Write which: name: 0.4, 0.8")
        name = there[0]
    name = name.strip()
    values = []
    for entry in listed(label, rest):
        for given in numbers(label, entry, False):
            try:
                weight = float(given)
            except ValueError:
                raise FieldError(label, entry, "not a number", f"-{STRONGEST:g} to {STRONGEST:g}") from None
            if not abs(weight) <= STRONGEST:
                raise FieldError(label, entry, "too strong", f"-{STRONGEST:g} to {STRONGEST:g}")
            values.append(Value(f"{name} {weight:g}" if colon else f"{weight:g}", {}, ("prompt", "lora", name, f"{weight:g}")))
    reweighted(base.prompt, name, "1")
    return values


def _of_unit(row: Declared, names: Names) -> AxisKind:
    """A field of the first ControlNet unit."""
    def read(text: str, base: GenerationRequest) -> list[Value]:
        if not base.control:
            raise FieldError(row.param.label, "", "the request has no ControlNet unit", fix="Add one in the tab it starts from")
        values, refusals = [], []
        for entry in entries(row, text):
            try:
                value = row.param.check(typed(row, entry, lambda: 0), row.kind)
                values.append(Value(shown_value(value), {}, ("control", "unit", row.path, json.dumps(value))))
            except FieldError as error:
                refusals.append(error)
        if refusals:
            raise RequestError(refusals)
        return values

    cost = row.param.cost or UNIT_COST
    return AxisKind(f"control_{row.path.removeprefix('control_')}", row.param.label, hint_of(row), read,
                    lambda base: suggestion(row, names, base), cost)
