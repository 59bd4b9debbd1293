"""`upscale FILE --tiled-diffusion`: a picture enlarged and painted again in tiles, by the settings of its own file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pipelines import metadata
from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine, Finished
from pipelines.loading.residency import Residency
from pipelines.settings import Settings
from pipelines.spec.events import Emit
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.preprocess import Preprocessors
from pipelines.tasks.repaint import Repaint
from pipelines.tasks.repeated import completed
from pipelines.tasks.start import started
from pipelines.upscalers import Upscalers
from pipelines.upscalers.recipe import Recipe


@dataclass(frozen=True)
class Painter:
    """recipe, repaint: what was typed."""

    recipe: Recipe
    repaint: Repaint
    engine: Engine
    inputs: Inputs
    preprocessors: Preprocessors

    @classmethod
    def of(cls, recipe: Recipe, repaint: Repaint, settings: Settings, holder: Residency, listed: Upscalers) -> Painter:
        inputs, library = Inputs(settings.outputs_dir), listed.library
        return cls(recipe, repaint, Engine(holder, None, inputs, listed), inputs, Preprocessors(library.roots, facts=library.facts))

    def __call__(self, file: Path, emit: Emit) -> Finished:
        """Raises FieldError, RequestError, ImageFileError for what was typed; StudioError for what fails."""
        return next(self.engine.run(self.request(file), emit))

    def request(self, file: Path) -> GenerationRequest:
        """The picture's own settings where its file tells them, under what was typed; the same words, the same request."""
        said, name, library = metadata.read(file), self.inputs.keep_file(file), self.engine.residency.library
        request = self.repaint.request(name, said.full, self.recipe, library, self.preprocessors)
        step = library.find(request.model).family.size_step
        return request.merged(started(request, self.inputs, step)).merged(
            completed(request, self.inputs, self.engine.upscalers, library.find)).drawn()


def repaint_of(given: Mapping[str, Any]) -> Repaint:
    """What the flags say, by the names of `upscale_flags`; what was not typed keeps its default."""
    typed = {field.name: value for field in fields(Repaint) if (value := given.get(f"paint.{field.name}")) is not None}
    return Repaint(**typed | {"tile": given["tile"], "held": bool(given.get("paint.held"))})
