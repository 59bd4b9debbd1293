"""Runs `RealESRGANer` on a picture. The network is built from the shapes of the file, as the package's own script does by name."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipelines.spec.errors import ModelFileError
from pipelines.spec.events import Emit, Stage

if TYPE_CHECKING:
    from torch import Tensor

TILE, PAD = 256, 32     # source pixels, as the package's own options


def enhance(file: Path, device: str, picture: Image.Image, emit: Emit, tile: int = TILE) -> Image.Image:
    """The picture times the network's factor. Raises ModelFileError for a file that is not Real-ESRGAN's."""
    import numpy as np

    from pipelines.loading.compat import provide_functional_tensor
    from pipelines.loading.device import Device
    from pipelines.upscalers.weights import state_dict

    provide_functional_tensor()
    from realesrgan import RealESRGANer

    emit(Stage(f"{file.stem} by realesrgan"))
    state = state_dict(file, file.stem)
    network, scale = built(state.get("params_ema", state.get("params", {})), file.stem)
    place = Device.pick(device)
    with contextlib.redirect_stdout(io.StringIO()):     # the package prints a line a tile
        upsampler = RealESRGANer(scale=scale, model_path=str(file), model=network, tile=tile, tile_pad=PAD, pre_pad=0,
                                 half=False, device=place.torch)
        result, _ = upsampler.enhance(np.asarray(picture)[:, :, ::-1].copy())
    return Image.fromarray(np.ascontiguousarray(result[:, :, ::-1]))


def built(state: dict[str, Tensor], name: str) -> tuple[Any, int]:
    """(an empty network of these shapes, its factor)."""
    from basicsr.archs.rrdbnet_arch import RRDBNet
    from realesrgan.archs.srvgg_arch import SRVGGNetCompact

    if "conv_first.weight" in state:
        features, channels = state["conv_first.weight"].shape[:2]
        scale = {3: 4, 12: 2, 48: 1}[channels]       # smaller factors are folded into channels
        blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("body."))
        grow = state["body.0.rdb1.conv1.weight"].shape[0]
        return RRDBNet(3, 3, scale=scale, num_feat=features, num_block=blocks, num_grow_ch=grow), scale
    if "body.0.weight" in state:
        last = max(int(key.split(".")[1]) for key in state if key.startswith("body."))
        scale = round((state[f"body.{last}.bias"].shape[0] / 3) ** 0.5)
        features = state["body.0.weight"].shape[0]
        return SRVGGNetCompact(3, 3, num_feat=features, num_conv=(last - 2) // 2, upscale=scale), scale
    raise ModelFileError(name, "it has no `params_ema` or `params` of Real-ESRGAN", "Use it without (realesrgan).")
