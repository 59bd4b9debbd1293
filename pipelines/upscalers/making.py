"""One picture by a recipe: upscaled, blended, its faces restored, with the depth that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from pipelines.deep import Deep, Picture
from pipelines.images import plain
from pipelines.loading.memory import explained
from pipelines.loading.residency import Residency
from pipelines.spec.events import Emit, Note
from pipelines.spec.geometry import Size
from pipelines.upscalers.listing import Upscalers
from pipelines.upscalers.recipe import Recipe
from pipelines.upscalers.upscaling import Request, blend, enlarged


@dataclass(frozen=True)
class Bench:
    """What there is to work with."""

    upscalers: Upscalers
    holder: Residency


class Made(NamedTuple):
    """recipe: with the names of what was used."""

    picture: Picture
    recipe: Recipe


@explained()
def made(image: Image.Image, recipe: Recipe, bench: Bench, emit: Emit) -> Made:
    """Raises FieldError, ModelFileError, OutOfMemory, DeviceLost, and whatever `emit` raises inward."""
    recipe, first, second = recipe.named(bench.upscalers, Size(*image.size))
    request = Request(image, first, recipe.target, recipe.tiling, recipe.deep)
    if second is None:
        picture = enlarged(request, bench.holder, emit)
    else:
        picture = blend(request, second, recipe.visibility, bench.holder, emit)
    if isinstance(picture, Deep) and picture.levels == 8:
        emit(Note(f"{first.name} makes 8 bits a channel; the file is written with 8."))
        picture = picture.shallow()
    return Made(_with_faces(picture, image, recipe, bench, emit), recipe)


def _with_faces(picture: Picture, image: Image.Image, recipe: Recipe, bench: Bench, emit: Emit) -> Picture:
    """`picture`, made from `image`, with its faces restored where the recipe wants that."""
    faces = recipe.faces
    if not (faces.restorer and faces.visibility):
        return picture
    from pipelines.upscalers.faces import finder
    from pipelines.upscalers.restoring import Placed, Wanted, restored

    source = plain(image.copy())
    whole, final = recipe.target.sizes(Size(*source.size))
    wanted = Wanted(bench.upscalers.restorers.find(faces.restorer), faces.visibility, faces.weight,
                    finder(bench.upscalers.library.roots))
    return restored(picture, Placed.of(source, whole, final), wanted, bench.holder, emit)
