"""From a file's tensors to an ID encoder: its version and sizes are read from shapes, every key is checked.

Knows no files: `loading/adapter_file.py` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from pipelines.patches.photomaker.encoder import IdConfig, IdEncoder, Perceiver, Vision
from pipelines.spec.errors import ModelFileError, shown

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]
PARTS = ("id_encoder.", "lora_weights.")
CLIP_SIDE = 224     # pixels a photo of the published encoders
PUBLISHED = "Use photomaker-v1 or photomaker-v2, as .safetensors or .bin."


@dataclass(frozen=True, eq=False)
class Adapter:
    """A loaded PhotoMaker: the encoder, and its LoRA's tensors (may be empty) as the file names them."""

    name: str
    encoder: IdEncoder
    lora: Mapping[str, Tensor]

    @property
    def reads_halves(self) -> bool:
        """Whether its photos are -1 to 1, as mini's are, and not brought to CLIP's mean and deviation."""
        return self.encoder.config.vision.image != CLIP_SIDE


def adapter(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None, name: str = "PhotoMaker",
            dtype: torch.dtype | None = None) -> Adapter:
    """The adapter in `tensors`, whose names begin with `id_encoder.` or `lora_weights.`. Raises ModelFileError.

    metadata: `vision_heads` and `perceiver_heads` where they differ from the published head widths (64 and 128).
    """
    parts = {prefix: {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)} for prefix in PARTS}
    state = {k: v for k, v in parts["id_encoder."].items() if not k.endswith("position_ids")}
    if not state:
        raise ModelFileError(name, "it holds no id_encoder", PUBLISHED)
    try:
        config = config_of({k: tuple(v.shape) for k, v in state.items()}, metadata or {})
    except (KeyError, IndexError, ValueError) as error:
        raise ModelFileError(name, f"its id_encoder has not PhotoMaker's layout ({shown(str(error), 50)})", PUBLISHED) from None
    with torch.device("meta"):
        encoder = IdEncoder(config)
    _check_keys(encoder, state, name)
    if dtype is not None:
        state = {k: v.to(dtype) for k, v in state.items()}
    encoder.load_state_dict(state, strict=True, assign=True)
    _fill_buffers(encoder)
    return Adapter(name, encoder.eval().requires_grad_(False), parts["lora_weights."])


def config_of(shapes: Shapes, metadata: Mapping[str, str]) -> IdConfig:
    """Sizes of the encoder with these tensors. Raises KeyError, IndexError or ValueError for another layout."""
    tower = "vision_model."
    hidden, _, patch, _ = shapes[tower + "embeddings.patch_embedding.weight"]
    places = shapes[tower + "embeddings.position_embedding.weight"][0]
    side = round((places - 1) ** 0.5)
    inner = shapes[tower + "encoder.layers.0.mlp.fc1.weight"][0]
    vision = Vision(hidden, inner, _layers(shapes, tower + "encoder.layers."),
                    int(metadata.get("vision_heads", max(1, hidden // 64))), patch, side * patch)
    projections = [shapes["visual_projection.weight"][0]]
    while f"visual_projection_{len(projections) + 1}.weight" in shapes:
        projections.append(shapes[f"visual_projection_{len(projections) + 1}.weight"][0])
    return IdConfig(vision, tuple(projections), _perceiver(shapes, metadata))


def _perceiver(shapes: Shapes, metadata: Mapping[str, str]) -> Perceiver | None:
    at = "qformer_perceiver."
    if not any(key.startswith(at) for key in shapes):
        return None
    width = shapes[at + "token_norm.weight"][0]
    inner = shapes[at + "perceiver_resampler.layers.0.0.to_q.weight"][0]
    heads = int(metadata.get("perceiver_heads", max(1, inner // 128)))
    return Perceiver(shapes[at + "token_proj.0.weight"][1], shapes[at + "token_proj.2.weight"][0] // width,
                     _layers(shapes, at + "perceiver_resampler.layers."), inner // heads, heads)


def _layers(shapes: Shapes, prefix: str) -> int:
    return 1 + max(int(key.removeprefix(prefix).split(".")[0]) for key in shapes if key.startswith(prefix))


def _check_keys(encoder: IdEncoder, state: Mapping[str, Tensor], name: str) -> None:
    wanted = {key: tuple(value.shape) for key, value in encoder.state_dict().items()}
    missing, foreign = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or foreign:
        what = f"{shown(missing[0], 60)} is missing" if missing else f"{shown(foreign[0], 60)} is not part of it"
        raise ModelFileError(name, f"its id_encoder has not PhotoMaker's layout ({what})", PUBLISHED)
    wrong = next((key for key, shape in wanted.items() if tuple(state[key].shape) != shape), None)
    if wrong:
        raise ModelFileError(name, f"{shown(wrong, 60)} has the shape {tuple(state[wrong].shape)}, not {wanted[wrong]}",
                             PUBLISHED)


def _fill_buffers(encoder: IdEncoder) -> None:
    """The tower's position numbers are no weights; built on the meta device they have no values yet."""
    embeddings = encoder.vision_model.embeddings
    places = torch.arange(embeddings.num_positions).expand((1, -1))
    embeddings.register_buffer("position_ids", places, persistent=False)
