"""How many bytes sampling and decoding will need beside the weights: arithmetic on configs, told before the run. No torch.

Both peaks lie where the picture is largest: a few tensors of the widest layer there are alive at once. How many, and what
the program needs whatever the size, was measured as the peak of resident memory (one thread, CPU, float32, diffusers
0.42.1; `tests/loading/test_estimate.py` holds the figures; processors with AMX keep more, and a run
differs from the next by a tenth). Attention is taken as flash attention, which keeps no table of pixels × pixels; a card
without it needs more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.spec.geometry import Size

GB = 10**9
VAE_BUFFERS = 170 * 10**6   # bytes: of the convolutions, whatever the size
UNET_BUFFERS = 64 * 10**6
VAE_TENSORS = 5             # tensors of the widest full-size layer alive at the decoder's peak
UNET_TENSORS = 42           # the same of the UNet's first level, the skip connections of all levels included
RGB_COPIES = 3              # of the whole picture while tiles are joined, and while it becomes 0 to 1
SPREAD = 1.25               # side of a tile as the allocator sees it: tiles of several shapes leave holes


def decoding(vae: Mapping[str, Any], size: Size, item: int) -> int:
    """Peak bytes of decoding one picture of `size` with a VAE of this config; `item`: bytes of one number."""
    return VAE_BUFFERS + round(VAE_TENSORS * widest(vae["block_out_channels"]) * size.pixels * item)


def decoding_in_tiles(vae: Mapping[str, Any], size: Size, item: int, tile: int) -> int:
    """The same when it is decoded in tiles of `tile` pixels a side; a picture no larger than a tile is not divided."""
    if max(size) <= tile:
        return decoding(vae, size, item)
    side = round(tile * SPREAD)
    piece = decoding(vae, Size(min(side, size.width), min(side, size.height)), item)
    return piece + RGB_COPIES * 3 * size.pixels * item


def sampling(unet: Mapping[str, Any], latent: Size, batch: int, item: int) -> int:
    """Peak bytes of one model call; latent: size in latent pixels, batch: pictures × 2 when it is guided."""
    return UNET_BUFFERS + UNET_TENSORS * unet["block_out_channels"][0] * latent.pixels * batch * item


def widest(channels: list[int] | tuple[int, ...]) -> float:
    """Channels × pixels of the decoder's largest layer, over the picture's pixels.

    channels[0] belongs to the full size, each next one to half the side; a level begins with the channels of the next
    deeper one, just enlarged.
    """
    begins = [*channels[1:], channels[-1]]
    return max(max(own, enlarged) / 4**level for level, (own, enlarged) in enumerate(zip(channels, begins, strict=True)))


def told(size: int) -> str:
    """"55 GB", "3.2 GB", "400 MB"."""
    if size < GB:
        return f"{size / 10**6:.0f} MB"
    return f"{size / GB:.0f} GB" if size >= 10 * GB else f"{size / GB:.1f} GB"
