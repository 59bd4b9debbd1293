"""What one ControlNet unit shows its net: the picture through its preprocessor, brought to the size that is painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.preprocess import perfect_resolution, resized
from pipelines.spec.geometry import Size
from pipelines.spec.parts import ControlUnit
from pipelines.tasks.preprocess import Preprocessors

if TYPE_CHECKING:
    from PIL.Image import Image

OWN_DEFAULT = -1.0      # of `threshold_a` and `threshold_b`


def condition(unit: ControlUnit, picture: Image, target: Size, preprocessors: Preprocessors) -> Image:
    """RGB of `target` size. `picture`: the unit's own, or the one the request starts from.

    Raises FieldError for a preprocessor, a value or a picture that gives none, ModelFileError naming a missing weight.
    """
    row = preprocessors.rows.get(unit.preprocessor)
    told = zip(row.options, (unit.threshold_a, unit.threshold_b), strict=False)
    params = {option.key: value for option, value in told if value != OWN_DEFAULT}
    resolution = perfect_resolution(Size(*picture.size), target, unit.resize_mode) if unit.pixel_perfect else unit.resolution
    return resized(preprocessors.run(row.name, picture, params, resolution), target, unit.resize_mode)
