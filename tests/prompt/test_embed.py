"""Embeddings: equal to the pipelines' own where they should be, and different where the prompt says so."""

import gc
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pipelines.prompt.embed import EmbeddingCache, embed, embed_schedule, emphasised
from pipelines.spec.errors import FieldError

PROMPT, NEGATIVE = "a red car in the snow, night", "blue sky"
LONG = ", ".join(["red car in the snow"] * 30)
any_pipe = pytest.mark.parametrize("kind", ["sd", "sd2", "sdxl"])


@pytest.fixture
def pipe(request: pytest.FixtureRequest, kind: str):
    return request.getfixturevalue(kind)


def own(pipe, prompt: str, negative: str, clip_skip: int | None = None) -> dict[str, torch.Tensor]:
    """What the pipeline's encode_prompt gives, under the names of its call arguments."""
    more = {} if hasattr(pipe, "text_encoder_2") else {"num_images_per_prompt": 1}
    with torch.no_grad():
        result = pipe.encode_prompt(prompt=prompt, negative_prompt=negative, device="cpu", clip_skip=clip_skip,
                                    do_classifier_free_guidance=True, **more)
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    return dict(zip(names, result))


@any_pipe
@pytest.mark.parametrize(("prompt", "negative"), [(PROMPT, NEGATIVE), ("", ""), ("a cat", ""), (r"sun \(hill\)", "x, y")])
def test_at_weight_one_the_embedding_is_the_pipelines_own_bit_for_bit(pipe, prompt: str, negative: str) -> None:
    ours, theirs = embed(pipe, prompt, negative), own(pipe, prompt.replace("\\", ""), negative)
    assert ours.keys() == theirs.keys()
    for name in theirs:
        assert torch.equal(ours[name], theirs[name]), name


@pytest.mark.parametrize(("prompt", "negative"), [(PROMPT, NEGATIVE), ("", "")])
def test_at_weight_one_minis_is_too(root: Path, prompt: str, negative: str) -> None:
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(root / "models" / "mini")
    ours, theirs = embed(pipe, prompt, negative), own(pipe, prompt, negative)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("clip_skip", [2, 3])
def test_clip_skip_is_diffusers_clip_skip_plus_one_on_sdxl(sdxl, clip_skip: int) -> None:
    theirs = own(sdxl, PROMPT, NEGATIVE, clip_skip - 1)
    assert torch.equal(embed(sdxl, PROMPT, NEGATIVE, clip_skip)["prompt_embeds"], theirs["prompt_embeds"])


