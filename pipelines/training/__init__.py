"""Fine-tuning, and the makers of the embedded models."""

from importlib.util import find_spec

import torch

if find_spec("pipelines.loading") and find_spec("pipelines.loading.compat"):
    from pipelines.loading import compat  # noqa: F401
else:
    _schemas = torch.library.Library("torchvision", "DEF")
    for _name in ("nms", "qnms"):
        _schemas.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
