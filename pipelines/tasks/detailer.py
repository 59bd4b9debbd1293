"""The faces of a finished picture ("detailer"): which are painted again, in what part of the picture, at what size, by which words.

Pixels and arithmetic; torch comes in with the painting, which is inpainting of one part of the picture (`tasks/image.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipelines.families.family import Family
from pipelines.loading.library import Library
from pipelines.portraits.crop import MARGIN, Box
from pipelines.portraits.faces import Detector, likely_heads
from pipelines.samplers import callback_count
from pipelines.spec.errors import FieldError
from pipelines.spec.geometry import Size
from pipelines.spec.parts import LAST_SEED, Detailer
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import identity
from pipelines.tasks.canvas import LANCZOS, Canvas, around
from pipelines.tasks.repeated import second
from pipelines.tasks.steps import steps_run

if TYPE_CHECKING:
    from pipelines.archive.inputs import Inputs
    from pipelines.tasks.preprocess import Preprocessors
    from pipelines.tasks.task import Task

BETWEEN = "[SEP]"       # of the words of two faces, as ADetailer has it
FINEST = 1024           # px of the longer side at which faces are looked for: in a picture they are smaller than in a portrait
ALONE: dict[str, Any] = {
    **dict.fromkeys(("variation", "init", "inpaint", "outpaint", "loopback", "hires", "tiled", "detailer", "sketch")),
    "control": (), "tiling": False, "styles": (), "batch_count": 1, "batch_size": 1}
"""What a face is painted without. A likeness stays: it is one of a face."""


@dataclass(frozen=True)
class Part:
    """box: the part of the picture that is cut out, in its pixels: left, top, right, bottom.   size: at which it is painted.

    mask: L of the box, white where the face is painted anew.   request: what it is painted by.
    """

    box: tuple[int, int, int, int]
    size: Size
    mask: Image.Image
    request: GenerationRequest

    def task(self, picture: Image.Image, blur: int, free: Image.Image | None) -> Task:
        """Paints this part of `picture`; its result is RGB, as large as the box. free: L, where the picture may change at all."""
        from pipelines.tasks.image import ImageTask

        region, where = picture.crop(self.box).convert("RGB"), self.mask.filter(ImageFilter.GaussianBlur(blur))
        if free is not None:
            where = ImageChops.darker(where, free.crop(self.box))
        shown = [one.resize((self.size.width, self.size.height), LANCZOS) for one in (region, where)]
        (width, height), (left, top, right, bottom) = picture.size, self.box
        within = left / width, top / height, right / width, bottom / height     # where regional words lie
        canvas = Canvas(shown[0], shown[1], region, where, (0, 0, *region.size), within=within)
        return ImageTask([self.request], canvas, region)


def base(request: GenerationRequest) -> GenerationRequest:
    """What the picture was painted by last: the second pass where there is one. Its model, sampler and words paint the faces."""
    return second(request) if request.hires else request


def finder(library: Library, preprocessors: Preprocessors, family: Family) -> Detector:
    """What finds faces in pictures of a family; in mini's world that are the people its own estimators see.

    Raises FieldError where nothing that could is installed.
    """
    if family.name == "mini" and not preprocessors.missing(identity.DRAWN):
        return lambda picture: likely_heads(preprocessors.pose(picture, identity.DRAWN), picture.size)
    found = identity.face_finder(library.roots, preprocessors, FINEST)
    if found is None:
        raise FieldError("Detailer", "on", "nothing that finds faces is installed",
                         fix="Install scikit-image, or put YuNet's weights into models (docs/detailer.md)")
    return found


def chosen(faces: Sequence[Box], picture: Size, wanted: Detailer, free: Image.Image | None = None) -> list[Box]:
    """Those of `faces` that are to be painted, from left to right: the largest, none too small, none where nothing may change."""
    large = [box for box in faces if box.area >= wanted.smallest * picture.pixels
             and (free is None or free.crop(box.corners).getextrema()[1])]
    largest = sorted(large, key=lambda box: -box.area)[:wanted.most or None]
    return sorted(largest, key=lambda box: box.left)


def parts(request: GenerationRequest, picture: Size, faces: Sequence[Box], family: Family) -> list[Part]:
    """One for each face. request: of the whole picture, with its `detailer`; picture: its finished size."""
    wanted, whole = request.detailer or Detailer(), base(request)
    square = Size(family.native_px, family.native_px)
    made = []
    for number, face in enumerate(faces):
        left, top, right, bottom = face.corners
        edge = 2 * wanted.mask_blur     # of the blurred mask: it must lie within the part
        held = max(0, left - edge), max(0, top - edge), min(picture.width, right + edge), min(picture.height, bottom + edge)
        padding = wanted.padding or round(MARGIN * max(face.width, face.height))
        box = around(held, max(0, padding - edge), picture, square)
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        ImageDraw.Draw(mask).rectangle((left - box[0], top - box[1], right - box[0] - 1, bottom - box[1] - 1), fill=255)
        size = painted_at(Size(box[2] - box[0], box[3] - box[1]), family)
        made.append(Part(box, size, mask, whole.merged(ALONE).merged({
            "prompt": _words(wanted.prompt, number) or near(whole.prompt, family),
            "negative_prompt": _words(wanted.negative_prompt, number) or whole.negative_prompt,
            "steps": wanted.steps or whole.steps, "cfg_scale": wanted.cfg_scale or whole.cfg_scale,
            "width": size.width, "height": size.height, "seed": (whole.seed + 1 + number) % (LAST_SEED + 1),
            "init": {"denoising_strength": wanted.denoising_strength}, "inpaint": {}})))
    return made


def near(prompt: str, family: Family) -> str:
    """The picture's words for one face: what the family calls a near view takes the place of how much was to be seen.

    Told of a whole figure, mini paints one into the face (docs/detailer.md); families without `framings` take them as they are.
    """
    if not family.framings:
        return prompt
    nearest, *others = family.framings
    told = re.sub(rf"\b(?:{'|'.join(others)})\b", nearest, prompt, flags=re.IGNORECASE)
    return told if nearest in told.lower() else f"{told}, {nearest}"


def painted_at(part: Size, family: Family) -> Size:
    """The size at which a part of the picture is painted: the model's native one; its own where that is larger already."""
    scale = max(1.0, family.native_px / max(part))
    return Size(round(part.width * scale), round(part.height * scale)).snapped(family.size_step)


