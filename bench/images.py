"""B3 for what starts from a picture: the studio's img2img and inpaint against diffusers' own, same weights, same steps.

mini has 8 latent channels, which diffusers' inpaint pipeline refuses: the bare inpaint is its img2img pipeline with a callback
that puts the noised picture back outside the mask, which is what that pipeline does. And what a small mask in a large picture
costs: painted only around the mask it must cost what a picture of that size does.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from bench.measure import Figure, cpu, in_turns
from bench.painting import REQUEST, Bench
from pipelines.spec.request import GenerationRequest

STEPS, STRENGTH = 20, 0.75
LARGE, SPOT = 2048, 60      # px a side of a large picture, and of the mask in it


class Images(Bench):
    """The studio and the bare pipeline over the very same modules, one picture and one mask."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)        # brings `compat` in, which must be before diffusers
        from diffusers import StableDiffusionImg2ImgPipeline

        self.picture = Image.effect_noise((256, 256), 60).convert("RGB")
        self.mask = spot((256, 256), 90)
        parts = {**self.bare.components, "safety_checker": None, "feature_extractor": None}
        self.pipe = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
        self.pipe.set_progress_bar_config(disable=True)

    def request(self, kind: str, picture: Image.Image | None = None, **inpaint: Any) -> GenerationRequest:
        keep = self.studio.inputs.keep
        parts = {"init": {"image": keep(picture or self.picture), "denoising_strength": STRENGTH}}
        if kind == "inpaint":
            parts["inpaint"] = {"mask": keep(self.mask), **inpaint}
        return GenerationRequest.parse({**REQUEST, "steps": STEPS, **parts})

    def studio_run(self, request: GenerationRequest) -> None:
        for finished in self.studio.engine.run(request, lambda event: None):
            self.studio.keep(finished, lambda event: None)

    def bare_run(self, kind: str) -> None:
        """As a script would: the scheduler set, the pipeline called, the picture saved."""
        from pipelines import samplers
        from pipelines.loading.compat import torch

        pipe = self.pipe
        pipe.scheduler, _ = samplers.build(REQUEST["sampler"], REQUEST["schedule"], pipe.scheduler.config, STEPS)
        more = {"callback_on_step_end": self._putting_back(pipe)} if kind == "inpaint" else {}
        made = pipe(REQUEST["prompt"], negative_prompt=REQUEST["negative_prompt"], image=self.picture, strength=STRENGTH,
                    num_inference_steps=STEPS, guidance_scale=7.0, generator=torch.Generator().manual_seed(42), **more).images[0]
        (Image.composite(made, self.picture, self.mask) if kind == "inpaint" else made).save(self.file)

    def _putting_back(self, pipe: Any) -> Callable[..., dict[str, Any]]:
        """The callback of an inpaint by hand; the picture is encoded once more, as diffusers' inpaint pipeline does."""
        from pipelines.loading.compat import torch

        with torch.no_grad():
            pixels = pipe.image_processor.preprocess(self.picture)
            kept = pipe.vae.encode(pixels).latent_dist.mode() * pipe.vae.config.scaling_factor
        noise = torch.randn(kept.shape, generator=torch.Generator().manual_seed(42))
        side = kept.shape[-1]
        small = self.mask.resize((side, side), Image.Resampling.NEAREST)
        mask = torch.tensor(list(small.getdata())).reshape(1, 1, side, side) > 0

        def put_back(pipe: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            levels = pipe.scheduler.timesteps[STEPS - round(STEPS * STRENGTH):]
            there = kept if index + 1 >= len(levels) else pipe.scheduler.add_noise(kept, noise, levels[index + 1:index + 2])
            return {"latents": torch.where(mask, tensors["latents"], there)}

        return put_back


def spot(size: tuple[int, int], side: int) -> Image.Image:
    """A mask with a square in its middle."""
    mask = Image.new("L", size)
    left, top = (length // 2 - side // 2 for length in size)
    ImageDraw.Draw(mask).rectangle((left, top, left + side - 1, top + side - 1), fill=255)
    return mask


def images(rounds: int = 12) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Images(Path(folder))
        for kind in ("img2img", "inpaint"):
            request = bench.request(kind)
            bench.studio_run(request)
            bench.bare_run(kind)
            ours, theirs = in_turns(lambda r=request: cpu(lambda: bench.studio_run(r)),
                                    lambda k=kind: cpu(lambda: bench.bare_run(k)), rounds)
            figures.append(Figure("B3", f"{kind}, studio / bare diffusers (CPU, 256², {STEPS} steps × {STRENGTH}, saved)",
                                  min(ours) / min(theirs), "×", 1.03, {"studio": ours, "bare": theirs}))
        return figures + only_masked(bench, 4)


def only_masked(bench: Images, rounds: int) -> list[Figure]:
    """A mask of 60 px in 2048 × 2048, painted at 256 × 256, beside an inpaint of a picture of 256 × 256."""
    small = bench.request("inpaint")
    bench.mask = spot((LARGE, LARGE), SPOT)
    large = bench.request("inpaint", Image.effect_noise((LARGE, LARGE), 60).convert("RGB"), area="Only masked")

    def peak(run: Callable[[], None]) -> float:
        run()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def engine(request: GenerationRequest) -> None:      # the PNG of so many pixels is the disk's affair
        for _ in bench.studio.engine.run(request, lambda event: None):
            pass

    before = peak(lambda: engine(small))
    after = peak(lambda: engine(large))
    ours, native = in_turns(lambda: cpu(lambda: engine(large)), lambda: cpu(lambda: engine(small)), rounds)
    return [
        Figure("only masked", f"{SPOT} px in {LARGE}², beside 256² (CPU, not saved)", min(ours) - min(native), "s", 2.0,
               {"large": ours, "native": native}),
        Figure("only masked", f"memory beyond that of 256² ({LARGE}² RGB is {3 * LARGE ** 2 / 2 ** 20:.0f} MiB)", after - before,
               "MiB", 200)]
