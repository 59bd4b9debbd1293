"""LoRA over weights: the sum diffusers' own loader makes, in every spelling of a file, and no trace afterwards."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from pipelines.patches.lora import Lora, applied, delta
from pipelines.spec.errors import FieldError

KINDS = ["sd", "sdxl"]


@pytest.fixture
def pipe(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


any_pipe = pytest.mark.parametrize("pipe", KINDS, indirect=True)


def attention(pipe: Any) -> list[tuple[str, str, torch.nn.Module]]:
    """(kohya's prefix, path, module) of what a LoRA usually trains: attention of the UNet and of the text encoders."""
    parts = [("lora_unet_", pipe.unet, ("to_q", "to_k", "to_v", "to_out.0"))]
    second = getattr(pipe, "text_encoder_2", None)
    parts += [("lora_te1_" if second else "lora_te_", pipe.text_encoder, ("q_proj", "k_proj", "v_proj", "out_proj"))]
    parts += [("lora_te2_", second, ("q_proj", "k_proj", "v_proj", "out_proj"))] if second else []
    return [(prefix, path, module) for prefix, whole, ends in parts for path, module in whole.named_modules()
            if path.endswith(ends)]


def kohya(pipe: Any, seed: int = 0, rank: int = 4, alpha: float = 2.0, only: str = "lora") -> dict[str, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    tensors = {}
    for prefix, path, module in attention(pipe):
        way = path if prefix == "lora_unet_" or path.startswith("text_model.") else f"text_model.{path}"
        name = prefix + way.replace(".", "_")
        out, into = module.weight.shape
        if name.startswith(only):
            tensors |= {f"{name}.lora_down.weight": torch.randn(rank, into, generator=source),
                        f"{name}.lora_up.weight": torch.randn(out, rank, generator=source) * 0.1,
                        f"{name}.alpha": torch.tensor(alpha)}
    return tensors


def weights(pipe: Any) -> dict[str, torch.Tensor]:
    parts = ("unet", "text_encoder", "text_encoder_2")
    return {f"{part}.{key}": value.clone() for part in parts if getattr(pipe, part, None) is not None
            for key, value in getattr(pipe, part).state_dict().items()}


def latents(pipe: Any, prompt: str = "a red car") -> torch.Tensor:
    return pipe(prompt, num_inference_steps=2, width=64, height=64, output_type="latent",
                generator=torch.Generator().manual_seed(1)).images


@any_pipe
def test_the_picture_is_the_one_of_diffusers_own_loader(pipe: Any) -> None:
    tensors = kohya(pipe)
    with applied(pipe, [Lora("x", tensors)]):
        ours = latents(pipe)
    theirs = copy.deepcopy(pipe)
    theirs.load_lora_weights(dict(tensors))
    assert torch.allclose(ours, latents(theirs), rtol=1e-3, atol=1e-2)
    assert not torch.allclose(ours, latents(pipe), atol=1e-2)


@any_pipe
def test_removal_leaves_no_trace(pipe: Any) -> None:
    before, picture = weights(pipe), latents(pipe)
    places = {key: value.data_ptr() for key, value in pipe.unet.state_dict().items()}
    with applied(pipe, [Lora("x", kohya(pipe)), Lora("y", kohya(pipe, 1), te=0.3, unet=-0.7)]):
        assert not torch.equal(latents(pipe), picture)
    assert all(torch.equal(value, before[key]) for key, value in weights(pipe).items())
    assert places == {key: value.data_ptr() for key, value in pipe.unet.state_dict().items()}
    assert torch.equal(latents(pipe), picture)
    assert not hasattr(pipe.unet, "peft_config")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_error_or_a_stop_undoes_it_too(sd: Any, error: type[BaseException]) -> None:
    before = weights(sd)
    with pytest.raises(error), applied(sd, [Lora("x", kohya(sd))]):
        raise error
    assert all(torch.equal(value, before[key]) for key, value in weights(sd).items())


def test_text_encoder_and_unet_have_their_own_strength(sd: Any) -> None:
    before = weights(sd)
    for te, unet, changed in ((1, 0, "text_encoder"), (0, 1, "unet")):
        with applied(sd, [Lora("x", kohya(sd), te, unet)]):
            now = weights(sd)
        assert {key.split(".")[0] for key in now if not torch.equal(now[key], before[key])} == {changed}


def test_strength_is_a_factor_and_two_files_add_up(sd: Any) -> None:
    weight = sd.unet.mid_block.attentions[0].transformer_blocks[0].attn2.to_q.weight
    before = weight.detach().clone()

    def change(*loras: Lora) -> torch.Tensor:
        with applied(sd, loras):
            return weight.detach() - before

    one, two = Lora("x", kohya(sd, 0)), Lora("y", kohya(sd, 1))
    half = Lora("x", one.tensors, 0.5, 0.5)
    assert torch.allclose(change(half) * 2, change(one), atol=1e-5)
    assert torch.allclose(change(half, two), change(half) + change(two), atol=1e-5)


SPELLINGS = {
    "diffusers": ("unet.{}.lora_A.weight", "unet.{}.lora_B.weight"),
    "diffusers of 2023": ("unet.{}.lora.down.weight", "unet.{}.lora.up.weight"),
    "peft": ("base_model.model.{}.lora_A.default.weight", "base_model.model.{}.lora_B.default.weight"),
    "bare": ("{}.lora_A.weight", "{}.lora_B.weight"),
}


@pytest.mark.parametrize("form", SPELLINGS)
def test_every_spelling_of_a_file_gives_the_same_weights(sd: Any, form: str) -> None:
    reference = {k: v for k, v in kohya(sd, alpha=4.0).items() if k.startswith("lora_unet_")}
    respelled = {}
    for path in (path for prefix, path, _ in attention(sd) if prefix == "lora_unet_"):
        name = "lora_unet_" + path.replace(".", "_")
        for spelled, part in zip(SPELLINGS[form], ("lora_down", "lora_up"), strict=True):
            respelled[spelled.format(path)] = reference[f"{name}.{part}.weight"]
    with applied(sd, [Lora("kohya", reference)]):
        wanted = weights(sd)
    with applied(sd, [Lora(form, respelled)]):
        assert all(torch.equal(value, wanted[key]) for key, value in weights(sd).items())


def test_names_of_attention_processors_are_understood(sd: Any) -> None:
    place = "mid_block.attentions.0.transformer_blocks.0.attn1"
    down, up = torch.randn(2, 64), torch.randn(64, 2)
    old = {f"unet.{place}.processor.to_out_lora.down.weight": down, f"unet.{place}.processor.to_out_lora.up.weight": up}
    target = sd.unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_out[0]
    before = target.weight.detach().clone()
    with applied(sd, [Lora("old", old)]):
        assert torch.allclose(target.weight - before, up @ down, atol=1e-5)


def test_kohyas_names_of_sdxl_are_the_original_layouts(sdxl: Any) -> None:
    """What diffusers maps them to is the reference."""
    from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers

    from pipelines.patches.lora_names import Targets

    targets = Targets(sdxl)
    names = [name for name, place in targets._names.items()
             if place[0] == "unet" and name.startswith("lora_unet_") and "transformer_blocks" in name and "_block" in name
             and ("input_blocks" in name or "middle_block" in name or "output_blocks" in name)]
    assert len(names) > 20
    for name in names:
        mapped = _maybe_map_sgm_blocks_to_diffusers({f"{name}.lora_down.weight": 0}, sdxl.unet.config)
        theirs = next(iter(mapped)).removesuffix(".lora_down.weight").replace("input_blocks", "down_blocks")
        theirs = theirs.replace("output_blocks", "up_blocks").replace("middle_block", "mid_block")
        assert targets._names[theirs] == targets._names[name]


def test_loha_lokr_dora_and_full_are_their_papers_formulas() -> None:
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    a, b, c, d = torch.randn(6, 2), torch.randn(2, 8), torch.randn(6, 2), torch.randn(2, 8)
    loha = {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d, "alpha": torch.tensor(1.0)}
    assert torch.allclose(delta(loha, base), (a @ b) * (c @ d) / 2)
    w1, w2 = torch.randn(2, 2), torch.randn(3, 4)
    assert torch.allclose(delta({"lokr_w1": w1, "lokr_w2": w2, "alpha": torch.tensor(9.0)}, base), torch.kron(w1, w2))
    split = {"lokr_w1": w1, "lokr_w2_a": w2[:, :2], "lokr_w2_b": torch.randn(2, 4), "alpha": torch.tensor(1.0)}
    assert torch.allclose(delta(split, base), torch.kron(w1, split["lokr_w2_a"] @ split["lokr_w2_b"]) / 2)
    assert torch.equal(delta({"diff": base}, base), base)
    norms = torch.rand(6, 1) + 0.5
    dora = base + delta({"up": a, "down": b, "dora_scale": norms}, base)
    assert torch.allclose(dora.norm(dim=1, keepdim=True), norms, atol=1e-5)


def test_a_convolutions_core_is_composed() -> None:
    up, down, mid = torch.randn(6, 2, 1, 1), torch.randn(2, 5, 1, 1), torch.randn(2, 2, 3, 3)
    wanted = torch.einsum("nmkl,in,mj->ijkl", mid, up[:, :, 0, 0], down[:, :, 0, 0])
    assert torch.allclose(delta({"up": up, "down": down, "mid": mid}, torch.zeros(6, 5, 3, 3)), wanted, atol=1e-5)


def test_a_file_of_another_model_is_refused_by_name(sd: Any, sdxl: Any) -> None:
    before = weights(sd)
    wrong = {k: torch.randn(4, 999) if "down" in k else v for k, v in kohya(sd).items()}
    with pytest.raises(FieldError, match="LoRA: x - its layer .* has another shape"), applied(sd, [Lora("x", wrong)]):
        pass
    strange = {"z.lora_up.weight": torch.ones(2, 2)}
    with pytest.raises(FieldError, match="LoRA: y - none of its layers"), applied(sd, [Lora("y", strange)]):
        pass
    assert all(torch.equal(value, before[key]) for key, value in weights(sd).items())


BROKEN = {
    "no rank": ((64, 0), (0, 64), "has another shape"), "scalars": ((), (), "has another shape"), "empty": ((0,), (0,), "another"),
    "alpha of two": ((64, 4), (4, 64), "has another shape"), "one half": ((64, 4), None, "lacks a part."),
    "NaN": ((64, 4), (4, 64), "no numbers"),
}


@pytest.mark.parametrize("case", BROKEN, ids=BROKEN)
def test_a_damaged_file_is_refused_by_name(sd: Any, case: str) -> None:
    up, down, said = BROKEN[case]
    layer = sd.unet.mid_block.attentions[0].transformer_blocks[0].attn2.to_q
    name, before = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_q", layer.weight.data_ptr()
    fill = float("nan") if case == "NaN" else 1.0
    tensors = {f"{name}.lora_up.weight": torch.full(up, fill), f"{name}.alpha": torch.ones(2 if case == "alpha of two" else ())}
    tensors |= {f"{name}.lora_down.weight": torch.full(down, fill)} if down is not None else {}
    with pytest.raises(FieldError, match=f"LoRA: x - its layer .*{said}"), applied(sd, [Lora("x", tensors)]):
        pass
    assert layer.weight.data_ptr() == before


def test_what_a_model_does_not_have_is_said(sd: Any) -> None:
    more = kohya(sd) | {f"lora_unet_nowhere.lora_{part}.weight": torch.ones(2, 2) for part in ("up", "down")}
    with applied(sd, [Lora("x", more)]) as notes:
        assert notes == ["LoRA x: 1 of its layers are not in this model and were not used."]
