"""The units of a request as features of a run: their pictures become conditions, their models nets, both ready before it starts.

`refusals` says before anything is queued what could not be run. Torch comes in with the first net.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipelines.families.family import Family
from pipelines.loading.controls import LABEL, Control, controls, find_control
from pipelines.loading.library import Library
from pipelines.preprocess import Preprocessor, resized
from pipelines.preprocess.sizes import JUST
from pipelines.spec.errors import FieldError
from pipelines.spec.events import Emit, Stage
from pipelines.spec.geometry import Size
from pipelines.spec.parts import ControlUnit
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.canvas import Canvas, canvas_of, over, plain
from pipelines.tasks.condition import condition
from pipelines.tasks.feature import Feature, Run, Turn
from pipelines.tasks.preprocess import Preprocessors

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from pipelines.loading.residency import Residency

COMPONENT = "control"       # under which the residency holds the nets
KEPT = 8                    # conditions
HASH = 8                    # hex digits, as sd-webui-controlnet writes them
OpenInput = Callable[[str], "Image"]


class Conditions:
    """Conditions made so far, the newest kept: pictures of a batch and a run that is tried again need none anew."""

    def __init__(self, preprocessors: Preprocessors, open_input: OpenInput) -> None:
        """open_input: a kept picture by its name."""
        self._preprocessors, self.open = preprocessors, open_input
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
                self._made[key] = condition(unit, picture, target, self._preprocessors)
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
        row = self._preprocessors.rows.get(unit.preprocessor)
        missing = self._preprocessors.missing(row.name)
        if missing:
            raise row.missing(missing[0])
        return row

    def release(self) -> None:
        """Forget everything; the memory goes back to the system."""
        with self._lock:
            self._made.clear()
            self._preprocessors.release()


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


def active(request: GenerationRequest) -> list[tuple[int, ControlUnit]]:
    """The units that do something, with their number from 1."""
    return [(number, unit) for number, unit in enumerate(request.control, 1) if unit.weight > 0 and unit.end > unit.start]


class Controls:
    """Nets and conditions for an engine; one run at a time."""

    def __init__(self, residency: Residency, conditions: Conditions) -> None:
        self._residency, self._conditions = residency, conditions

    def features(self, request: GenerationRequest, pipe: Any, emit: Emit) -> tuple[Feature, ...]:
        """One for each unit that does something, their weights loaded; those no unit asks for any more are dropped.

        The last is laid on first, so that the first unit's answer is what the others are added to. Raises FieldError and
        ModelFileError before the run.
        """
        library = self._residency.library
        family = self._residency.family(request.model)
        units = active(request)
        found = [fitting(number, unit, family, library) for number, unit in units]
        self._residency.forget(COMPONENT, [control.file.path for control in found])
        if not units:
            self._conditions.release()
            return ()
        nets = [self._net(control, pipe, emit) for control in found]
        canvas = self._conditions.canvas(request)
        made = [self._feature(unit, control, net, emit, canvas)
                for (_, unit), control, net in zip(units, found, nets, strict=True)]
        return tuple(reversed(made))

    def net(self, name: str, pipe: Any, emit: Emit) -> Any:
        """The net of that name beside those of the units. Raises FieldError for any but a plain ControlNet that fits `pipe`."""
        control = find_control(self._residency.library, name)
        if control.kind != "ControlNet":
            raise FieldError(LABEL, name, f"three branches need a ControlNet, this is a {control.kind}", fix="Choose another way")
        return self._net(control, pipe, emit)

    def _net(self, control: Control, pipe: Any, emit: Emit) -> Any:
        from pipelines.loading.control_file import check_fits, control_bytes, load_control

        device = self._residency.device

        def load() -> Any:
            emit(Stage(f"Loading {control.file.name}"))
            return load_control(control.file, pipe.unet.config, device.dtype, device.is_main_memory)

        size = control_bytes(control.file, device.dtype)
        net = self._residency.module(control.file.path, COMPONENT, load, size, beside=pipe.components.values())
        check_fits(net, pipe.unet, control.name)
        return net

    def _feature(self, unit: ControlUnit, control: Control, net: Any, emit: Emit, canvas: Canvas | None) -> Feature:
        task = control.task(self._conditions.row(unit).control)

        @contextmanager
        def steered(run: Run) -> Iterator[Turn]:
            from pipelines.patches.control import Guide, Steering

            size = Size(run.width, run.height)
            if unit.preprocessor != "none":
                emit(Stage(f"Preprocessor {unit.preprocessor}"))
            pixels = tensor(self._conditions.of(unit, size, canvas))
            region = self._conditions.region(unit, size, canvas)
            guide = Guide(pixels, tensor(region) if region else None, unit.weight, unit.start, unit.end, unit.control_mode, task)
            with Steering(net, guide, run) as turn:
                yield turn
        return steered


def refusals(request: GenerationRequest, library: Library, conditions: Conditions) -> list[FieldError]:
    """One line for every unit that could not be run.

    Raises ModelFileError for a control model that is broken and for a preprocessor whose weights are not there.
    """
    models = dict.fromkeys([request.model, (request.hires and request.hires.model) or request.model])
    families = [library.find(name).family for name in models]
    refused = []
    for number, unit in enumerate(request.control, 1):
        if unit.weight == 0:
            continue
        try:
            _check(number, unit, request)
            [control, *_] = [fitting(number, unit, family, library) for family in families]
            row = conditions.row(unit)
            control.task(row.control)
            conditions.region(unit, request.size)
            if unit.image and row.seeks and not row.weights:        # quick, and an empty one is said before the run
                conditions.of(unit, request.size)
            elif unit.image:
                conditions.open(unit.image)
        except FieldError as error:
            refused.append(error)
    return refused


def _check(number: int, unit: ControlUnit, request: GenerationRequest) -> None:
    if unit.start > unit.end:
        raise FieldError(f"Control start of unit {number}", unit.start, f"it would begin after its end ({unit.end:g})",
                         f"0-{unit.end:g}", "Lower the start or raise the end")
    if not unit.image and request.init is None:
        raise FieldError(f"Control picture of unit {number}", "none", "there is nothing to steer by",
                         fix="Choose a picture, or switch the unit off")


def fitting(number: int, unit: ControlUnit, family: Family, library: Library) -> Control:
    """The unit's control model. Raises FieldError when it is none, unknown, or of another family than the checkpoint."""
    allowed = ", ".join(c.name for c in controls(library, family)[:6]) or f"none for {family.label} are installed"
    if not unit.model:
        raise FieldError(f"{LABEL} of unit {number}", "none", "without one nothing reads the condition", allowed,
                         "Choose one, or switch the unit off")
    control = find_control(library, unit.model)
    if not control.fits(family):
        raise FieldError(f"{LABEL} of unit {number}", unit.model,
                         f"it was made for {control.file.family.label} and the chosen model is {family.label}", allowed,
                         "Choose another one, or switch the unit off")
    return control


def pinned(request: GenerationRequest, library: Library) -> dict[str, Any]:
    """What names the weights of its units exactly."""
    doing = {number for number, _ in active(request)}
    hashes = (find_control(library, unit.model).file.short_hash()[:HASH] if number in doing else ""
              for number, unit in enumerate(request.control, 1))
    return {"control_hashes": tuple(hashes)}


def tensor(picture: Image) -> Tensor:
    """(1, channels, height, width), 0 to 1."""
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.array(picture, np.float32) / 255)
    return (pixels if pixels.ndim == 3 else pixels[..., None]).movedim(-1, 0)[None]
