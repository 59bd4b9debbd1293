"""Random weights of the true architectures, through the studio and through diffusers' own pipelines: the same latents."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from pipelines.loading.compat import torch
from pipelines.prompt.embed import Wanted, encode
from pipelines.spec.request import GenerationRequest
from pipelines.tasks import text
from pipelines.tasks.control import Controls
from tests.control import layouts
from tests.control.conftest import Bench, scene

SIZE = (128, 96)
STEPS = 4
SAMPLER = {"steps": STEPS, "sampler": "Euler", "schedule": "Automatic", "seed": 5, "width": SIZE[0], "height": SIZE[1]}


def ours(thin: Bench, model: str, units: list[dict[str, Any]]) -> torch.Tensor:
    """Latents of the studio's run."""
    named = [{"image": thin.inputs.keep(picture(n)), "resize_mode": "Just Resize"} | unit for n, unit in enumerate(units)]
    request = GenerationRequest.parse({"prompt": "a cat", "model": model, "control": named} | SAMPLER)
    pipe = thin.residency.pipeline("txt2img", model)
    features = Controls(thin.residency, thin.conditions).features(request, pipe, lambda event: None)
    return text.paint(pipe, [request], lambda *_: None, text.Means(features=features))


def theirs(thin: Bench, model: str, kind: type, call: dict[str, Any], **more: Any) -> torch.Tensor:
    """Latents of diffusers' pipeline `kind`, given the same words, noise, scheduler and generator."""
    pipe = thin.residency.pipeline("txt2img", model)
    request = GenerationRequest.parse({"prompt": "a cat", "model": model} | SAMPLER)
    [segment] = encode(pipe, Wanted("a cat", steps=STEPS))
    text.paint(pipe, [request], lambda *_: None)        # leaves the run's scheduler in the pipeline
    parts = {name: part for name, part in pipe.components.items() if name != "image_encoder"} | more
    other = kind(**parts, **({"requires_safety_checker": False} if "safety_checker" in parts else {}))
    other.set_progress_bar_config(disable=True)
    source = text.generator(request)
    noise = text.first_noise(request, source, (4, SIZE[1] // 8, SIZE[0] // 8))[None]
    return other(**segment.call_kwargs, latents=noise, generator=[source], num_inference_steps=STEPS, width=SIZE[0],
                 height=SIZE[1], guidance_scale=7.0, output_type="latent", **call).images


def picture(number: int = 0) -> Image.Image:
    return scene(SIZE, 12 * number)


def loaded(thin: Bench, name: str) -> Any:
    from diffusers import ControlNetModel, T2IAdapter

    return (T2IAdapter if "adapter" in name else ControlNetModel).from_pretrained(thin.root / "ControlNet" / name).eval()


@pytest.mark.parametrize("family", ["sd15", "sd2", "sdxl"])
@pytest.mark.parametrize("layout", ["folder", "original", "bare", "named"])
def test_a_controlnet_of_any_layout_steers_as_in_diffusers(thin: Bench, family: str, layout: str) -> None:
    from diffusers import StableDiffusionControlNetPipeline, StableDiffusionXLControlNetPipeline

    kind = StableDiffusionXLControlNetPipeline if family == "sdxl" else StableDiffusionControlNetPipeline
    call = {"image": picture(), "controlnet_conditioning_scale": 0.7, "control_guidance_start": 0.25, "control_guidance_end": 0.75}
    expected = theirs(thin, f"thin-{family}", kind, call, controlnet=loaded(thin, f"{family}-folder"))
    unit = {"model": f"{family}-{layout}", "weight": 0.7, "start": 0.25, "end": 0.75}
    made = ours(thin, f"thin-{family}", [unit])
    assert torch.allclose(made, expected, rtol=0, atol=5e-5), (made - expected).abs().max()
    assert (made - ours(thin, f"thin-{family}", [unit | {"weight": 0}])).abs().max() > 1e-3


def test_a_net_that_comes_as_a_pickle_steers_as_its_safetensors(thin: Bench) -> None:
    """As the official ControlNet 1.1 files do."""
    from safetensors.torch import load_file

    torch.save(load_file(thin.root / "ControlNet" / "sd15-original.safetensors"), thin.root / "ControlNet" / "pickled_canny.pth")
    thin.library.scan()
    pickled, plain = (ours(thin, "thin-sd15", [{"model": name, "weight": 0.7}]) for name in ("pickled_canny", "sd15-original"))
    assert torch.equal(pickled, plain)


def test_two_units_are_diffusers_multi_controlnet(thin: Bench) -> None:
    from diffusers import StableDiffusionControlNetPipeline

    nets = [loaded(thin, "sd15-folder"), layouts.controlnet(thin.residency.pipeline("txt2img", "thin-sd15").unet, 9)]
    nets[1].save_pretrained(thin.root / "ControlNet" / "second")
    thin.library.scan()
    call = {"image": [picture(0), picture(1)], "controlnet_conditioning_scale": [0.7, 0.4]}
    expected = theirs(thin, "thin-sd15", StableDiffusionControlNetPipeline, call, controlnet=nets)
    made = ours(thin, "thin-sd15", [{"model": "sd15-folder", "weight": 0.7}, {"model": "second", "weight": 0.4}])
    assert torch.allclose(made, expected, rtol=0, atol=5e-5), (made - expected).abs().max()


@pytest.mark.parametrize("layout", ["folder", "original"])
@pytest.mark.parametrize("kind", ["full_adapter", "light_adapter", "full_adapter_xl"])
def test_a_t2i_adapter_of_any_layout_steers_as_in_diffusers(thin: Bench, kind: str, layout: str) -> None:
    from diffusers import StableDiffusionAdapterPipeline, StableDiffusionXLAdapterPipeline

    family, pipeline = (("sdxl", StableDiffusionXLAdapterPipeline) if kind.endswith("xl")
                        else ("sd15", StableDiffusionAdapterPipeline))
    call = {"image": picture(), "adapter_conditioning_scale": 0.7}
    expected = theirs(thin, f"thin-{family}", pipeline, call, adapter=loaded(thin, f"{kind}-folder"))
    made = ours(thin, f"thin-{family}", [{"model": f"{kind}-{layout}", "weight": 0.7}])
    away = float((made - expected).abs().max() / expected.abs().max())
    assert away < 1e-4, away        # measured: 4e-6, the rounding of an addition in another order


@pytest.mark.parametrize("name", ["union:Canny", "union"], ids=["told by its name", "told by the preprocessor"])
def test_a_union_steers_as_in_diffusers(thin: Bench, name: str) -> None:
    from diffusers import ControlNetUnionModel, StableDiffusionXLControlNetUnionPipeline

    unet = thin.residency.pipeline("txt2img", "thin-sdxl").unet
    unit = {"model": name, "weight": 0.7, "preprocessor": "none" if ":" in name else "canny", "resolution": 64}
    [shown] = GenerationRequest.parse({"control": [unit | {"image": thin.inputs.keep(picture())}]}).control
    condition = thin.conditions.of(shown, GenerationRequest.parse({"width": 128, "height": 96}).size)
    net: ControlNetUnionModel = layouts.union(unet)
    call = {"control_image": [condition], "control_mode": [3], "controlnet_conditioning_scale": 0.7}
    expected = theirs(thin, "thin-sdxl", StableDiffusionXLControlNetUnionPipeline, call, controlnet=net)
    made = ours(thin, "thin-sdxl", [unit])
    assert torch.allclose(made, expected, rtol=0, atol=5e-5), (made - expected).abs().max()
