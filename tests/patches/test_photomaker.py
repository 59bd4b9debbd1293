"""The likeness joins late, sits on the class word, and leaves the model bit for bit as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipelines.patches.photomaker.encoder import IdConfig, IdEncoder, Perceiver, Vision
from pipelines.patches.photomaker.likeness import Wish, class_places, likeness
from pipelines.patches.photomaker.state import Adapter
from pipelines.prompt.embed import embed
from pipelines.prompt.parse import spans
from pipelines.spec.errors import FieldError

TINY = Vision(hidden=64, inner=32, layers=1, heads=1, patch=16, image=32)
PROMPT = "a lady img, in the street"
PHOTOS = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def made(projections: tuple[int, ...] = (32, 32), perceiver: Perceiver | None = None, lora: dict | None = None) -> Adapter:
    torch.manual_seed(5)
    return Adapter("tiny", IdEncoder(IdConfig(TINY, projections, perceiver)).eval(), lora or {})


def old_lora(unet: Any, rank: int = 2) -> dict[str, torch.Tensor]:
    """A LoRA in the layout of the published files: every projection of every attention."""
    source, tensors = torch.Generator().manual_seed(3), {}
    for name, layer in unet.named_modules():
        part = name.rpartition(".attn")[2]
        if part in ("1.to_q", "1.to_k", "1.to_v", "1.to_out.0", "2.to_q", "2.to_k", "2.to_v", "2.to_out.0"):
            at, _, kind = name.removesuffix(".0").rpartition(".")
            key = f"unet.{at}.processor.{kind}_lora"
            tensors[f"{key}.down.weight"] = torch.randn(rank, layer.in_features, generator=source)
            tensors[f"{key}.up.weight"] = torch.randn(layer.out_features, rank, generator=source)
    return tensors


def run(pipe: Any, on_step: Any, **call: Any) -> torch.Tensor:
    names = ["latents", "prompt_embeds", "add_text_embeds"] if hasattr(pipe, "text_encoder_2") else ["latents", "prompt_embeds"]
    pipe.set_progress_bar_config(disable=True)
    return pipe(**call, width=16, height=16, guidance_scale=3.0, output_type="latent", callback_on_step_end=on_step,
                generator=torch.Generator().manual_seed(0), callback_on_step_end_tensor_inputs=names).images


def test_the_first_fifth_of_the_steps_sees_the_words_alone(sdxl: Any) -> None:
    seen: list[torch.Tensor] = []
    hook = sdxl.unet.register_forward_pre_hook(lambda m, a, k: seen.append(k["encoder_hidden_states"]), with_kwargs=True)
    with likeness(sdxl, made(), PHOTOS, Wish(PROMPT, "at night", steps=20)) as on:
        run(sdxl, on.on_step, **on.call_args, num_inference_steps=20)
    hook.remove()
    words = embed(sdxl, "a lady , in the street", "at night")
    assert [torch.equal(s[1], words["prompt_embeds"][0]) for s in seen] == [True] * 5 + [False] * 15
    assert all(torch.equal(s[0], words["negative_prompt_embeds"][0]) for s in seen)


@pytest.mark.parametrize("perceiver", [None, Perceiver(face=16, depth=1, head_width=32, heads=2)], ids=["v1", "v2"])
def test_the_class_token_stands_once_an_id_token(sdxl: Any, perceiver: Perceiver | None) -> None:
    adapter = made(perceiver=perceiver)
    copies = 3 * adapter.encoder.config.tokens
    with likeness(sdxl, adapter, PHOTOS, Wish(PROMPT, steps=4), faces=torch.randn(3, 16)) as on:
        last = on.segments[-1].call_kwargs
    repeated = embed(sdxl, "a " + "lady " * copies + ", in the street")
    changed = (last["prompt_embeds"] != repeated["prompt_embeds"]).any(-1)[0].nonzero().flatten().tolist()
    assert changed == list(range(2, 2 + copies)) == class_places(sdxl.tokenizer, spans(PROMPT), copies)
    assert torch.equal(last["pooled_prompt_embeds"], repeated["pooled_prompt_embeds"])


def test_only_the_last_piece_of_a_long_class_word_is_repeated(sdxl: Any) -> None:
    pieces = len(sdxl.tokenizer("firefighter", add_special_tokens=False).input_ids)
    assert pieces > 1
    assert class_places(sdxl.tokenizer, spans("a firefighter img"), 2) == [1 + pieces, 2 + pieces]


def test_a_prompt_that_changes_keeps_changing(sdxl: Any) -> None:
    with likeness(sdxl, made(), PHOTOS, Wish("a lady img in the [snow:sun:0.5]", steps=10)) as on:
        assert [s.start_step for s in on.segments] == [0, 3, 5]
        sun = on.segments[2].call_kwargs["prompt_embeds"]
    assert not torch.equal(sun, on.segments[1].call_kwargs["prompt_embeds"])


def test_leaving_it_restores_weights_and_pictures_bit_for_bit(sdxl: Any) -> None:
    lora = old_lora(sdxl.unet)
    call = embed(sdxl, "a lady") | {"num_inference_steps": 2}
    before, weights = run(sdxl, None, **call), {k: v.clone() for k, v in sdxl.unet.state_dict().items()}
    with likeness(sdxl, made(lora=lora), PHOTOS, Wish(PROMPT, steps=2)):
        installed = [k for k in sdxl.unet.state_dict() if "lora_" in k]
        assert len(installed) == len(lora)
        assert not torch.equal(run(sdxl, None, **call), before)
    after = sdxl.unet.state_dict()
    assert after.keys() == weights.keys()
    assert all(torch.equal(after[k], weights[k]) for k in weights)
    assert torch.equal(run(sdxl, None, **call), before)


def test_a_lora_that_was_on_stays_on_at_its_weight(sdxl: Any) -> None:
    call = embed(sdxl, "a lady") | {"num_inference_steps": 2}
    sdxl.load_lora_weights(old_lora(sdxl.unet, rank=1), adapter_name="style")
    sdxl.set_adapters(["style"], [0.4])
    before = run(sdxl, None, **call)
    with likeness(sdxl, made(lora=old_lora(sdxl.unet)), PHOTOS, Wish(PROMPT, steps=2)):
        assert sdxl.get_active_adapters() == ["style", "photomaker"]
    after = run(sdxl, None, **call)
    sdxl.unload_lora_weights()
    assert torch.equal(after, before)


def test_an_error_inside_takes_the_lora_off_too(sdxl: Any) -> None:
    keys = list(sdxl.unet.state_dict())
    with pytest.raises(KeyError), likeness(sdxl, made(lora=old_lora(sdxl.unet)), PHOTOS, Wish(PROMPT, steps=2)):
        raise KeyError("cancelled")
    assert list(sdxl.unet.state_dict()) == keys


def test_one_text_encoder_runs_the_same_code(sd: Any) -> None:
    with likeness(sd, made(projections=(32,)), PHOTOS, Wish(PROMPT, "blue", steps=5)) as on:
        carrying = run(sd, on.on_step, **on.call_args, num_inference_steps=5)
    words = run(sd, None, **on.call_args, num_inference_steps=5)
    assert [s.start_step for s in on.segments] == [0, 2]
    assert not torch.equal(carrying, words)


REFUSED = {
    "Stable Diffusion 1.5": ({"projections": (2016, 32)}, PHOTOS, {}, "was made for Stable Diffusion XL"),
    "no photo": ({}, PHOTOS[:0], {}, "Photos: 0"),
    "no vectors": ({"perceiver": Perceiver(face=16, depth=1, head_width=32, heads=2)}, PHOTOS, {}, "Face vectors: none"),
    "no trigger": ({}, PHOTOS, {"prompt": "a lady"}, "Try “a lady img”"),
    "too many photos": ({}, PHOTOS.repeat(25, 1, 1, 1), {}, "do not fit"),
}


@pytest.mark.parametrize(("adapter", "photos", "wish", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_said_before_the_run(sdxl: Any, adapter: dict, photos: Any, wish: dict, says: str) -> None:
    asked = Wish(**{"prompt": PROMPT, "steps": 4} | wish)
    with pytest.raises(FieldError, match=says), likeness(sdxl, made(**adapter), photos, asked):
        pytest.fail("the run began")
