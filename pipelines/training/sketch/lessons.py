"""A folder of pictures as lessons: each picture's latent, that of its edges, and its words. Read once, kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from pipelines.images import open_image
from pipelines.loading.encode import encode
from pipelines.spec.errors import FieldError, ImageFileError
from pipelines.spec.events import Emit, Note, Step

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
THRESHOLD = 0.5  # of an edge map: a line or none, as in the study
Edges = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class Lesson:
    """clean, edges: (1, channels, h, w) in the UNet's scale.   words: what the picture shows, "" where nobody said."""

    clean: Tensor
    edges: Tensor
    words: str


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder and those below it, by name. Raises FieldError where there is none."""
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise FieldError("Pictures", str(folder), "there is no picture in it", ", ".join(SUFFIXES))
    return found


def lessons(files: Sequence[Path], vae: Any, side: int, edges: Edges, emit: Emit) -> list[Lesson]:
    """One for each picture that can be opened. side: pixels, a multiple of the VAE's factor. Raises as `emit` does."""
    made = []
    for number, path in enumerate(files, 1):
        try:
            picture = ImageOps.fit(open_image(path).convert("RGB"), (side, side), Image.Resampling.LANCZOS)
        except ImageFileError as error:
            emit(Note(str(error)))
            continue
        made.append(Lesson(_latents(vae, picture), _latents(vae, outline(edges(picture), side)), caption(path)))
        emit(Step(1, 2, number, len(files)))
    if not made:
        raise FieldError("Pictures", len(files), "none of them could be opened")
    return made


def outline(found: Image.Image, side: int) -> Image.Image:
    """White lines on black, RGB, thresholded: what the predictor is to say."""
    grey = np.asarray(found.convert("L").resize((side, side), Image.Resampling.BILINEAR), np.float32) / 255
    return Image.fromarray(np.where(grey >= THRESHOLD, 255, 0).astype(np.uint8)).convert("RGB")


def caption(path: Path) -> str:
    """What the text file of the same name says; "" without one."""
    beside = path.with_suffix(".txt")
    return beside.read_text(encoding="utf-8", errors="replace").strip() if beside.is_file() else ""


def _latents(vae: Any, picture: Image.Image) -> Tensor:
    import torch

    return encode(vae, torch.from_numpy(np.array(picture, np.float32) / 255).movedim(-1, 0)[None]).cpu()
