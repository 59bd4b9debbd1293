"""AND while sampling: the sum Composable Diffusion writes, by hand; and an ordinary prompt left exactly as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipelines.patches.composition import Composition, folded, laid
from pipelines.prompt.embed import Part, Wanted, encode
from pipelines.prompt.regions import WHOLE, Region
from pipelines.tasks.feature import Window

PROMPT = "a red car AND night :0.5 AND snow :-0.3"


def noise(rows: int = 2) -> torch.Tensor:
    return torch.randn(rows, 4, 8, 8, generator=torch.Generator().manual_seed(3))


def answer(pipe: Any, sample: torch.Tensor, call: dict[str, torch.Tensor], prefix: str = "") -> torch.Tensor:
    """The UNet's own answer to one prompt, picture by picture."""
    more = {}
    if f"{prefix}pooled_prompt_embeds" in call:
        more["added_cond_kwargs"] = {"text_embeds": call[f"{prefix}pooled_prompt_embeds"], "time_ids": torch.zeros(1, 6)}
    return torch.cat([pipe.unet(one, 500, call[f"{prefix}prompt_embeds"], **more).sample for one in sample.split(1)])


def composed(pipe: Any, sample: torch.Tensor, guided: bool, prompt: str = PROMPT) -> torch.Tensor:
    """What the pipeline gets when it calls the UNet as it does for one prompt."""
    segment = encode(pipe, Wanted(prompt, "blue"))[0]
    names = [f"{p}prompt_embeds" for p in (("negative_", "") if guided else ("",))]
    rows = torch.cat([segment.call_kwargs[name].repeat_interleave(len(sample), dim=0) for name in names])
    more = {}
    if "pooled_prompt_embeds" in segment.call_kwargs:
        pooled = [segment.call_kwargs[n.replace("prompt", "pooled_prompt")].repeat_interleave(len(sample), dim=0) for n in names]
        more["added_cond_kwargs"] = {"text_embeds": torch.cat(pooled), "time_ids": torch.zeros(len(rows), 6)}
    given = torch.cat([sample] * len(names))
    with Composition(pipe.unet, len(sample), segment):
        return pipe.unet(given, 500, encoder_hidden_states=rows, return_dict=False, **more)[0]


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
@pytest.mark.parametrize("guided", [True, False], ids=["guided", "cfg 1"])
@torch.no_grad()
def test_the_answers_are_added_by_their_weights(request: pytest.FixtureRequest, kind: str, guided: bool) -> None:
    pipe, sample = request.getfixturevalue(kind), noise()
    segment = encode(pipe, Wanted(PROMPT, "blue"))[0]
    without = answer(pipe, sample, segment.call_kwargs, "negative_")
    wanted = without.clone()
    for weight, part in zip((1.0, 0.5, -0.3), segment.parts, strict=True):
        assert part.weight == weight
        wanted += weight * (answer(pipe, sample, part.call_kwargs) - without)
    ours = composed(pipe, sample, guided)
    assert torch.allclose(ours[-len(sample):], wanted, atol=1e-4)
    if guided:
        assert torch.allclose(ours[:len(sample)], without, atol=1e-4)


@torch.no_grad()
def test_one_prompt_passes_untouched_and_the_hooks_go(sd: Any) -> None:
    segment = encode(sd, Wanted("a red car", "blue"))[0]
    embeds = torch.cat([segment.call_kwargs["negative_prompt_embeds"], segment.call_kwargs["prompt_embeds"]])
    plain = sd.unet(noise(), 500, embeds).sample
    with Composition(sd.unet, 1, segment):
        assert torch.equal(sd.unet(noise(), 500, embeds).sample, plain)
    assert not segment.parts and not sd.unet._forward_hooks and not sd.unet._forward_pre_hooks


def test_the_same_prompt_twice_at_half_weight_is_that_prompt_once() -> None:
    u, c = torch.randn(2, 3), torch.randn(2, 3)
    assert torch.allclose(folded(u, [c, c], [0.5, 0.5]), c)


@pytest.mark.parametrize(("prompt", "weights"), [
    ("a AND b", [1, 1]), ("a :1.2 AND b :-0.3", [1.2, -0.3]), ("a", []), ("a ANDROID", []), ("a AND b :99", [1, 10]),
])
def test_parts_have_the_weights_they_are_given(sd: Any, prompt: str, weights: list[float]) -> None:
    assert [part.weight for part in encode(sd, Wanted(prompt))[0].parts] == weights


