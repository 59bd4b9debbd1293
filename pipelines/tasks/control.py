"""The units of a request as features of a run: their pictures become conditions, their models nets, both ready before it starts.

`refusals` says before anything is queued what could not be run. Torch comes in with the first net.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipelines.families.family import Family
from pipelines.loading.controls import LABEL, Control, controls, find_control
from pipelines.loading.library import Library
from pipelines.spec.errors import FieldError
from pipelines.spec.events import Emit, Stage
from pipelines.spec.geometry import Size
from pipelines.spec.parts import ControlUnit
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.canvas import Canvas
from pipelines.tasks.condition import Conditions, tensor
from pipelines.tasks.feature import Feature, Run, Turn

if TYPE_CHECKING:
    from pipelines.loading.residency import Residency

COMPONENT = "control"       # under which the residency holds the nets
HASH = 8                    # hex digits, as sd-webui-controlnet writes them


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

        size = control_bytes(control.file, device.dtype, emit)
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
    models = [request.model, *([request.hires.model or request.model] if request.hires else [])]
    families = [library.find(name).family for name in models]       # of the passes
    refused = []
    for number, unit in enumerate(request.control, 1):
        if unit.weight == 0:
            continue
        try:
            _check(number, unit, request)
            [control, *_] = [fitting(number, unit, family, library) for second, family in enumerate(families)
                             if len(families) == 1 or unit.steers(bool(second))]
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
