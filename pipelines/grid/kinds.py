"""Which axes there are: every declared field of a request, and the ones that are more than a field."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from pipelines.grid.axis import TOGETHER, Axis, Value, ordered, replaced
from pipelines.grid.values import MOST_VALUES, listed, numbers
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.param import Declared, declared, number
from pipelines.spec.parts import LAST_SEED, RANDOM_SEED
from pipelines.spec.request import GenerationRequest

Names = Callable[[str], Sequence[str]]
"""The names a field may take, by the `source` of its declaration; also "presets"."""
PresetChanges = Callable[[str], Mapping[str, Any]]
Draw = Callable[[], int]
NOT_AXES = ("batch_count", "batch_size")        # a cell is one picture; seeds are an axis of their own
MATRIX_PARTS = 8                                # 2^8 prompts of one axis
ORDER_WORDS = 5                                 # 5! prompts


@dataclass(frozen=True)
class AxisKind:
    """key: as the command line names it.   read: text to values, raises FieldError or RequestError.   fill: a suggestion.

    hint: what may be typed, for an empty field.
    """

    key: str
    label: str
    hint: str
    read: Callable[[str, GenerationRequest], list[Value]]
    fill: Callable[[GenerationRequest], str]
    cost: float = 0.0
    inner: bool = False

    def axis(self, text: str, base: GenerationRequest) -> Axis:
        """The axis of what was typed; the same value twice counts once. Raises RequestError, a line a refused value."""
        try:
            values = self.read(text, base)
        except FieldError as error:
            raise RequestError([error]) from None
        kept = {repr((v.shown, v.changes, v.edit)): v for v in values}
        return Axis(self.key, self.label, tuple(kept.values()), self.cost, self.inner)


def kinds(names: Names, preset: PresetChanges, draw: Draw) -> dict[str, AxisKind]:
    """Every kind by its key, in the order of the form. `draw` gives a random seed for each -1."""
    found = [_of_field(row, names, draw) for row in declared(GenerationRequest)
             if row.path not in NOT_AXES and not row.param.picture]
    found += [
        AxisKind("prompt_sr", "Prompt S/R", "car, bus, \"old, red car\"", _search("prompt"), _first_word("prompt"), 0, True),
        AxisKind("negative_sr", "Negative prompt S/R", "blurry, dark", _search("negative_prompt"),
                 _first_word("negative_prompt"), 0, True),
        AxisKind("prompt_order", "Prompt order", "snow, car, night", _orders, _first_words, 0, True),
        AxisKind("prompt_matrix", "Prompt matrix", "at night | in the snow", _matrix, lambda _: "", 0, True),
        AxisKind("prompts", "Prompts, one a line", "a red car\n--prompt \"a cat\" --steps 12", _lines,
                 lambda base: base.prompt, 0, True),
        AxisKind("size", "Size", "256x256, 320x192", _sizes, _size_fill, 0.1),
        AxisKind("preset", "Preset", "quick-preview, valley", lambda text, _: [
            Value(name, dict(preset(name))) for name in listed("Preset", text)],
            lambda _: _csv(names("presets")), 1.0)]
    return {kind.key: kind for kind in found}


# -- fields ------------------------------------------------------------------------------------------------------------

def _of_field(row: Declared, names: Names, draw: Draw) -> AxisKind:
    def read(text: str, base: GenerationRequest) -> list[Value]:
        _needs_its_part(row, base)
        return _checked(row, text, draw)

    param = row.param
    return AxisKind(row.path, param.label, _hint(row), read, lambda base: _fill(row, names, base), param.cost,
                    row.path in TOGETHER)


def _hint(row: Declared) -> str:
    """What may be typed: the range and how lists are written, or the names."""
    param = row.param
    if row.kind is bool:
        return "off, on"
    if param.minimum is None:
        return ", ".join(param.choices) or param.label
    small = row.kind is float and (param.maximum or 0) <= 2
    return f"{param.allowed}: " + ("0.2, 0.5, 0-1 [5]" if small else "1, 5, 1-5, 1-10 (+2), 1-10 [5]")


def _needs_its_part(row: Declared, base: GenerationRequest) -> None:
    """A part with an input picture cannot be switched on by an axis: the picture would be missing."""
    part = row.path.partition(".")[0]
    pictured = any(d.param.picture for d in declared(GenerationRequest) if d.path.startswith(part + "."))
    if "." in row.path and pictured and getattr(base, part) is None:
        raise FieldError(row.param.label, "", "the request has no input picture", fix="Give it one first")


def _checked(row: Declared, text: str, draw: Draw) -> list[Value]:
    values, refusals = [], []
    for entry in _entries(row, text):
        try:
            value = row.param.check(_typed(row, entry, draw), row.kind)
            values.append(Value(_shown(value), nested(row.path, list(value) if row.kind is tuple else value)))
        except FieldError as error:
            refusals.append(error)
    if refusals:
        raise RequestError(refusals)
    return values


def _entries(row: Declared, text: str) -> Iterator[Any]:
    label = row.param.label
    for entry in listed(label, text):
        if row.kind in (int, float):
            yield from numbers(label, entry, row.kind is int)
        else:
            yield entry


def _typed(row: Declared, entry: Any, draw: Draw) -> Any:
    if row.kind is bool and isinstance(entry, str):
        return {"true": True, "on": True, "yes": True, "1": True,
                "false": False, "off": False, "no": False, "0": False}.get(entry.lower(), entry)
    if row.kind is tuple:       # styles: "none", or several joined by +
        return () if entry.lower() == "none" else tuple(part.strip() for part in entry.split("+"))
    if row.path in ("seed", "variation.seed") and str(entry) == str(RANDOM_SEED):
        return draw() % (LAST_SEED + 1)
    return entry


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " + ".join(value) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return number(value) if isinstance(value, (int, float)) else str(value) or "–"


def nested(path: str, value: Any) -> dict[str, Any]:
    """("variation.seed", 1) gives {"variation": {"seed": 1}}."""
    head, _, rest = path.partition(".")
    return {head: nested(rest, value) if rest else value}


def _fill(row: Declared, names: Names, base: GenerationRequest) -> str:
    """Values worth trying: every name, or five numbers around the one in the form."""
    param = row.param
    if param.source or param.choices:
        found = list(param.choices or names(param.source))
        return _csv(["none", *found] if row.kind is tuple else found)
    if row.kind is bool:
        return "off, on"
    if row.path.endswith("seed"):
        return "1-4"
    if row.kind is str or param.minimum is None or param.maximum is None:
        return _csv([getattr(base, row.path, "")])
    step, low, high = param.step or 1, param.minimum, param.maximum
    if (high - low) <= 1:
        return f"{low:g}-{high:g} [5]"
    if (high - low) / step <= 12:
        return f"{low:g}-{high:g} (+{step:g})"
    at = float(getattr(base, row.path, None) or row.default or low)
    around = {min(high, max(low, round(at * part / step) * step)) for part in (0.25, 0.5, 1, 1.5, 2)}
    return ", ".join(number(n) for n in sorted(around))


def _csv(entries: Sequence[str]) -> str:
    return ", ".join('"' + e.replace('"', '""') + '"' if "," in e or '"' in e else e for e in entries)


# -- more than a field -------------------------------------------------------------------------------------------------

def _search(where: str) -> Callable[[str, GenerationRequest], list[Value]]:
    def read(text: str, base: GenerationRequest) -> list[Value]:
        first, *others = listed("Prompt S/R", text)
        replaced(getattr(base, where), first, first)
        return [Value(word, {}, (where, "replace", first, word)) for word in (first, *others)]

    return read


def _first_word(where: str) -> Callable[[GenerationRequest], str]:
    def fill(base: GenerationRequest) -> str:
        head = getattr(base, where).split(",")[0].strip()
        return _csv([head]) + ", " if head else ""

    return fill


def _first_words(base: GenerationRequest) -> str:
    return _csv([w.strip() for w in base.prompt.split(",") if w.strip()][:3])


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
    rows = {"--" + d.path.replace(".", "-"): d for d in declared(GenerationRequest)}
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise FieldError("Prompts", line, f"cannot be read ({error})") from None
    changes: dict[str, Any] = {}
    for name, value in zip(words[::2], words[1::2], strict=False):
        row = rows.get(name) or rows.get(name.replace("-", "_").replace("__", "--", 1))
        if row is None or len(words) % 2:
            raise FieldError("Prompts", name, "no such flag, or no value behind it", ", ".join(list(rows)[:6]) + " …")
        changes |= nested(row.path, row.param.check(_typed(row, value, lambda: 0), row.kind))
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
