"""What a run will hold in memory, told before it: an estimate from the request and its family alone. No torch, no weights.

The interface, for whoever shows it:

    from pipelines.tasks.footprint import estimate, gib
    memory = studio.memory(request)             # estimate(request, family) with the precision and batches of the device
    gib(memory.total)                           # "0.3 GiB"
    memory.weights, memory.work, memory.stage   # bytes, bytes, "sampling" or "decoding"
    largest(studio.memory(cell) for cell in cells)      # what a grid needs: its cells are painted one after another

Weights are counted by the family's layout, not by the file; the work is `loading/estimate.py`, measured on a CPU. Left out,
because no request tells them: the program itself (0.6 GiB once torch is loaded), upscaling networks, LoRAs, a likeness's encoder,
gradients of the training-free sketch, and other checkpoints that are kept while there is room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.families.architecture import read_config
from pipelines.families.family import Family
from pipelines.loading import estimate as peaks
from pipelines.spec.geometry import Size
from pipelines.spec.larger import larger
from pipelines.spec.request import GenerationRequest
from pipelines.tasks.tiles import jobs, padded, tile_side

GIB = 2**30
CANVAS = 8              # bytes a pixel of a tiled upscale: the enlarged picture and the one it becomes, 4 bytes each
JOINS = 32 * 2**20      # bytes: of the windows' joins, whatever the size; measured, as START
START = 72              # bytes a pixel of a picture that is started from, while the VAE reads it and what is painted is laid back
VAE_WINDOW = 512        # px: a tiled upscale shows the VAE no smaller windows (`tasks/tiled.py`)


@dataclass(frozen=True)
class Memory:
    """Bytes. weights: of all models of the run.   sampling, decoding: the peak of each beside them; they follow each other."""

    weights: int
    sampling: int
    decoding: int

    @property
    def work(self) -> int:
        return max(self.sampling, self.decoding)

    @property
    def stage(self) -> str:
        """Where the peak lies: "sampling" or "decoding"."""
        return "decoding" if self.decoding > self.sampling else "sampling"

    @property
    def total(self) -> int:
        return self.weights + self.work


@dataclass(frozen=True)
class _Pass:
    """seen: pixels the UNet is shown at once.   coded: the VAE.   pictures: sampled together."""

    seen: Size
    coded: Size
    pictures: int


def estimate(request: GenerationRequest, family: Family, item: int = 4, together: int = 1,
             picture: Size | None = None) -> Memory:
    """What the largest pass of `request` takes beside the program itself. Raises nothing a checked request can cause.

    item: bytes of one number: 4 on a CPU (fp32), 2 in half precision on a card.   together: pictures sampled at once: 1 on
    a CPU, `request.batch_size` on a card.   picture: what a tiled upscale starts from; without it `request.size`.
    """
    assert family.config_dir is not None, family.name
    unet, vae = (read_config(family.config_dir, component) for component in ("unet", "vae"))
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    in_fp32 = 4 if family.vae_in_fp32 else item
    passes, canvas = _passes(request, family, together, picture)
    guided = 2 if request.guided_share else 1
    return Memory(
        weights=item * _parameters(request, family),
        sampling=canvas + max(peaks.sampling(unet, Size(one.seen.width // factor, one.seen.height // factor),
                                             one.pictures * guided, item) for one in passes),
        decoding=canvas + max(peaks.decoding(vae, one.coded, in_fp32) for one in passes))


def largest(estimates: Iterable[Memory]) -> Memory | None:
    """What runs need that follow one another: the one with the largest total; None of none."""
    return max(estimates, key=lambda memory: memory.total, default=None)


def gib(size: int) -> str:
    """"12 GiB", "3.2 GiB"; never less than "0.1 GiB"."""
    amount = size / GIB
    return f"{amount:.0f} GiB" if amount >= 10 else f"{max(amount, 0.1):.1f} GiB"


def _parameters(request: GenerationRequest, family: Family) -> int:
    """Numbers in all weights of the run: the checkpoint's, a second pass's own one's, and a control net for each unit."""
    checkpoint = sum(count for component, count in family.parameters.items() if component != "controlnet")
    second = request.hires is not None and request.hires.model not in ("", request.model)
    nets = {unit.model for unit in request.control if unit.model}
    return checkpoint * (2 if second else 1) + len(nets) * family.parameters.get("controlnet", 0)


def _passes(request: GenerationRequest, family: Family, together: int, picture: Size | None) -> tuple[list[_Pass], int]:
    """What each pass shows the models, and the bytes of pictures that lie beside it."""
    if request.tiled is not None and request.init is not None:
        frame = padded(larger(picture or request.size, request.tiled).final, family.size_step)
        side = tile_side(request.tiled, family)
        windows = [job.window for job in jobs(frame, request.tiled, side, family.size_step)]
        seen = Size(max(w.width for w in windows), max(w.height for w in windows))
        coded = Size(*(min(max(side, VAE_WINDOW), length) for length in frame))
        return [_Pass(seen, coded, together)], CANVAS * frame.pixels + START * coded.pixels + JOINS
    passes = [_Pass(request.size, request.size, together)]
    if request.hires is not None:
        final = larger(request.size, request.hires, family.size_step).final
        passes.append(_Pass(final, final, 1))
    if request.detailer is not None:
        face = Size(family.native_px, family.native_px)
        passes.append(_Pass(face, face, 1))
    return passes, START * request.size.pixels if request.init is not None else 0
