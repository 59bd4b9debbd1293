"""What an identity adapter's file is - PhotoMaker or IP-Adapter - and for which family, from tensor shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipelines.families.family import Detected, Shapes

PHOTOMAKER, IP_ADAPTER = "PhotoMaker", "IP-Adapter"
PHOTOMAKER_2 = "PhotoMaker v2"      # the same way, but it reads a recogniser's vector of every face as well
FAMILY_OF_WIDTH: Mapping[int, str] = MappingProxyType({192: "mini", 768: "sd15", 1024: "sd2", 2048: "sdxl"})
FUSED = "id_encoder.fuse_module.layer_norm.weight"
FACES = "id_encoder.qformer_perceiver.token_norm.weight"


def detect_identity(shapes: Shapes) -> Detected:
    """`variant` is one of the three, "" for a file that is neither; a width nobody has gives family ""."""
    if FUSED in shapes:
        width = next(iter(shapes[FUSED]), 0)        # a damaged file's may have no side at all
        return Detected("ip-adapter", FAMILY_OF_WIDTH.get(width, ""), PHOTOMAKER_2 if FACES in shapes else PHOTOMAKER)
    if any(key.startswith("ip_adapter.") for key in shapes):
        return Detected("ip-adapter", FAMILY_OF_WIDTH.get(_prompt_width(shapes), ""), IP_ADAPTER)
    return Detected("ip-adapter")


def _prompt_width(shapes: Shapes) -> int:
    """What the adapter's keys are made from: as wide as the model's prompt."""
    return next((shape[1] for key, shape in shapes.items() if key.endswith("to_k_ip.weight") and len(shape) == 2), 0)
