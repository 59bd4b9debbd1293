"""One preset: a partial request with a name, as a YAML file. Reading trusts nothing; writing gives back the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipelines.presets.names import display
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest, merge

LIMIT = 512 * 1024          # bytes of a preset file; a prompt alone may have 100 000 characters
DEEPEST = 12                # levels of nesting
SHAPES = ("", "square", "portrait", "landscape")
OWN = ("model_hash", "vae_hash", "control_hashes")      # written by the studio, never part of a preset


class Loader(yaml.SafeLoader):
    """Only texts, whole and decimal numbers, true, false and null: no dates, no "off" for false, no base 60."""

    yaml_implicit_resolvers: dict[str, Any] = {}


Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""])
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9]\d{0,18})$"), list("-+0123456789"))
Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?\d{1,18}\.\d{1,18}(?:[eE][-+]\d{1,3})?$"),
                             list("-+0123456789"))


class Dumper(yaml.SafeDumper):
    """Texts with unusual line ends are quoted and escaped, or YAML would read a blank for them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = not any(c in text for c in "\r\x85\u2028\u2029")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if plain else '"')


Dumper.add_representer(str, _text)


@dataclass(frozen=True)
class Preset:
    """`name` is the file's stem. `title` and `description` are texts by language ("en", "uk").

    request: the partial request it sets.   family: the family it was made for, "" for any.
    size: "square", "portrait" or "landscape" of whatever family is in use, "" to set none.
    shipped: part of the studio, read-only.   order: place among the shipped ones.
    """

    name: str
    title: Mapping[str, str]
    description: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    family: str = ""
    size: str = ""
    shipped: bool = False
    order: int = 0

    def shown(self, language: str = "en") -> str:
        return self.title.get(language) or self.title.get("en") or next(iter(self.title.values()), self.name)

    def told(self, language: str = "en") -> str:
        return self.description.get(language) or self.description.get("en") or ""

    def changes(self, sizes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The partial request, the named size resolved with a family's `sizes`."""
        if not (self.size and sizes and self.size in sizes):
            return dict(self.request)
        width, height = sizes[self.size]
        return {"width": width, "height": height} | dict(self.request)

    def applied(self, request: GenerationRequest, sizes: Mapping[str, Any] | None = None) -> GenerationRequest:
        """`request` with this preset laid over it; fields the preset does not name stay. Raises RequestError."""
        return request.merged(self.changes(sizes))

    def to_yaml(self) -> str:
        """The file's text; `read` gives the same preset back."""
        data: dict[str, Any] = {"kind": "preset", "version": 1, "title": dict(self.title)}
        if self.description:
            data["description"] = dict(self.description)
        data |= {key: getattr(self, key) for key in ("family", "size", "order") if getattr(self, key)}
        return yaml.dump(data | {"request": dict(self.request)}, Dumper=Dumper, allow_unicode=True, sort_keys=False,
                         width=100)


def partial(request: GenerationRequest, fields: Iterable[str] | None = None) -> dict[str, Any]:
    """What a preset keeps of `request`: everything but hashes, or only the named fields ("steps", "variation.seed")."""
    whole = {k: v for k, v in request.model_dump(mode="json", exclude_none=True).items() if k not in OWN}
    if fields is None:
        return whole
    kept: dict[str, Any] = {}
    for path in fields:
        top, _, rest = path.partition(".")
        if top not in GenerationRequest.model_fields:
            raise FieldError("Preset field", path, "no such field", ", ".join(list(whole)[:6]) + " …")
        value = whole.get(top)
        kept = merge(kept, {top: {rest: value[rest]} if rest and value and rest in value else value})
    return kept


def checked(changes: object) -> dict[str, Any]:
    """A partial request with every value in its field's own type. Raises RequestError or FieldError by field."""
    if not isinstance(changes, Mapping) or not all(isinstance(key, str) for key in changes):
        raise FieldError("Preset", "request", "not a table of fields")
    whole = GenerationRequest().merged({k: v for k, v in changes.items() if k not in OWN}).model_dump(mode="json")

    def typed(given: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: typed(value, values[key]) if isinstance(value, Mapping) and isinstance(values[key], Mapping)
                else values[key] for key, value in given.items() if key in values}

    return typed({k: v for k, v in changes.items() if k not in OWN}, whole)


def read(text: str, name: str, shipped: bool = False) -> Preset | None:
    """The preset in a file's text; None when the file says that it is something else (`kind:`).

    Raises FieldError "Preset" naming the file and the line.
    """
    data = tree(text, name)
    if data.get("kind", "preset") != "preset":
        return None
    try:
        size = data.get("size") or ""
        if size not in SHAPES:
            raise FieldError("size", size, "no such shape", "square, portrait, landscape")
        return Preset(name, _texts(data.get("title"), name, True), _texts(data.get("description"), "", False),
                      checked(data.get("request")), str(data.get("family") or "")[:40], size, shipped,
                      data["order"] if isinstance(data.get("order"), int) else 0)
    except (FieldError, RequestError) as error:
        first = str(error).splitlines()[0]
        raise FieldError("Preset", f"{name}.yaml", f"{_where(text, error)}{first.rstrip('.')}") from None


def tree(text: str, name: str) -> dict[str, Any]:
    """The file as a table. Refuses anchors, tags and deep nesting, so that a small file stays small in memory."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            tagged = getattr(event, "tag", None) is not None
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or tagged or depth > DEEPEST:
                what = "deep nesting" if depth > DEEPEST else "tags and anchors"
                raise _broken(name, event.start_mark, f"{what} are not accepted")
        data = yaml.load(text, Loader=Loader)  # noqa: S506 - a SafeLoader with fewer types
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or _mark(text, getattr(error, "position", None))
        raise _broken(name, mark, getattr(error, "problem", None) or "not valid YAML") from None
    except FieldError:
        raise
    except (ValueError, RecursionError, TypeError) as error:
        raise _broken(name, None, f"not valid YAML ({type(error).__name__})") from None
    if not isinstance(data, dict):
        raise _broken(name, None, "not a table of fields")
    return data


def _broken(name: str, mark: Any, why: str) -> FieldError:
    line = f"line {mark.line + 1}: " if mark is not None else ""
    return FieldError("Preset", f"{name}.yaml", f"{line}{why}")


def _mark(text: str, position: int | None) -> yaml.Mark | None:
    """Where a character stands that YAML does not allow."""
    if position is None:
        return None
    return yaml.Mark("", position, text.count("\n", 0, position), 0, None, None)


def _where(text: str, error: FieldError | RequestError) -> str:
    """"line 7: " of the refused field, found by its name."""
    first = error.errors[0] if isinstance(error, RequestError) and error.errors else error
    label = getattr(first, "field", "")
    name = next((d.path.split(".")[-1] for d in declared(GenerationRequest) if d.param.label == label), label)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().split(":")[0].strip("\"'") == name:
            return f"line {number}: "
    return ""


def _texts(value: object, fallback: str, is_name: bool) -> dict[str, str]:
    """A text by language; a plain text counts as English."""
    if value is None or isinstance(value, str):
        value = {"en": value or fallback} if (value or fallback) else {}
    if not isinstance(value, Mapping):
        raise FieldError("title", value, "neither a text nor texts by language")
    return {str(k)[:10]: display(v, "title") if is_name else str(v)[:2000] for k, v in value.items() if v}
