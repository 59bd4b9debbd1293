"""Runs `RealESRGANer` on a picture. The network is built from the shapes of the file, as the package's own script does by name.

The package is handed tensors that `loading/pickled.py` took out of the .pth, never the stranger's pickle itself.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipelines.loading.facts import Facts
from pipelines.settings import Settings
from pipelines.spec.errors import ModelFileError, OutOfMemory
from pipelines.spec.events import Emit, Stage

if TYPE_CHECKING:
    from torch import Tensor

TILE, PAD = 256, 32     # source pixels, as the package's own options


def enhance(file: Path, settings: Settings, picture: Image.Image, emit: Emit, tile: int = TILE) -> Image.Image:
    """The picture times the network's factor. Raises ModelFileError for a file that is not Real-ESRGAN's, OutOfMemory."""
    import numpy as np

    from pipelines.loading.compat import provide_functional_tensor, torch
    from pipelines.loading.device import Device

    provide_functional_tensor()
    from realesrgan import RealESRGANer

    emit(Stage(f"{file.stem} by realesrgan"))
    state = tensors(file, Facts(settings.data_dir))
    network, scale = built(state, file.stem)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):    # it prints a line a tile
        ours = Path(folder) / "weights.pth"
        torch.save({"params": state}, ours)
        upsampler = RealESRGANer(scale=scale, model_path=str(ours), model=network, tile=tile, tile_pad=PAD, pre_pad=0,
                                 half=False, device=Device.pick(settings.device).torch)
        tiles = -(-picture.width // tile) * -(-picture.height // tile)
        upsampler.model = told(upsampler.model, tiles, emit)
        result, _ = upsampler.enhance(np.asarray(picture.convert("RGB"))[:, :, ::-1].copy())
    return Image.fromarray(np.ascontiguousarray(result[:, :, ::-1]))


def tensors(file: Path, facts: Facts) -> dict[str, Tensor]:
    """What the .pth holds. Raises ModelFileError. facts: keeps the conversion."""
    from safetensors.torch import load_file

    from pipelines.loading.pickled import safetensors_of

    return dict(load_file(safetensors_of(file, file.stem, facts)))


def told(network: Any, tiles: int, emit: Emit) -> Any:
    """`network` as a function that announces each tile, so that a run can be stopped between two.

    The package prints a tile's RuntimeError and puts the tile before in its place: memory that ran out is raised as ours.
    """
    from pipelines.loading.memory import is_out_of_memory

    done = 0

    def run(pixels: Tensor) -> Any:
        nonlocal done
        done += 1
        emit(Stage(f"realesrgan {done}/{tiles}"))
        try:
            return network(pixels)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise OutOfMemory(f"a tile of {pixels.shape[-1]}x{pixels.shape[-2]} pixels") from None
            raise ModelFileError("realesrgan", f"its network failed ({error})") from error

    return run


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
    raise ModelFileError(name, "its tensors are not named as Real-ESRGAN's are", "Use it without (realesrgan).")
