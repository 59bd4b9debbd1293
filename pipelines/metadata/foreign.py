"""Reads what other programs write: ComfyUI, InvokeAI, NovelAI and Fooocus, through `sd-parsers`, onto our fields.

Their texts are untrusted; whatever the parser raises means "could not be read". Names of samplers stay theirs here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.metadata.containers import PARAMETERS, Texts

if TYPE_CHECKING:
    from sd_parsers.data import PromptInfo

_RESOLUTION = re.compile(r"\(?\s*(\d{1,6})\s*[,x×]\s*(\d{1,6})\s*\)?")
_OURS = {"steps": "steps", "cfg_scale": "cfg_scale", "seed": "seed", "scheduler": "schedule", "width": "width",
         "height": "height", "noise_seed": "seed", "clip_skip": "clip_skip"}


@dataclass
class Foreign:
    """`values` by our paths, `unknown` by their keys."""

    source: str
    values: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_foreign(texts: Texts) -> Foreign | None:
    """What the first program recognised says, or None when nobody's keys are there."""
    found = dict(reversed(texts.pairs))
    for source, wanted in _programs(found).items():
        try:
            info = _parse(source, wanted)
        except Exception as error:      # a third party's parser on a stranger's text
            return Foreign(source, notes=[f"{source} data could not be read ({type(error).__name__})."])
        return _mapped(source, info, wanted)
    return None


def _programs(found: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Programs whose keys are in the file, each with the texts its parser takes."""
    programs: dict[str, dict[str, Any]] = {}
    if found.get(PARAMETERS, "").lstrip().startswith("{"):
        programs["Fooocus"] = {"parameters": found[PARAMETERS]}
    if "prompt" in found and found["prompt"].lstrip().startswith("{"):
        programs["ComfyUI"] = {key: found[key] for key in ("prompt", "workflow") if key in found}
    invoke = {key: found[key] for key in ("sd-metadata", "Dream", "invokeai_metadata") if key in found}
    if invoke:
        programs["InvokeAI"] = invoke
    if {"Description", "Source", "Comment"} <= found.keys() and found["Comment"].lstrip().startswith("{"):
        programs["NovelAI"] = {key: found[key] for key in ("Description", "Source", "Comment")}
    return programs


def _parse(source: str, wanted: dict[str, Any]) -> PromptInfo:
    from sd_parsers import parsers

    if source == "ComfyUI":
        graph = json.loads(wanted["prompt"].replace("NaN", "null"))
        links = _links(graph)
        return parsers.ComfyUIParser().parse({"prompt": graph, "workflow": {"links": links}})
    readers = {"Fooocus": parsers.FooocusParser(), "InvokeAI": parsers.InvokeAIParser(), "NovelAI": parsers.NovelAIParser()}
    return readers[source].parse(dict(wanted))


def _links(graph: Mapping[str, Any]) -> list[tuple[int, str, int, str, int, str]]:
    """The graph's edges as a workflow lists them; from the prompt, as files saved over the API have no workflow."""
    links: list[tuple[int, str, int, str, int, str]] = []
    for node, body in graph.items():
        for name, value in dict(body.get("inputs", {})).items():
            if isinstance(value, list) and len(value) == 2 and str(value[0]) in graph:
                links.append((len(links), str(value[0]), 0, str(node), 0, "CLIP" if name == "clip" else name))
    return links


def _mapped(source: str, info: PromptInfo, wanted: Mapping[str, Any]) -> Foreign:
    """Onto our fields: the first sampler that has a prompt counts."""
    result = Foreign(source)
    result.unknown.update(info.metadata)
    samplers = sorted(info.samplers, key=lambda s: not s.prompts)
    if not samplers:
        result.notes.append(f"{source} data without a sampler: only other values were found.")
        return result
    first = samplers[0]
    if len(samplers) > 1:
        result.notes.append(f"The picture went through {len(samplers)} samplers; the first one's values are shown.")
    name, schedule = _karras(str(first.name))
    result.values |= {"sampler": name, "schedule": schedule,
                      "prompt": "\n".join(p.value for p in first.prompts),
                      "negative_prompt": "\n".join(p.value for p in first.negative_prompts)}
    if first.model:
        result.values["model"] = str(first.model.name or first.model.hash)
    for key, value in {**_scalars(info.metadata), **first.parameters}.items():
        if key in _OURS and not isinstance(value, (dict, list)):
            result.values[_OURS[key]] = value
            result.unknown.pop(key, None)
        elif key in first.parameters:
            result.unknown[key] = value
    _size(result)
    _model(result, wanted)
    return result


def _karras(name: str) -> tuple[str, str | None]:
    """InvokeAI writes `dpmpp_2m_k` for the Karras schedule."""
    return (name.removesuffix("_k"), "karras") if name.endswith("_k") else (name, None)


def _scalars(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Single values of the metadata; of ComfyUI's nodes only the size of the empty latents."""
    flat = {k: v for k, v in metadata.items() if not isinstance(v, (dict, list))}
    for nodes in metadata.values():
        for node in nodes if isinstance(nodes, list) else ():
            if isinstance(node, dict) and "width" in node and "height" in node and "width" not in flat:
                flat |= {"width": node["width"], "height": node["height"]}
    return flat


def _size(result: Foreign) -> None:
    """Fooocus writes `(1152, 896)`."""
    match = _RESOLUTION.fullmatch(str(result.unknown.get("resolution", "")))
    if match:
        result.values |= {"width": match[1], "height": match[2]}
        result.unknown.pop("resolution")


def _model(result: Foreign, wanted: Mapping[str, Any]) -> None:
    """InvokeAI since 4.0 names its model under `name`, which the parser does not know."""
    if "model" not in result.values and "invokeai_metadata" in wanted:
        model = json.loads(wanted["invokeai_metadata"]).get("model")
        if isinstance(model, dict) and model.get("name"):
            result.values["model"] = str(model["name"])