def test_every_part_may_change_on_the_way_and_all_have_equally_many_chunks(sd: Any) -> None:
    segments = encode(sd, Wanted("[cat:car:0.5] AND " + "red " * 90, "", 1, 4))
    assert [s.start_step for s in segments] == [0, 2]
    shapes = {part.call_kwargs["prompt_embeds"].shape for s in segments for part in s.parts}
    assert shapes == {segments[0].call_kwargs["negative_prompt_embeds"].shape} == {torch.Size([1, 154, 32])}


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
@pytest.mark.parametrize("guided", [True, False], ids=["guided", "cfg 1"])
@torch.no_grad()
def test_each_half_is_what_its_own_prompt_gives_and_the_rest_weighs_its_base_there(
        request: pytest.FixtureRequest, kind: str, guided: bool) -> None:
    pipe, sample = request.getfixturevalue(kind), noise()
    ours = composed(pipe, sample, guided, "night AND red car <region:0,0,0.5,1:soft=0:base=0> "
                                          "AND snow :0.5 <region:0.5,0,0.5,1:soft=0:base=0.3>")[-2:]
    u, night, car, snow = (answer(pipe, sample, encode(pipe, Wanted(text))[0].call_kwargs) for text in
                           ("blue", "night", "red car", "snow"))
    left, right = u + (car - u), u + (1 - 0.7 * 0.5) * (night - u) + 0.5 * (snow - u)
    assert torch.allclose(ours[..., :4], left[..., :4], atol=1e-4) and torch.allclose(ours[..., 4:], right[..., 4:], atol=1e-4)


@torch.no_grad()
def test_one_region_over_all_of_the_picture_is_plain_and(sd: Any) -> None:
    plain, region = (composed(sd, noise(), True, text) for text in ("a AND b :0.7", "a AND b :0.7 <region:0,0,1,1:base=1>"))
    assert torch.allclose(plain, region, atol=1e-6)


@torch.no_grad()
def test_a_region_of_weight_nought_is_none_bit_for_bit_and_one_that_weighs_less_than_nought_hides_nothing(sd: Any) -> None:
    plain, region = (composed(sd, noise(), True, text) for text in ("a red car", "a red car AND b :0 <region:0,0,0.5,1>"))
    assert torch.equal(plain, region)
    away, box = (composed(sd, noise(), True, text) for text in ("a AND b :-1", "a AND b :-1 <region:0,0,1,1>"))
    assert torch.allclose(away, box, atol=1e-6)


def test_where_two_regions_lie_on_one_another_each_counts_half_and_outside_is_the_rest() -> None:
    u, a, b, c = torch.randn(4, 2, 4, 8, 8)
    upper, corner = Region(0, 0, 1, 0.5, 0, 0), Region(0, 0, 0.5, 0.5, 0, 0)
    answers = laid(u, [a, b, c], [Part(1.0, {}), Part(1.0, {}, upper), Part(1.0, {}, corner)], WHOLE)
    assert torch.allclose(answers[..., :4, :4], (b + c)[..., :4, :4] / 2, atol=1e-5)
    assert torch.allclose(answers[..., :4, 4:], b[..., :4, 4:], atol=1e-5)
    assert torch.allclose(answers[..., 4:, :], a[..., 4:, :], atol=1e-5)


def test_a_tile_is_laid_as_its_part_of_the_whole() -> None:
    answers = list(torch.randn(3, 1, 4, 8, 16))
    parts = [Part(1.0, {}), Part(0.8, {}, Region(0.25, 0.1, 0.6, 0.5))]
    window = Window((4, 2, 12, 8))
    seen = window.seen(16, 8)
    assert seen == (0.25, 0.25, 0.75, 1.0) and Window((0, 0, 8, 4), (0.5, 0, 1, 1)).seen(16, 8) == (0.5, 0, 0.75, 0.5)
    whole, tile = laid(answers[0], answers[1:], parts, WHOLE), [one[..., 2:8, 4:12] for one in answers]
    assert torch.allclose(laid(tile[0], tile[1:], parts, seen), whole[..., 2:8, 4:12], atol=1e-5)
