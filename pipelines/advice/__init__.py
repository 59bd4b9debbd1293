"""The study's recommendations, applied: bands, verdicts with a reason, and why a picture may look bad. Blocks nothing.

Knows no torch and no list of models or samplers: a family is any object with `name`, `native_px` and `sizes`, and the
samplers' facts may be handed in. The numbers stand in `presets/`, see docs/advice.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from pipelines.advice import larger, numbers, sampling, sizes, texts
from pipelines.advice.book import SHIPPED, Book
from pipelines.advice.case import Case, FamilyLike, Samplers
from pipelines.advice.prompts import Vocabulary
from pipelines.advice.texts import Structure
from pipelines.advice.verdict import LEVELS, Verdict, Zone
from pipelines.spec.request import GenerationRequest

__all__ = ["LEVELS", "Advice", "Structure", "Verdict", "Zone"]

FIELDS: Mapping[str, Callable[[Case], Verdict | None]] = MappingProxyType({
    "prompt": lambda case: texts.prompt(case)[0],
    "negative_prompt": lambda case: texts.negative(case)[0],
    "clip_skip": numbers.clip_skip,
    "sampler": sampling.sampler,
    "schedule": sampling.schedule,
    "steps": numbers.steps,
    "cfg_scale": numbers.cfg_scale,
    "cfg_rescale": numbers.cfg_rescale,
    "width": lambda case: sizes.side(case, "width"),
    "height": lambda case: sizes.side(case, "height"),
    "size": sizes.size,
    "seed": numbers.seed,
    "variation.seed": numbers.variation_seed,
    "variation.strength": numbers.variation_strength,
    "batch_count": numbers.batch_count,
    "batch_size": numbers.batch_size,
    "hires.scale": larger.hires_scale,
    "hires.steps": larger.hires_steps,
    "hires.denoising_strength": larger.hires_strength,
    "detailer.denoising_strength": larger.detailer_strength,
    "tiled.method": larger.tiled_method,
    "tiled.tile": larger.tiled_tile,
    "tiled.padding": larger.tiled_padding,
})


class Advice:
    """The study's word on a request. `samplers` is the studio's table of samplers, for those the study did not try."""

    def __init__(self, language: str = "en", folder: Path = SHIPPED, samplers: Samplers | None = None) -> None:
        self.language, self.folder, self.samplers = language, folder, samplers
        self.book = Book(folder, language)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.book.vocabulary)

    def in_language(self, language: str) -> Advice:
        """The same advice in another language ("en" or "uk")."""
        return Advice(language, self.folder, self.samplers)

    def verdict(self, field: str, request: GenerationRequest, family: FamilyLike) -> Verdict | None:
        """The verdict on one field by its path ("steps", "variation.strength"; "size" is both sides), or None."""
        judge = FIELDS.get(field)
        return judge(self._case(request, family)) if judge else None

    def all(self, request: GenerationRequest, family: FamilyLike) -> dict[str, Verdict]:
        """Every field's verdict by path, in the order of the form."""
        case = self._case(request, family)
        found = ((field, judge(case)) for field, judge in FIELDS.items())
        return {field: verdict for field, verdict in found if verdict is not None}

    def value(self, field: str, value: float, family: FamilyLike) -> Verdict:
        """The verdict on a number that stands on a scale of its own, such as `denoising_strength`."""
        notes = [self.book.say("denoising_strength.exact")] if field == "denoising_strength" else []
        return numbers.on_scale(self._case(GenerationRequest(), family), field, value, notes)

    def strength(self, request: GenerationRequest, value: float, family: FamilyLike) -> Verdict:
        """The verdict on the denoising strength `value`: for a whole picture the study's, for a part of one by what it starts from.

        The study's bands end where "txt2img is better": of a part that is painted anew, or of margins, that is not so.
        """
        if request.inpaint is None and request.outpaint is None:
            return self.value("denoising_strength", value, family)
        margins, content = request.outpaint and request.outpaint.any, request.inpaint and request.inpaint.masked_content
        made_up = margins or content not in (None, "original")
        found = self.value("made_up_strength" if made_up else "masked_strength", value, family)
        return replace(found, field="denoising_strength",
                       changes={"denoising_strength": found.recommended} if found.changes else {})

    def prompt_structure(self, prompt: str, negative_prompt: str = "", family: FamilyLike | None = None) -> Structure:
        """The prompt's six slots with what is missing, its contradictions, and what the study says of both."""
        request = GenerationRequest(prompt=prompt, negative_prompt=negative_prompt)
        return texts.structure(self._case(request, family or _ANY))

    def explain_result(self, request: GenerationRequest, family: FamilyLike) -> list[Verdict]:
        """Why did it look bad? What is worse than acceptable, worst first; else one verdict that nothing stands out."""
        case = self._case(request, family)
        told_otherwise = {"width", "height", "prompt", "negative_prompt"}      # by "size" and by the prompts' structure
        if (request.hires or request.detailer) and request.init and request.init.denoising_strength == 0:
            told_otherwise |= {"size", "steps"}         # only the second pass, or faces, were painted
        found = [v for field, v in self.all(request, family).items() if field not in told_otherwise]
        found += texts.structure(case).verdicts
        bad = sorted((v for v in found if v.severity > LEVELS.index("acceptable")), key=lambda v: -v.severity)
        fine = Verdict("", "recommended", self.book.label("result.fine"), self.book.say("result.fine"))
        return bad or [fine]

    def _case(self, request: GenerationRequest, family: FamilyLike) -> Case:
        return Case(request, family, self.book, self.vocabulary, self.samplers)


class _AnyFamily:
    """Stands in where a prompt is read and no model matters."""

    name, native_px = "sd15", 512

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        return {"square": (512, 512)}


_ANY = _AnyFamily()