def calls(request: GenerationRequest) -> int:
    """How often the model is asked for one face."""
    wanted, whole = request.detailer or Detailer(), base(request)
    run = steps_run(wanted.steps or whole.steps, wanted.denoising_strength)
    return callback_count(whole.sampler, run) if run else 0


def check_steps(request: GenerationRequest) -> None:
    """Raise FieldError for a strength at which no step of a face would run; 0 means to paint none."""
    wanted = request.detailer
    if wanted is not None and wanted.denoising_strength and not calls(request):
        steps = wanted.steps or base(request).steps
        raise FieldError("Detailer denoising strength", wanted.denoising_strength, f"of {steps} steps none would run",
                         f"0, or {math.ceil(100 / steps) / 100:g}-1", "Raise it, or the detailer steps")


def check(request: GenerationRequest, library: Library, inputs: Inputs) -> None:
    """Raise FieldError before it is queued for too few steps, and for words of its own that lack a likeness's trigger."""
    check_steps(request)
    for words in request.detailer.prompt.split(BETWEEN) if request.detailer else ():
        if words.strip():
            identity.check(request.merged({"prompt": words}), library, inputs)


def styled(wanted: Detailer, apply: Callable[[str, str], tuple[str, str]]) -> dict[str, str]:
    """Its own words with styles laid over those of each face; none of its own are the picture's, with theirs."""
    both = {"prompt": lambda words: apply(words, "")[0], "negative_prompt": lambda words: apply("", words)[1]}
    return {name: BETWEEN.join(lay(words.strip()) if words.strip() else "" for words in getattr(wanted, name).split(BETWEEN))
            for name, lay in both.items()}


def _words(text: str, number: int) -> str:
    """The words of one face; the last ones hold for all that follow, "" is the picture's own."""
    each = text.split(BETWEEN)
    return each[min(number, len(each) - 1)].strip()
