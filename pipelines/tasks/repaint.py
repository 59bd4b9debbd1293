"""A picture painted again in tiles by what its own file says of how it was made: from what was asked to a request. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pipelines.loading.controls import controls
from pipelines.loading.library import Library, ModelFile
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.control_types import NONE, model_for, preprocessor_for
from pipelines.tasks.preprocess import Preprocessors
from pipelines.upscalers.automatic import AUTOMATIC
from pipelines.upscalers.recipe import Recipe

STRENGTH = 0.3
LAID = ("padding", "method", "mask_blur", "order", "seam_fix", "seam_denoising_strength", "seam_width")     # of `Tiled`
HOLDERS = ("Tile", "Canny")     # control types that keep what is there, the better one first
ALONE: Mapping[str, Any] = MappingProxyType({
    "inpaint": None, "outpaint": None, "hires": None, "sketch": None, "loopback": None, "variation": None, "control": (),
    "identity": None, "tiling": False, "batch_count": 1, "batch_size": 1, "model_hash": "", "vae_hash": "", "init": None,
    "tiled": None, "detailer": None})


@dataclass(frozen=True)
class Repaint:
    """None: as the picture's file says, else the default of the field.   held: also steered by a tile or canny ControlNet."""

    denoising_strength: float = STRENGTH
    tile: int = 0
    padding: int | None = None
    method: str | None = None
    mask_blur: int | None = None
    order: str | None = None
    seam_fix: str | None = None
    seam_denoising_strength: float | None = None
    seam_width: int | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    model: str | None = None
    steps: int | None = None
    seed: int | None = None
    held: bool = False

    def request(self, picture: str, own: GenerationRequest | None, recipe: Recipe, library: Library,
                preprocessors: Preprocessors) -> GenerationRequest:
        """The same words, the same request, so that a run that was stopped goes on. `own`: what made the kept `picture`.

        Raises FieldError, RequestError for what a field does not take and for what tiles cannot do.
        """
        target = recipe.target
        if target.width and target.height and not target.crop:
            raise FieldError("Crop", "off", "a picture that is painted again is not stretched", "on")
        for label, name in (("Second upscaler", recipe.second), ("Face restoration", recipe.faces.restorer)):
            if name:
                raise FieldError(label, name, "not together with painting it again in tiles", fix="Leave one of the two out")
        typed = self._given("prompt", "negative_prompt", "model", "steps", "seed")
        base = own or _default(typed, int(picture[:8], 16), library)
        tiled = {"scale": target.scale, "width": target.width, "height": target.height, "tile": self.tile,
                 "upscaler": recipe.upscaler or AUTOMATIC} | self._given(*LAID)
        init = {"image": picture, "denoising_strength": self.denoising_strength}
        request = base.merged(ALONE).merged(typed | {"init": init, "tiled": tiled})
        return request.merged({"control": (holder(library.find(request.model), library, preprocessors),)}) if self.held else request

    def _given(self, *names: str) -> dict[str, Any]:
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def holder(model: ModelFile, library: Library, preprocessors: Preprocessors) -> dict[str, Any]:
    """A unit that keeps what the picture shows. Raises FieldError when the family has no net for it."""
    there = {control.control for control in controls(library, model.family)}
    kind = next((kind for kind in HOLDERS if kind in there), HOLDERS[-1])
    # A tile's net is shown the enlarged picture itself, which is as coarse as what it was trained on.
    seen = NONE if kind == "Tile" else preprocessor_for(kind, model.family, preprocessors)
    return {"preprocessor": seen, "model": model_for(kind, model.family, library)}


def _default(typed: Mapping[str, Any], seed: int, library: Library) -> GenerationRequest:
    """For a picture that does not say how it was made."""
    found = library.find(typed.get("model", GenerationRequest().model))
    return GenerationRequest.parse({**found.family.default_request, "model": found.name, "seed": seed})
