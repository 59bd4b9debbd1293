"""`upscale FILE --tiled-diffusion`: a picture enlarged and painted again in tiles, by the settings of its own file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import metadata
from pipelines.archive.inputs import Inputs
from pipelines.engine import Engine, Finished
from pipelines.loading.residency import Residency
from pipelines.settings import Settings
from pipelines.spec.events import Emit
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.repeated import completed
from pipelines.tasks.start import started
from pipelines.upscalers import Upscalers

STRENGTH = 0.3
ALONE: dict[str, Any] = {"inpaint": None, "outpaint": None, "hires": None, "sketch": None, "loopback": None, "variation": None,
                         "control": (), "identity": None, "tiling": False, "batch_count": 1, "batch_size": 1, "model_hash": "",
                         "vae_hash": ""}


@dataclass(frozen=True)
class Painter:
    """given: what was typed, by the names of `upscale_flags`."""

    given: Mapping[str, Any]
    engine: Engine
    inputs: Inputs
    upscalers: Upscalers

    @classmethod
    def of(cls, given: Mapping[str, Any], settings: Settings, listed: Upscalers, holder: Residency) -> Painter:
        inputs = Inputs(settings.outputs_dir)
        return cls(given, Engine(holder, None, inputs, listed), inputs, listed)

    def __call__(self, file: Path, emit: Emit) -> Finished:
        """Raises FieldError, RequestError, ImageFileError for what was typed; StudioError for what fails."""
        return next(self.engine.run(self.request(file), emit))

    def request(self, file: Path) -> GenerationRequest:
        """The picture's own settings where its file tells them, under what was typed; the same words, the same request."""
        said, name = metadata.read(file), self.inputs.keep_file(file)
        typed = {key: value for key in ("prompt", "negative_prompt", "model", "steps", "seed")
                 if (value := self.given[f"paint.{key}"]) is not None}
        base = said.full or self._default(typed, int(name[:8], 16))
        tiled = {"scale": self.given["scale"], "width": self.given["width"], "height": self.given["height"],
                 "upscaler": self.given["upscaler"] or "Automatic", "tile": self.given["tile"]}
        tiled |= {key: value for key in ("padding", "method", "seam_fix") if (value := self.given[f"paint.{key}"]) is not None}
        strength = self.given["paint.denoising_strength"]
        init = {"image": name, "denoising_strength": STRENGTH if strength is None else strength}
        request = base.merged(ALONE | {"init": None, "tiled": None}).merged(typed | {"init": init, "tiled": tiled})
        model = self.engine.residency.library.find
        step = model(request.model).family.size_step
        return request.merged(started(request, self.inputs, step)).merged(
            completed(request, self.inputs, self.upscalers, model)).drawn()

    def _default(self, typed: Mapping[str, Any], seed: int) -> GenerationRequest:
        """For a picture that does not say how it was made."""
        name = typed.get("model", GenerationRequest().model)
        found = self.engine.residency.library.find(name)
        return GenerationRequest.parse({**found.family.default_request, "model": found.name, "seed": seed})
