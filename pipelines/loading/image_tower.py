"""A CLIP image tower out of one file: its sizes are read from its shapes, and every key must be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.loading.compat import torch
from pipelines.loading.header import read_header
from pipelines.loading.tensors import read_tensors
from pipelines.spec.errors import ModelFileError

HEADS = {1024: 16, 1280: 16, 1664: 16}      # of ViT-L, -H and -bigG; others have heads 64 wide
ACTIVATION = {1024: "quick_gelu"}


def image_tower(path: Path, dtype: torch.dtype | None = None) -> Any:
    """`CLIPVisionModelWithProjection` in evaluation mode. Raises ModelFileError."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    header = read_header(path)
    tensors = read_tensors(path, header, header.tensors, dtype, path.name)
    state = {k: v for k, v in tensors.items() if k.startswith(("vision_model.", "visual_projection.")) and "position_ids" not in k}
    try:
        hidden, _, patch, _ = state["vision_model.embeddings.patch_embedding.weight"].shape
        places = state["vision_model.embeddings.position_embedding.weight"].shape[0]
        layers = 1 + max(int(k.split(".")[3]) for k in state if k.startswith("vision_model.encoder.layers."))
        config = CLIPVisionConfig(
            hidden_size=hidden, intermediate_size=state["vision_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
            num_hidden_layers=layers, num_attention_heads=HEADS.get(hidden, max(1, hidden // 64)), patch_size=patch,
            image_size=round((places - 1) ** 0.5) * patch, hidden_act=ACTIVATION.get(hidden, "gelu"),
            projection_dim=state["visual_projection.weight"].shape[0])
        model = CLIPVisionModelWithProjection(config)
        model.load_state_dict(state, assign=True)       # in the precision they were read in
    except (KeyError, ValueError, RuntimeError):
        raise ModelFileError(path.name, "this is no CLIP image encoder",
                             "Use image_encoder/model.safetensors of the adapter.") from None
    return model.eval().requires_grad_(False)
