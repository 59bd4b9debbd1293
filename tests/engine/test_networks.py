"""LoRAs, embeddings and AND through the engine on mini: they change the picture, they are named, nothing stays behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipelines.engine import Engine, Finished
from pipelines.loading.device import Device
from pipelines.loading.library import Library
from pipelines.loading.loras import check
from pipelines.loading.residency import Residency
from pipelines.spec.errors import Cancelled, FieldError
from pipelines.spec.events import Event, Step
from pipelines.spec.request import GenerationRequest
from tests.engine.conftest import pixels

WIDTH = 192     # of mini's text


def write_lora(path: Path, width: int = WIDTH, seed: int = 0) -> None:
    """Random weights for one attention layer of mini's UNet and one of its text encoder."""
    source = torch.Generator().manual_seed(seed)
    names = {"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k": (192, width),
             "lora_te_text_model_encoder_layers_0_self_attn_q_proj": (192, width)}
    tensors = {}
    for name, (out, into) in names.items():
        tensors[f"{name}.lora_down.weight"] = torch.randn(4, into, generator=source)
        tensors[f"{name}.lora_up.weight"] = torch.randn(out, 4, generator=source)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)


@pytest.fixture(scope="module")
def engine(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    models = tmp_path_factory.mktemp("models")
    write_lora(models / "Lora" / "paint.safetensors")
    write_lora(models / "Lora" / "folder" / "other.safetensors", seed=1)
    write_lora(models / "Lora" / "xl.safetensors", width=2048)
    vectors = torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(5))
    (models / "embeddings").mkdir()
    torch.save({"string_to_param": {"*": vectors}, "name": "whatever"}, models / "embeddings" / "my-look.pt")
    library = Library([root / "models", models], tmp_path_factory.mktemp("cache"))
    return Engine(Residency(library, Device.pick("cpu")))


@pytest.fixture(scope="module")
def paint(engine: Engine) -> Callable[..., Finished]:
    def run(prompt: str, emit: Callable[[Event], None] = lambda event: None, **fields: object) -> Finished:
        request = GenerationRequest.parse({"prompt": prompt, "steps": 2, "seed": 7} | fields)
        return next(engine.run(request, emit))

    return run


def same(one: Finished, other: Finished) -> bool:
    return np.array_equal(pixels(one), pixels(other))


def test_a_lora_changes_the_picture_zero_does_not_and_it_leaves_no_trace(paint: Callable) -> None:
    plain = paint("a red car")
    for tag in ("<lora:paint:1>", "<lora:paint:1:0>", "<lora:paint:0:1>", "<lora:paint:0.5><lora:other:-1>"):
        assert not same(paint(f"a red car{tag}"), plain), tag
    assert same(paint("a red car<lora:paint:0>"), plain)
    assert same(paint("a red car"), plain)


def test_the_file_names_the_lora_and_keeps_its_tag(paint: Callable) -> None:
    made = paint("a red car <lora:folder/other:0.5>")
    digits = made.extra["Lora hashes"].removeprefix("other: ")
    assert len(digits) == 12 and int(digits, 16)
    assert made.request.prompt.endswith("<lora:folder/other:0.5>")
    assert same(next(iter([paint(made.request.prompt)])), made)


def test_a_cancelled_run_leaves_no_trace(paint: Callable) -> None:
    plain = paint("a red car")

    def stop(event: Event) -> None:
        if isinstance(event, Step):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        paint("a red car <lora:paint:1>", stop)
    assert same(paint("a red car"), plain)


def test_an_embedding_stands_for_its_vectors_and_is_named(paint: Callable) -> None:
    plain, looked = paint("a red car, x"), paint("a red car, My-Look")
    assert not same(plain, looked)
    assert looked.extra["TI hashes"].startswith("my-look: ") and "TI hashes" not in plain.extra
    assert same(paint("a red car, x"), plain)


def test_and_is_neither_of_its_prompts(paint: Callable) -> None:
    made = [pixels(paint(p)) for p in ("a red car AND a white cat", "a red car", "a white cat", "a red car :0.5 AND a white cat")]
    assert len({m.tobytes() for m in made}) == 4


def test_emphasis_modes_paint_differently(paint: Callable) -> None:
    made = [pixels(paint("a (red:1.8) car", emphasis=mode)) for mode in ("Original", "No norm", "Ignore", "None")]
    assert len({m.tobytes() for m in made}) == 4
    assert np.array_equal(made[2], pixels(paint("a red car")))


@pytest.mark.parametrize(("tag", "said"), [
    ("<lora:pain:1>", "LoRA: pain - not found. Allowed: paint"), ("<lora:paint:abc>", "'abc' is not a weight"),
    ("<lora:paint:1e9>", "'1e9' is not a weight"), ("<lora:paint><lora:PAINT:2>", "named twice"),
    ("<lora:paint:1:2:3>", "more numbers"),
])
def test_what_cannot_be_used_is_refused_before_anything_runs(engine: Engine, tag: str, said: str) -> None:
    library = engine.residency.library
    with pytest.raises(FieldError, match=said):
        check(f"a car {tag}", library.find("mini"), library)


def test_a_lora_for_another_family_is_named_with_both(engine: Engine) -> None:
    library = engine.residency.library
    refused = check("a car <lora:xl:1> <lora:paint:1>", library.find("mini"), library)
    assert [str(r) for r in refused] == [
        "LoRA: xl - made for Stable Diffusion XL (2048 wide); mini is Mini (embedded) (192 wide). "
        "Choose a LoRA made for this kind of model."]
