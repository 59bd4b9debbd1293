"""The likeness of photos on its way into a run: the adapter is found and loaded, photos become pixels, rules are checked.

Photos are kept pictures, cropped already: nothing here looks for a face. Torch comes in with the run.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pipelines.loading.identity_files import PHOTOMAKER, IdentityFile, find_identity, image_encoder
from pipelines.patches.photomaker.rules import check_prompt
from pipelines.portraits.crop import whole
from pipelines.portraits.faces import LOOKED_AT
from pipelines.portraits.photos import FACE_NUMBERS
from pipelines.spec.errors import FieldError
from pipelines.spec.events import Emit, Stage
from pipelines.spec.geometry import Size
from pipelines.spec.parts import Identity
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.feature import Feature, Run, Turn

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.archive.inputs import Inputs
    from pipelines.loading.library import Library
    from pipelines.loading.residency import Residency
    from pipelines.portraits.faces import Detector
    from pipelines.tasks.preprocess import Preprocessors
    from pipelines.tasks.text import Wording

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)     # CLIP's
DRAWN = "mini_pose"     # the preprocessor that sees the people of mini's world
MOST = 16       # photos; their class tokens must fit beside the prompt anyway


def check(request: GenerationRequest, library: Library, inputs: Inputs) -> None:
    """Raise FieldError for a likeness that could not be painted: before the run, and before it is queued."""
    wanted = request.identity
    if wanted is None or wanted.strength == 0:
        return
    if not wanted.photos:
        raise FieldError("Photos", 0, "there is none to take the likeness from", f"1-{MOST}", "Add a photo of the person")
    if len(wanted.photos) > MOST:
        raise FieldError("Photos", len(wanted.photos), "too many", f"1-{MOST}")
    for name in wanted.photos:
        inputs.check(name)
    found = find_identity(library, library.find(request.model), wanted.adapter)
    if found.way == PHOTOMAKER:
        check_prompt(request.prompt, request.negative_prompt, request.steps, request.emphasis != "None")
    if vectors(wanted) is None and found.needs_vectors:
        raise no_vectors(found, len(wanted.photos))


def no_vectors(found: IdentityFile, photos: int) -> FieldError:
    """What to do about an adapter that wants more than photos."""
    return FieldError("Face vectors", "none", f"{found.name} is PhotoMaker v2 and reads one of every face beside its photo",
                      f"{photos} of {FACE_NUMBERS} numbers" if photos else "",
                      "Give them to `generate --identity-vectors FILE`, or choose PhotoMaker v1 or an IP-Adapter")


def vectors(wanted: Identity) -> np.ndarray | None:
    """The saved face vectors (n, 512) float32, or None. Raises FieldError."""
    if not wanted.vectors:
        return None
    try:
        rows = [np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4") for text in wanted.vectors]
    except (binascii.Error, ValueError):
        rows = []
    if len(rows) != len(wanted.photos) or any(row.shape != (FACE_NUMBERS,) or not np.isfinite(row).all() for row in rows):
        raise FieldError("Face vectors", len(wanted.vectors), "there must be one for every photo",
                         f"{len(wanted.photos)} of {FACE_NUMBERS} numbers")
    return np.stack(rows)


def face_finder(roots: Sequence[Path], preprocessors: Preprocessors, looked_at: int = LOOKED_AT) -> Detector | None:
    """The best detector there is for photographs, and where mini's estimators lie one for drawn people too.

    looked_at: px of the longer side, at most, at which photographs are looked through.
    """
    from pipelines.portraits.faces import also_drawn, detector

    found = detector([path for root in roots for path in root.rglob("face_detection_yunet*.onnx")], looked_at)
    return found if preprocessors.missing(DRAWN) else also_drawn(found, lambda photo: preprocessors.pose(photo, DRAWN))


def packed(vector: np.ndarray) -> str:
    """A face vector as a request has it."""
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


@dataclass(frozen=True)
class Worn:
    """What a run needs for a likeness. said: for the picture's metadata."""

    wording: Wording | None = None
    features: tuple[Feature, ...] = ()
    said: tuple[tuple[str, str], ...] = ()