@pytest.mark.parametrize("clip_skip", [2, 3, 4])
def test_clip_skip_is_diffusers_clip_skip_plus_one_on_sd(sd, clip_skip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # diffusers 0.42.1 looks for `text_encoder.text_model`, which transformers 5 took away.
    inner = SimpleNamespace(final_layer_norm=sd.text_encoder.final_layer_norm)
    monkeypatch.setitem(sd.text_encoder.__dict__, "text_model", inner)
    theirs = own(sd, PROMPT, NEGATIVE, clip_skip - 1)
    monkeypatch.undo()
    ours = embed(sd, PROMPT, NEGATIVE, clip_skip)
    assert torch.equal(ours["prompt_embeds"], theirs["prompt_embeds"])
    assert not torch.equal(ours["negative_prompt_embeds"], embed(sd, PROMPT, NEGATIVE)["negative_prompt_embeds"])


@any_pipe
def test_clip_skip_beyond_the_encoder_is_refused_with_what_it_has(pipe) -> None:
    with pytest.raises(FieldError, match=r"Clip skip: 12 - .* layers to stop at\. Allowed: 1-[34]\."):
        embed(pipe, PROMPT, "", 12)


@any_pipe
def test_long_prompts_take_chunks_and_both_sides_have_equally_many(pipe) -> None:
    call = embed(pipe, LONG, NEGATIVE)
    chunks = call["prompt_embeds"].shape[1] // 77
    assert chunks == 3
    assert call["negative_prompt_embeds"].shape == call["prompt_embeds"].shape
    empty = embed(pipe, "", "")["prompt_embeds"]
    assert torch.equal(call["negative_prompt_embeds"][:, 77:], torch.cat([empty] * (chunks - 1), 1))


def test_break_begins_a_chunk_that_is_encoded_by_itself(sd) -> None:
    call = embed(sd, "a red car BREAK night", "")
    alone = [embed(sd, words, "")["prompt_embeds"] for words in ("a red car", "night")]
    assert torch.equal(call["prompt_embeds"], torch.cat(alone, 1))


@any_pipe
def test_emphasis_changes_the_token_and_keeps_the_mean_and_the_pooled(pipe) -> None:
    plain, strong = embed(pipe, "a red car", ""), embed(pipe, "a (red:1.4) car", "")
    assert not torch.equal(plain["prompt_embeds"], strong["prompt_embeds"])
    for name in plain.keys() - {"prompt_embeds"}:
        assert torch.equal(plain[name], strong[name])


def test_the_weight_multiplies_its_token_alone_up_to_the_common_scale() -> None:
    hidden = torch.rand(1, 77, 8) + 0.5
    result = emphasised(hidden, [1.0, 1.0, 1.5])
    scale = result[0, 0, 0] / hidden[0, 0, 0]
    assert result.mean() == pytest.approx(float(hidden.mean()), rel=1e-6)
    assert torch.allclose(result[0, 2], hidden[0, 2] * 1.5 * scale)
    assert torch.allclose(result[0, 3:], hidden[0, 3:] * scale)


@pytest.mark.parametrize("weights", [[-10.0] * 77, [0.0] * 77], ids=["below zero", "zero"])
def test_a_mean_that_cannot_be_restored_leaves_finite_numbers(weights: list[float]) -> None:
    assert torch.isfinite(emphasised(torch.rand(1, 77, 8), weights)).all()


def test_a_scheduled_prompt_becomes_segments(sd) -> None:
    segments = embed_schedule(sd, "a [cat:car:0.5]", NEGATIVE, 1, 10)
    assert [s.start_step for s in segments] == [0, 5]
    for segment, words in zip(segments, ("a cat", "a car"), strict=True):
        assert torch.equal(segment.call_kwargs["prompt_embeds"], embed(sd, words, NEGATIVE)["prompt_embeds"])
        assert torch.equal(segment.call_kwargs["negative_prompt_embeds"], embed(sd, "", NEGATIVE)["negative_prompt_embeds"])


def test_an_alternating_negative_prompt_encodes_each_text_once(sd) -> None:
    cache = EmbeddingCache()
    segments = embed_schedule(sd, PROMPT, "[red|blue] sky", 1, 6, cache)
    assert [s.start_step for s in segments] == list(range(6))
    assert len(cache._kept) == 3
    assert torch.equal(segments[0].call_kwargs["negative_prompt_embeds"], segments[2].call_kwargs["negative_prompt_embeds"])


def test_the_cache_answers_again_and_keeps_no_encoder_alive(sd, tokenizer) -> None:
    import copy
    import weakref

    other = copy.copy(sd)
    other.text_encoder = copy.deepcopy(sd.text_encoder)
    cache, gone = EmbeddingCache(), weakref.ref(other.text_encoder)
    embed_schedule(other, PROMPT, NEGATIVE, 1, 1, cache)
    before = cache.hits
    embed_schedule(other, PROMPT, NEGATIVE, 1, 1, cache)
    assert cache.hits - before == 2
    other.text_encoder = None
    gc.collect()
    assert gone() is None


@any_pipe
def test_the_pipeline_runs_with_what_we_give_it(pipe) -> None:
    call = embed(pipe, f"(red:1.3) car, {LONG}", "[deformed | disfigured], [bad : wrong] anatomy")
    latents = pipe(**call, num_inference_steps=1, width=64, height=64, output_type="latent",
                   generator=torch.Generator().manual_seed(1)).images
    assert torch.isfinite(latents).all()


def test_half_an_emoji_does_not_stop_the_tokenizer(sd) -> None:
    assert embed(sd, "a \ud83d cat\x00 \u202e", "")["prompt_embeds"].shape == (1, 77, 32)
