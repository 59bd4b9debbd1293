"""Parts of a request <-> components, both ways. A widget follows from the field's declaration; a tab only places it."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import gradio as gr
from gradio.components import Component

from pipelines.spec.errors import StudioError
from pipelines.spec.param import Declared, declared
from pipelines.spec.parts import SAME
from pipelines.spec.request import GenerationRequest
from pipelines.words import Words

Choices = Callable[[str], list[Any]]
"""The names a field may take, by the `source` of its declaration."""

TYPED = ("seed", "variation.seed", "batch_count", "batch_size", "hires.width", "hires.height",
         "tiled.width", "tiled.height")     # a slider over so many values helps nobody
SIDES = ("width", "height")
SWITCHES = frozenset({"hires", "tiled", "detailer", "identity", "sketch"})      # parts that are turned on, not filled in
HELPED = "helped"       # the class of fields of which `assets/tips.js` says what they do
OURS = ("samplers", "schedules")        # lists that change with the program alone
FEW = 2                 # so many choices are shown side by side
VIEW = 2048             # px a size slider shows; a larger value that comes from elsewhere stretches it


class Pictures(Protocol):
    """The input pictures of a tab: fields whose value is a picture on the page and the name of a kept file in a request."""

    inputs: set[Component]
    outputs: list[Component]

    def read(self, data: Mapping[Component, Any]) -> dict[str, str]:
        """Keep the pictures and name them, by field path. Raises StudioError for what cannot be used."""

    def write(self, names: Mapping[str, str]) -> list[Any]:
        """Updates for `outputs` that show the pictures of these names, by field path; "" shows none."""


class Form:
    """The components of one tab by field path ("steps", "variation.seed").

    Handlers take the *set* `inputs` (settings) or `whole` (pictures too: they travel with every call, so only where they
    are needed), Gradio hands over one dict, and `read` turns it into a request at once.
    """

    def __init__(self, prefix: str, words: Words, choices: Choices, start: Mapping[str, Any] = MappingProxyType({})) -> None:
        """start: values a fresh form shows instead of the fields' defaults, by path."""
        self.prefix, self._words, self._choices, self._start = prefix, words, choices, start
        self._declared = {d.path: d for d in declared(GenerationRequest)}
        self.fields: dict[str, Component] = {}
        self.held: set[str] = set()
        self.pictures: Pictures | None = None

    def field(self, path: str, **look: Any) -> Component:
        """Make the component of one field here; `look` is passed on (lines, scale, elem_classes …)."""
        row = self._declared[path]
        named = {"elem_id": self.elem_id(path), "label": self._words.label(path, row.param.label)} | look
        named["elem_classes"] = [HELPED, *filter(None, [look.get("elem_classes")])]
        component = _component(row, self._start.get(path, row.default), named, lambda _: self.choices(path))
        self.fields[path] = component
        return component

    def choices(self, path: str, held: Any = None) -> list[Any]:
        """What a field that takes names from a list may hold now: more or fewer than when the page was made.

        Of several names `held` those that are gone are among them: Gradio's list takes no others. Like a single name they stay,
        for they may come back, and Generate says what is wrong with them.
        """
        row = self._declared[path]
        found = (self._or_same if row.default == SAME else self._choices)(row.param.source)
        return found + [name for name in held if name not in found] if isinstance(held, (list, tuple)) else found

    @property
    def listed(self) -> dict[str, Component]:
        """The fields that take names from a list, by path."""
        return {path: field for path, field in self.fields.items()
                if path in self._declared and self._declared[path].param.source}

    def gone(self, values: Mapping[str, Any]) -> list[tuple[str, str]]:
        """(label, name) of every file and style that `values`, by path, name and that is not here any more."""
        found = []
        for path in self.listed.keys() & values.keys():
            if self._declared[path].param.source in OURS:
                continue
            here = {str(one[-1] if isinstance(one, tuple) else one).lower() for one in self.choices(path)}
            held = values[path] if isinstance(values[path], (list, tuple)) else [values[path]]
            found += [(self._words.label(path), name) for name in held
                      if isinstance(name, str) and name and name.lower() not in here]
        return sorted(found)

    def _or_same(self, source: str) -> list[Any]:
        """For a second pass: the names, and before them that it is as in the first."""
        return [(self._words("as_first_pass"), SAME), *self._choices(source)]

    def switch(self, part: str, **look: Any) -> Component:
        """A checkbox that turns a whole part of the request on: `form.switch("hires")`. Off, its fields are kept but not read."""
        self.fields[part] = gr.Checkbox(False, **{"label": self._words(f"switch_{part}"), "elem_id": self.elem_id(part),
                                                     "elem_classes": HELPED} | look)
        return self.fields[part]

    def hold(self, path: str, component: Component) -> Component:
        """Let a component that the tab made itself stand for a field; its value is the field's JSON (a list of units)."""
        self.fields[path] = component
        self.held.add(path)
        return component

    def elem_id(self, path: str) -> str:
        return f"{self.prefix}-{path.replace('.', '-').replace('_', '-')}"

    @property
    def inputs(self) -> set[Component]:
        return set(self.fields.values())

    @property
    def whole(self) -> set[Component]:
        return self.inputs | (self.pictures.inputs if self.pictures else set())

    @property
    def outputs(self) -> list[Component]:
        return [*self.fields.values(), *(self.pictures.outputs if self.pictures else ())]

    def values(self, data: Mapping[Component, Any]) -> dict[str, Any]:
        """What the form holds, by field path, unchecked: good enough to keep in the browser."""
        return {path: data[component] for path, component in self.fields.items() if component in data}

    def read(self, data: Mapping[Component, Any]) -> GenerationRequest:
        """The request in the form, with its pictures when `data` has them. Raises StudioError, one line a refused field."""
        named = self.pictures.read(data) if self.pictures and self.pictures.inputs <= data.keys() else {}
        return GenerationRequest.parse(nested(self.values(data) | named))

    def write(self, changes: Mapping[str, Any]) -> list[Any]:
        """Updates for `outputs` that set the fields of a partial request (nested or by path); the rest stay."""
        flat = self.told(changes)
        fields = [self._shown(path, flat[path]) if path in flat else gr.skip() for path in self.fields]
        if self.pictures is None:
            return fields
        names = {path: name for path, name in flat.items() if self._is_picture(path)}
        return fields + (self.pictures.write(names) if names else [gr.skip()] * len(self.pictures.outputs))

    def told(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The fields a partial request speaks of, by path; those of a part that is None (off) at their defaults."""
        flat = flattened(changes)
        gone = {path for path, value in flat.items() if value is None and path not in SWITCHES}
        off = {path: row.default for path, row in self._declared.items() if path.partition(".")[0] in gone}
        return self._switched(off | {path: value for path, value in flat.items() if path not in gone})

    def write_all(self, request: GenerationRequest) -> list[Any]:
        """Updates for `outputs` that show exactly this request; absent parts fall back to their defaults.

        Pictures stay when the request starts from none: a painted mask is never lost by taking settings over.
        """
        told = request.init is not None or request.sketch is not None or request.identity is not None
        return self.write({path: value for path, value in self._flat(request).items() if told or not self._is_picture(path)})

    def start_from(self, picture: str, settings: Mapping[str, Any] | GenerationRequest) -> list[Any]:
        """Updates for `outputs`: this kept picture without a mask, and these settings.

        How it is started from (strength, mask blur …) stays as the form has it, but nothing is added at its sides.
        """
        flat = self._flat(settings) if isinstance(settings, GenerationRequest) else flattened(settings)
        flat = {path: value for path, value in flat.items() if path.partition(".")[0] not in ("init", "inpaint", "outpaint")}
        sides = {path: row.default for path, row in self._declared.items() if path.startswith("outpaint.")}
        none = {path: "" for path in self._declared if self._is_picture(path)}
        return self.write(flat | sides | none | {"init.image": picture})

    def _flat(self, request: GenerationRequest) -> dict[str, Any]:
        """Every field by path, those of absent parts at their defaults and their switches off."""
        defaults = {path: row.default for path, row in self._declared.items()}
        off = {part: False for part in SWITCHES if getattr(request, part) is None}
        return defaults | flattened(request.model_dump(exclude_none=True)) | off

    def _switched(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """`flat` with the switches of the parts it speaks of: on where a field of the part is set."""
        told = {path.partition(".")[0] for path in flat if "." in path}
        asked = {part: flat.get(part, True) for part in SWITCHES & self.fields.keys() if part in told or part in flat}
        return {**flat, **{part: bool(on) for part, on in asked.items()}}

    def _is_picture(self, path: str) -> bool:
        return path in self._declared and self._declared[path].param.picture

    def _shown(self, path: str, value: Any) -> Any:
        if path in SIDES and isinstance(value, int):       # the slider may be showing less than the field allows
            return gr.update(value=value, maximum=max(VIEW, value))
        if path in self.listed and isinstance(value, (list, tuple)):
            return gr.update(choices=self.choices(path, value), value=list(value))
        return list(value) if isinstance(value, tuple) else value


def _component(row: Declared, value: Any, look: dict[str, Any], choices: Choices) -> Component:
    param = row.param
    if row.kind is str and not param.source and not param.choices:
        return gr.Textbox(value=value, **look)
    if param.source:
        multiple = row.kind is tuple
        return gr.Dropdown(choices(param.source), value=list(value) if multiple else value, multiselect=multiple or None,
                           allow_custom_value=not multiple, filterable=True, **look)
    if param.choices:
        if len(param.choices) <= FEW:
            return gr.Radio(list(param.choices), value=value, **look)
        return gr.Dropdown(list(param.choices), value=value, filterable=False, **look)
    if row.kind is bool:
        return gr.Checkbox(value, **look)
    if row.path in TYPED:
        return gr.Number(value, precision=0, minimum=param.minimum, maximum=param.maximum, **look)
    step = param.step or 1
    most = VIEW if row.path in SIDES else param.maximum
    return gr.Slider(param.minimum, most, value, step=step, buttons=[], **look)


def flattened(changes: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"variation": {"seed": 1}} → {"variation.seed": 1}."""
    flat: dict[str, Any] = {}
    for key, value in changes.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The other way. A part with a switch is there when that is on; any other when one of its fields is not at its default."""
    defaults = {d.path: d.default for d in declared(GenerationRequest)}
    result: dict[str, Any] = {}
    for path, value in flat.items():
        *parts, name = path.split(".")
        if path in SWITCHES:
            continue
        if parts and not flat.get(parts[0], any(flat.get(p) != defaults[p] for p in flat if p.startswith(parts[0] + "."))):
            continue
        place = result
        for part in parts:
            place = place.setdefault(part, {})
        place[name] = value
    return result


def refused(error: StudioError) -> gr.Error:
    """The error as a toast. Toasts render HTML, so what the user typed is escaped."""
    return gr.Error("<br>".join(html.escape(line) for line in str(error).splitlines()), duration=12,
                    print_exception=False)


def toasting(act: Callable[..., Any]) -> Callable[..., Any]:
    """`act` with the studio's refusals as toasts."""

    def handler(*values: Any) -> Any:
        try:
            return act(*values)
        except StudioError as error:
            raise refused(error) from None

    return handler


def outputs_of(*groups: Iterable[Component] | Component) -> list[Component]:
    """One flat list of components from lists and single ones."""
    flat: list[Component] = []
    for group in groups:
        flat += [group] if isinstance(group, Component) else list(group)
    return flat
