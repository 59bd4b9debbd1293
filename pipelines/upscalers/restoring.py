"""Restores the faces of a picture with GFPGAN, RestoreFormer or CodeFormer, each in fp32 on a square of 512 pixels.

A face is taken from the source, where it is as the camera or the sampler made it, and laid over the enlarged picture.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pipelines.deep import Picture
from pipelines.loading.compat import torch
from pipelines.loading.facts import Facts
from pipelines.loading.residency import Residency
from pipelines.spec.errors import ModelFileError
from pipelines.spec.events import Emit, Note, Stage
from pipelines.spec.geometry import Size
from pipelines.upscalers.faces import Finder, cut, lay
from pipelines.upscalers.painting import Runner
from pipelines.upscalers.restorers import EXTRA_FIX, Restorer
from pipelines.upscalers.weights import Network, read

COMPONENT = "face restorer"
KNOWN = ("GFPGAN", "RestoreFormer", "CodeFormer")


class FaceNetwork(Network):
    """(1, 3, 512, 512) in 0-1 gives the same shape; the networks themselves work in -1 to 1."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__(descriptor)
        self.kind = str(descriptor.architecture.id)

    def restore(self, face: torch.Tensor, weight: float) -> torch.Tensor:
        """weight: CodeFormer's, 0 the strongest repair, 1 closest to what was there. GFPGAN's noise is the stored one."""
        ways: dict[str, dict[str, Any]] = {"GFPGAN": {"return_rgb": False, "randomize_noise": False},
                                           "CodeFormer": {"weight": weight}}
        found = self.model(face * 2 - 1, **ways.get(self.kind, {}))[0]
        return ((found + 1) / 2).clamp(0, 1)


class Wanted(NamedTuple):
    """How it is done. visibility: 0 the picture as it was, 1 the restored faces."""

    restorer: Restorer
    visibility: float
    weight: float
    finder: Finder | None


class Placed(NamedTuple):
    """Where the source stands in the picture: pixels of the source times `scale` less `offset` are the picture's."""

    source: Image.Image
    scale: tuple[float, float]
    offset: tuple[int, int]

    @classmethod
    def of(cls, source: Image.Image, whole: Size, final: Size) -> Placed:
        """The source was made `whole` large, and `final` cut from its middle."""
        return cls(source.convert("RGB"), (whole.width / source.width, whole.height / source.height),
                   ((whole.width - final.width) // 2, (whole.height - final.height) // 2))

    @property
    def matrix(self) -> np.ndarray:
        return np.array([[self.scale[0], 0, -self.offset[0]], [0, self.scale[1], -self.offset[1]], [0, 0, 1]])


def restored(picture: Picture, placed: Placed, wanted: Wanted, holder: Residency, emit: Emit) -> Picture:
    """`picture` with its faces restored; a Note says when there is none. Raises ModelFileError."""
    if wanted.finder is None:
        emit(Note("No face detector is installed; the faces stay as they are. python -m pip install scikit-image"))
        return picture
    emit(Stage("Looking for faces"))
    faces = wanted.finder(placed.source)
    if not faces:
        emit(Note("No face was found to restore."))
        return picture
    emit(Stage(f"Loading {wanted.restorer.name}"))
    net = network(wanted.restorer, holder)
    with Runner(net, holder.device).on_device():
        for number, face in enumerate(faces, 1):
            emit(Stage(f"Restoring faces {number}/{len(faces)}"))
            onto = face.onto()
            made = _run(net, cut(placed.source, onto), wanted.weight)
            picture = lay(made, picture, placed.matrix @ np.linalg.inv(onto), wanted.visibility)
    return picture


def network(restorer: Restorer, holder: Residency) -> FaceNetwork:
    """Held with all other weights. Raises ModelFileError."""
    path = restorer.path
    size = path.stat().st_size if path.exists() else 0
    found = holder.module(path, COMPONENT, lambda: load(restorer, holder.library.facts), size)
    assert isinstance(found, FaceNetwork)
    return found


def load(restorer: Restorer, facts: Facts | None = None) -> FaceNetwork:
    """In fp32: GFPGAN overflows in fp16."""
    try:
        found = read(restorer.path, restorer.name, torch.float32, FaceNetwork, facts)
    except ModelFileError as error:
        if restorer.is_codeformer and "no known" in error.why:
            raise ModelFileError(restorer.name, "CodeFormer's network is not installed", EXTRA_FIX) from None
        raise
    assert isinstance(found, FaceNetwork)
    if found.kind not in KNOWN:
        raise ModelFileError(restorer.name, f"{found.architecture} restores no faces", "Known: " + ", ".join(KNOWN) + ".")
    return found


@torch.inference_mode()
def _run(net: FaceNetwork, face: Image.Image, weight: float) -> np.ndarray:
    where, dtype = net.place
    pixels = torch.from_numpy(np.array(face)).to(where).permute(2, 0, 1).unsqueeze(0).to(dtype) / 255
    return net.restore(pixels, weight)[0].float().nan_to_num().permute(1, 2, 0).cpu().numpy()
