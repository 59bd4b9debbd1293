"""The object under a click: Segment Anything (arXiv 2304.02643, `SamModel` of transformers), where its weights lie on disk.

A folder as its authors publish it on the hub (config.json, model.safetensors, preprocessor_config.json) among the annotators.
Nothing is downloaded. Mini's world needs none: its renders have one colour a part, and the wand masks by colour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pipelines.loading.annotators import find
from pipelines.preprocess.row import Weight
from pipelines.spec.errors import ModelFileError

if TYPE_CHECKING:
    from PIL.Image import Image

WEIGHTS = (     # the best that is there is used
    Weight("sam-vit-huge", 2560, "Apache-2.0", "facebook/sam-vit-huge"),
    Weight("sam-vit-large", 1250, "Apache-2.0", "facebook/sam-vit-large"),
    Weight("sam-vit-base", 375, "Apache-2.0", "facebook/sam-vit-base"))


@dataclass(frozen=True)
class Network:
    """folder: where it came from.   device: torch's."""

    folder: Path
    model: Any
    processor: Any
    device: Any


@dataclass(frozen=True)
class Seen:
    """The last picture that was looked at: its `digest`, what the processor says of its sizes, and the encoder's answer."""

    digest: str
    prepared: Any
    embedding: Any


class Objects:
    """`roots`: models folders.   device: "auto", "cpu", "cuda" …; one network and one picture are held. Any thread may ask."""

    def __init__(self, roots: Sequence[Path], device: str = "auto") -> None:
        self._roots, self._device = tuple(roots), device
        self._lock = Lock()
        self._network: Network | None = None
        self._seen: Seen | None = None

    def folder(self) -> Path | None:
        """Of the weights that will be used; None where there are none."""
        return next((found for weight in WEIGHTS if (found := find(self._roots, weight))), None)

    def at(self, picture: Image, point: tuple[int, int]) -> Image:
        """White (L) where the object under `point` (x, y in pixels) is. Of the three masks it answers with, that which it is
        surest of. Raises ModelFileError naming the folder that is missing or damaged.
        """
        with self._lock:
            network = self._loaded()
            return self._masked(network, self._looked(network, picture.convert("RGB")), point)

    def _loaded(self) -> Network:
        folder = self.folder()
        if folder is None:
            raise ModelFileError(WEIGHTS[-1].file, "there are no weights that know objects", WEIGHTS[-1].wanted())
        if self._network is None or self._network.folder != folder:
            self._network, self._seen = _opened(folder, self._device), None
        return self._network

    def _looked(self, network: Network, picture: Image) -> Seen:
        """The picture as the encoder sees it; a second click into the same one costs nothing here."""
        digest = hashlib.sha256(picture.tobytes()).hexdigest() + str(picture.size)
        if self._seen is None or self._seen.digest != digest:
            prepared = network.processor(picture, return_tensors="pt")
            embedding = network.model.get_image_embeddings(prepared["pixel_values"].to(network.device))
            self._seen = Seen(digest, prepared, embedding)
        return self._seen

    def _masked(self, network: Network, seen: Seen, point: tuple[int, int]) -> Image:
        from PIL.Image import fromarray

        from pipelines.loading.compat import torch

        height, width = (int(side) for side in seen.prepared["original_sizes"][0])
        rows, columns = (int(side) for side in seen.prepared["reshaped_input_sizes"][0])
        at = torch.tensor([[[[point[0] * columns / width, point[1] * rows / height]]]], device=network.device)
        with torch.no_grad():
            answer = network.model(image_embeddings=seen.embedding, input_points=at)
        masks = network.processor.post_process_masks(answer.pred_masks.cpu(), [(height, width)], [(rows, columns)])[0][0]
        return fromarray(masks[int(answer.iou_scores[0, 0].argmax())].numpy().astype("uint8") * 255)


def _opened(folder: Path, device: str) -> Network:
    """Raises ModelFileError."""
    from pipelines.loading.device import Device

    chosen = Device.pick(device).torch      # brings `compat` in, which must be before transformers
    from transformers import SamImageProcessor, SamModel

    try:
        model = SamModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        processor = SamImageProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelFileError(folder.name, f"it cannot be read ({type(error).__name__})", "Copy the folder again.") from error
    return Network(folder, model.eval().requires_grad_(False).to(chosen), processor, chosen)
