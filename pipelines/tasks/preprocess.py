"""Runs preprocessors: a picture in, the condition out. Holds at most one network; torch comes in with the first one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.loading.annotators import find
from pipelines.loading.facts import Facts
from pipelines.loading.pickled import safetensors_of
from pipelines.preprocess.row import Preprocessor, Weight
from pipelines.preprocess.rows import DEFAULT_RESOLUTION, RESOLUTION, ROWS
from pipelines.preprocess.sizes import detected
from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size
from pipelines.spec.registry import Registry

if TYPE_CHECKING:
    from PIL import Image

    from pipelines.pose import Pose

STEP = 64       # networks halve a picture up to six times


class Preprocessors:
    """`roots`: models folders (`Settings.model_roots`).   device: where networks run: "auto", "cpu", "cuda", "cuda:1", "mps".

    facts: keeps weights that come as pickles converted.
    more: further rows, each with the function that runs it (RGB pixels and values in, pixels out): an estimator of one's
    own, added when its weights are there.
    """

    def __init__(self, roots: Sequence[Path], device: str = "auto",
                 more: Iterable[tuple[Preprocessor, Callable[[Any, Mapping[str, Any]], Any]]] = (),
                 facts: Facts | None = None) -> None:
        self.roots, self.device, self._facts = tuple(roots), device, facts or Facts(None)
        more = tuple(more)
        self.rows: Registry[Preprocessor] = Registry("Preprocessor", (*ROWS, *(row for row, _ in more)))
        self._more = {row.name: see for row, see in more}
        self._held: tuple[tuple[Path, ...], Callable[[Any, Mapping[str, Any]], Any]] | None = None

    def missing(self, name: str) -> list[Weight]:
        """What `name` needs and is not on disk. Raises FieldError for a name that is none."""
        return [weight for weight in self.rows.get(name).weights if find(self.roots, weight) is None]

    def run(self, name: str, image: Image.Image, params: Mapping[str, Any] | None = None,
            resolution: int = DEFAULT_RESOLUTION) -> Image.Image:
        """The condition as RGB, its shorter side at `resolution` (of its own size where the row does not look for detail).

        Transparency counts as white. Raises FieldError for a wrong name, value or picture in which there is nothing to find,
        ModelFileError naming the file that is missing and its place.
        """
        import numpy as np
        from PIL import Image

        row = self.rows.get(name)
        if row.finds_people:
            return _drawn(row, self.pose(image, name, resolution))
        found = np.asarray(self._seen(row, image, params, resolution), np.uint8)
        if row.seeks and found.min() == found.max():
            raise row.nothing_found()
        return Image.fromarray(found).convert("RGB")

    def pose(self, image: Image.Image, name: str = "openpose", resolution: int = DEFAULT_RESOLUTION) -> Pose:
        """The people in a picture as key points, on a canvas of the detect size: what the pose editor starts from."""
        row = self.rows.get(name)
        if not row.finds_people:
            raise FieldError("Preprocessor", name, "finds no key points",
                             ", ".join(r.name for r in self.rows if r.finds_people))
        pose: Pose = self._seen(row, image, None, resolution)
        return pose

    def release(self) -> None:
        """Forget the network that is held; its memory goes back to the system."""
        if self._held is not None:
            self._held = None
            from pipelines.loading.store import give_memory_back

            give_memory_back()

    def _seen(self, row: Preprocessor, image: Image.Image, params: Mapping[str, Any] | None, resolution: int) -> Any:
        """The row's result for the picture, at detect size where it detects."""
        values = {**row.values(params), **(row.fixed or {})}
        resolution = RESOLUTION.check(resolution, int)
        see = self._function(row)
        pixels = flattened(image)
        if not row.detects:
            return see(pixels, values)
        size = detected(Size(*image.size), resolution)
        found = see(_padded(_at(pixels, size)), values)
        if row.finds_people:
            return _cut(found, size)
        return found[:size.height, :size.width]

    def _function(self, row: Preprocessor) -> Callable[[Any, Mapping[str, Any]], Any]:
        if row.name in self._more:
            return self._more[row.name]
        if not row.weights:
            from pipelines.preprocess.plain import PLAIN

            return PLAIN[row.how]
        paths = []
        for weight in row.weights:
            path = find(self.roots, weight)
            if path is None:
                raise row.missing(weight)
            paths.append(safetensors_of(path, path.name, self._facts))
        held = self._held       # by itself: the page and the worker may both ask
        if held is None or held[0] != tuple(paths):
            self.release()
            from pipelines.loading.device import Device
            from pipelines.tasks.detectors import BUILDERS

            held = self._held = tuple(paths), BUILDERS[row.how](paths, Device.pick(self.device).torch)
        return held[1]


def flattened(image: Image.Image) -> Any:
    """H×W×3 RGB bytes; transparency over white."""
    import numpy as np
    from PIL import Image

    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def _at(pixels: Any, size: Size) -> Any:
    """Resized as sd-webui-controlnet does: averaged when it shrinks, bicubic when it grows."""
    import cv2

    if pixels.shape[:2] == (size.height, size.width):
        return pixels
    way = cv2.INTER_AREA if size.height < pixels.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(pixels, size, interpolation=way)


def _padded(pixels: Any) -> Any:
    """Both sides grown to multiples of STEP by repeating the last row and column: nothing is distorted."""
    import numpy as np

    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, -height % STEP), (0, -width % STEP), (0, 0)), mode="edge")


def _cut(pose: Pose, size: Size) -> Pose:
    from dataclasses import replace

    return replace(pose, width=size.width, height=size.height)


def _drawn(row: Preprocessor, pose: Pose) -> Image.Image:
    from pipelines.pose import draw

    if not pose.people:
        raise row.nothing_found()
    return draw(pose)