class Identities:
    """The adapter used last stays loaded. One run at a time."""

    def __init__(self, residency: Residency, inputs: Inputs) -> None:
        self._residency, self._inputs = residency, inputs
        self._held: tuple[Path, Any] | None = None

    def worn(self, request: GenerationRequest, pipe: Any, emit: Emit) -> Worn:
        """The likeness `request` asks for, its files loaded; nothing where it asks for none. Raises as `check` does."""
        wanted = request.identity
        if wanted is None or wanted.strength == 0:
            self._held = None
            return Worn()
        library = self._residency.library
        found = find_identity(library, library.find(request.model), wanted.adapter)
        photos = [self._inputs.open(name) for name in wanted.photos]
        said = (("Identity", f"{found.way} {found.name}, {len(photos)} photos"),)
        if found.way == PHOTOMAKER:
            return Worn(self._photomaker(found, wanted, photos, emit), (), said)
        return Worn(None, (self._ip_adapter(found, wanted, photos, pipe, emit),), said)

    def _photomaker(self, found: IdentityFile, wanted: Identity, photos: Sequence[Image.Image], emit: Emit) -> Wording:
        from pipelines.patches.photomaker.likeness import Wish, likeness

        adapter = self._loaded(found, emit)
        pixels = clip_pixels(photos, adapter.encoder.config.vision.image, adapter.reads_halves)
        faces = vectors(wanted)

        @contextmanager
        def wording(pipe: Any, words: Any, cache: Any, inversions: Any) -> Iterator[Any]:
            import torch

            wish = Wish(words.prompt, words.negative_prompt, words.clip_skip, words.steps, words.emphasis,
                        wanted.style_strength, wanted.strength, inversions)
            given = None if faces is None else torch.from_numpy(faces.copy())
            with likeness(pipe, adapter, pixels, wish, given, cache) as on:
                yield on.segments

        return wording

    def _ip_adapter(self, found: IdentityFile, wanted: Identity, photos: Sequence[Image.Image], pipe: Any,
                    emit: Emit) -> Feature:
        from pipelines.patches.ip_adapter import check_fits, ip_adapter, look, recognise

        tensors = self._loaded(found, emit)
        kind = recognise({k: tuple(v.shape) for k, v in tensors.items()}, found.name)
        check_fits(pipe.unet, kind, found.name)
        tower = self._tower(kind.image_width, emit)
        seen = look(tower, clip_pixels(photos, tower.config.image_size), kind)

        @contextmanager
        def worn(run: Run) -> Iterator[Turn]:
            picture = seen if run.guided else seen[1:]
            with ip_adapter(run.pipe, tensors, picture, wanted.strength, found.name) as call_args:
                run.call_args.update(call_args)
                yield lambda _turn: None

        return worn

    def _loaded(self, found: IdentityFile, emit: Emit) -> Any:
        if self._held is None or self._held[0] != found.path:
            from pipelines.loading.adapter_file import read_adapter
            from pipelines.patches.photomaker.state import adapter

            emit(Stage(f"Loading {found.name}"))
            tensors, metadata = read_adapter(found.path, found.name, self._residency.library.facts)
            self._held = (found.path, adapter(tensors, metadata, found.name, self._residency.device.dtype)
                          if found.way == PHOTOMAKER else tensors)
        return self._held[1]

    def _tower(self, width: int, emit: Emit) -> Any:
        from pipelines.loading.image_tower import image_tower

        path = image_encoder(self._residency.library, width)
        emit(Stage(f"Loading {path.stem}"))
        return image_tower(path, self._residency.device.dtype)


def clip_pixels(photos: Sequence[Image.Image], side: int, halves: bool = False) -> Tensor:
    """(n, 3, side, side) as CLIP's image towers take pictures: the middle square, bicubic, normalised; `halves`: -1 to 1."""
    import torch

    squares = [p.convert("RGB").crop(whole(Size(*p.size)).corners).resize((side, side), Image.Resampling.BICUBIC) for p in photos]
    mean, deviation = (0.5, 0.5) if halves else (np.array(MEAN), np.array(DEVIATION))
    pixels = np.stack([(np.asarray(s, np.float32) / 255 - mean) / deviation for s in squares]).astype(np.float32)
    return torch.from_numpy(pixels).movedim(-1, 1)
