"""A user's photos to portraits: opened upright, cropped to the face, with one line for the user where something is amiss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pipelines.images import open_image
from pipelines.portraits.crop import Box, around, by_hand, whole
from pipelines.portraits.faces import Detector
from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.spec.geometry import Size

FACE_NUMBERS = 512      # length of a recogniser's vector, as PhotoMaker v2 takes it
LINE = (46, 160, 67)


@dataclass(frozen=True, eq=False)
class Portrait:
    """One photo, upright RGB, and what of it is used. `faces` found in it, the largest first; `note` is "" when all is well."""

    name: str
    photo: Image.Image
    crop: Box
    faces: tuple[Box, ...] = ()
    note: str = ""

    @property
    def picture(self) -> Image.Image:
        """What the encoder is shown."""
        return self.photo.crop(self.crop.corners)

    def preview(self) -> Image.Image:
        """The photo with its crop drawn, and what is left out darkened."""
        dark = self.photo.point(lambda value: value * 0.45)
        dark.paste(self.picture, self.crop.corners[:2])
        left, top, right, bottom = self.crop.corners
        width = max(2, max(self.photo.size) // 200)
        ImageDraw.Draw(dark).rectangle((left, top, right - 1, bottom - 1), outline=LINE, width=width)
        return dark


def portraits(photos: Sequence[str | Path | bytes], detector: Detector | None = None,
              crops: Mapping[int, Box] | None = None) -> list[Portrait]:
    """A portrait of every photo. Raises FieldError without photos, ImageFileError for one that cannot be opened.

    crops: the user's own boxes by the number of the photo (from 0); they win over what a detector says.
    """
    if not photos:
        raise FieldError("Photos", 0, "there is none to take the likeness from", "1 or more", "Add a photo of the person")
    return [_portrait(source, number, detector, (crops or {}).get(number)) for number, source in enumerate(photos)]


def _portrait(source: str | Path | bytes, number: int, detector: Detector | None, chosen: Box | None) -> Portrait:
    name = f"photo {number + 1}" if isinstance(source, bytes) else Path(source).name
    photo = open_image(source, name=name)
    if photo.mode == "RGBA":        # on grey, as the encoder was trained without transparency
        photo = Image.alpha_composite(Image.new("RGBA", photo.size, (128, 128, 128, 255)), photo).convert("RGB")
    size = Size(*photo.size)
    if chosen is not None:
        return Portrait(name, photo, by_hand(chosen, size))
    if detector is None:
        return Portrait(name, photo, whole(size), note=f"{name}: no face detector is installed. The middle is used; crop by hand.")
    faces = tuple(detector(photo))
    if not faces:
        return Portrait(name, photo, whole(size), note=f"{name}: no face was found. The middle is used; crop by hand, "
                                                       "or give an upright photo from the front.")
    note = f"{name}: {len(faces)} faces were found. The largest is used; crop by hand for another." if len(faces) > 1 else ""
    return Portrait(name, photo, around(faces[0], size), faces, note)


def read_vector(path: Path) -> np.ndarray:
    """A saved face vector, (512,) float32, not normalised, from a .npy or a text of numbers. Raises ImageFileError."""
    allowed = f"a .npy file or text of {FACE_NUMBERS} numbers"
    try:
        if path.stat().st_size > 2**16:
            raise ValueError("too large")
        if path.suffix == ".npy":
            vector = np.load(path, allow_pickle=False)
        else:
            vector = np.array(path.read_text(encoding="utf-8").replace(",", " ").strip(" []\n").split(), dtype=float)
        vector = np.asarray(vector, dtype=np.float32).reshape(-1)
    except (OSError, ValueError, EOFError):
        raise ImageFileError(path.name, "this is no saved face vector", allowed) from None
    if vector.shape != (FACE_NUMBERS,) or not np.isfinite(vector).all():
        raise ImageFileError(path.name, f"it holds {vector.size} numbers, or some that are not finite", allowed)
    return vector
