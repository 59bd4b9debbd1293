"""What ControlNet units show their nets: pictures cut as the canvas is, through the preprocessor, at the size that is painted."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.preprocess import Preprocessor, perfect_resolution, resized
from pipelines.preprocess.sizes import JUST
from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size
from pipelines.spec.parts import ControlUnit
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.canvas import Canvas, canvas_of, over, plain
from pipelines.tasks.preprocess import Preprocessors

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

OWN_DEFAULT = -1.0      # of `threshold_a` and `threshold_b`
KEPT = 8                # conditions
OpenInput = Callable[[str], "Image"]


def condition(unit: ControlUnit, picture: Image, target: Size, preprocessors: Preprocessors) -> Image:
    """RGB of `target` size. `picture`: the unit's own, or the one the request starts from.

    Raises FieldError for a preprocessor, a value or a picture that gives none, ModelFileError naming a missing weight.
    """
    row = preprocessors.rows.get(unit.preprocessor)
    told = zip(row.options, (unit.threshold_a, unit.threshold_b), strict=False)
    params = {option.key: value for option, value in told if value != OWN_DEFAULT}
    resolution = perfect_resolution(Size(*picture.size), target, unit.resize_mode) if unit.pixel_perfect else unit.resolution
    return resized(preprocessors.run(row.name, picture, params, resolution), target, unit.resize_mode)


class Conditions:
    """Conditions made so far, the newest kept: pictures of a batch and a run that is tried again need none anew."""

    def __init__(self, preprocessors: Preprocessors, open_input: OpenInput) -> None:
        """open_input: a kept picture by its name."""
        self.preprocessors, self.open = preprocessors, open_input
        self._made: OrderedDict[str, Image] = OrderedDict()
        self._lock = threading.RLock()      # the page looks at a condition while the worker makes another

    def of(self, unit: ControlUnit, target: Size, canvas: Canvas | None = None) -> Image:
        """What the net is shown, RGB of `target` size. canvas: what the run paints on, when it starts from a picture.

        Raises FieldError and ModelFileError as `condition` does, FieldError where there is no picture.
        """
        if not unit.image and canvas is None:
            raise FieldError("Control picture", "none", "the unit has no picture and the request starts from none",
                             fix="Choose one")
        picture, unit = shown(unit, self.open(unit.image) if unit.image else None, canvas)
        named = (picture.mode, picture.size, target, unit.preprocessor, unit.resize_mode, unit.pixel_perfect, unit.resolution,
                 unit.threshold_a, unit.threshold_b)
        key = hashlib.sha256(repr(named).encode() + picture.tobytes()).hexdigest()
        with self._lock:
            if key not in self._made:
                self._made[key] = condition(unit, picture, target, self.preprocessors)
                while len(self._made) > KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return self._made[key]

    def region(self, unit: ControlUnit, target: Size, canvas: Canvas | None = None) -> Image | None:
        """The effective region as grey of `target` size, or None for all of the picture."""
        if not unit.mask:
            return None
        picture, unit = shown(unit, self.open(unit.mask), canvas)
        return resized(picture, target, unit.resize_mode).convert("L")

    def canvas(self, request: GenerationRequest) -> Canvas | None:
        """What the request paints on, when it starts from a picture. Raises FieldError as `canvas_of` does."""
        if request.init is None or not request.init.image:
            return None
        mask = request.inpaint.mask if request.inpaint else ""
        painted = self.open(request.init.strokes) if request.init.strokes else None
        picture = self.open(request.init.image)
        if request.tiled:       # the whole picture is enlarged, whatever the width and height
            return Canvas(over(plain(picture), painted))
        return canvas_of(request, picture, self.open(mask) if mask else None, painted)

    def row(self, unit: ControlUnit) -> Preprocessor:
        """The unit's preprocessor, its weights there. Raises FieldError, and ModelFileError naming a missing file."""
        row = self.preprocessors.rows.get(unit.preprocessor)
        missing = self.preprocessors.missing(row.name)
        if missing:
            raise row.missing(missing[0])
        return row

    def release(self) -> None:
        """Forget everything; the memory goes back to the system."""
        with self._lock:
            self._made.clear()
            self.preprocessors.release()


def shown(unit: ControlUnit, own: Image | None, canvas: Canvas | None) -> tuple[Image, ControlUnit]:
    """The picture that is looked at, and the unit that says how: cut as the canvas was cut from its picture.

    own: the unit's own picture; None takes the canvas' as it was before anything was filled in.
    """
    if canvas is None or canvas.source is None or canvas.box is None:
        return (own, unit) if own is not None else (canvas.picture, unit)       # type: ignore[union-attr]
    whole = Size(*canvas.source.size)
    if own is not None and canvas.box == (0, 0, *whole):
        return own, unit
    picture = canvas.source if own is None else resized(own, whole, unit.resize_mode)
    return picture.crop(canvas.box), unit.model_copy(update={"resize_mode": JUST})


def tensor(picture: Image) -> Tensor:
    """(1, channels, height, width), 0 to 1."""
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.array(picture, np.float32) / 255)
    return (pixels if pixels.ndim == 3 else pixels[..., None]).movedim(-1, 0)[None]
