"""The best of a batch come first, whatever units the sources measure in."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipelines.ranking.aesthetic import aesthetic_head
from pipelines.ranking.clip import Clip, image_alignment, text_alignment
from pipelines.ranking.combine import best, rank, standardised
from pipelines.ranking.scorer import AESTHETIC, ALIGNMENT, CLASS_WORDS, class_word, found, scores, words
from pipelines.spec.errors import FieldError, ModelFileError
from tests.prompt.conftest import tokenizer

__all__ = ["tokenizer"]
SCORES = {"aesthetic": [5.0, 6.0, 7.0], "text": [0.30, 0.20, 0.25]}


def test_the_unit_of_a_source_does_not_matter() -> None:
    scaled = {"aesthetic": [v * 1000 - 3 for v in SCORES["aesthetic"]], "text": SCORES["text"]}
    assert [r.index for r in rank(SCORES)] == [r.index for r in rank(scaled)] == [2, 0, 1]


@pytest.mark.parametrize(("weights", "order"), [({"text": 0.0}, [2, 1, 0]), ({"aesthetic": 0.0}, [0, 2, 1]),
                                                ({"aesthetic": -1.0, "text": 0.0}, [0, 1, 2])])
def test_weights_choose_what_counts(weights: dict, order: list[int]) -> None:
    assert [r.index for r in rank(SCORES, weights)] == order


def test_the_k_best_carry_what_every_source_said() -> None:
    kept = best(SCORES, 1)
    assert kept[0].parts == {"aesthetic": 7.0, "text": 0.25}
    assert len(best(SCORES, 9)) == 3


def test_equal_pictures_keep_their_order_and_a_broken_one_comes_last() -> None:
    assert [r.index for r in rank({"a": [1.0, 1.0 + 1e-15, 1.0]})] == [0, 1, 2]
    assert [r.index for r in rank({"a": [math.nan, 1.0, 2.0]})] == [2, 1, 0]
    assert standardised([math.nan]) != [0.0] and rank({}) == []


@pytest.mark.parametrize(("call", "says"), [
    (lambda: rank({"a": [1.0], "b": [1.0, 2.0]}), "different numbers"), (lambda: rank(SCORES, {"beauty": 1.0}), "no such score"),
    (lambda: best(SCORES, 0), "1 or more")], ids=["counts", "stray weight", "none kept"])
def test_what_makes_no_sense_is_refused(call: Any, says: str) -> None:
    with pytest.raises(FieldError, match=says):
        call()


def published(width: int = 768) -> dict[str, torch.Tensor]:
    sizes = {"0": (1024, width), "2": (128, 1024), "4": (64, 128), "6": (16, 64), "7": (1, 16)}
    source = torch.Generator().manual_seed(0)
    return {f"layers.{k}.{part}": torch.randn(shape if part == "weight" else shape[:1], generator=source) / 8
            for k, shape in sizes.items() for part in ("weight", "bias")}


def test_both_published_heads_load() -> None:
    images = torch.nn.functional.normalize(torch.randn(3, 768), dim=-1)
    x, state = images, published()
    for layer in "02467":
        x = x @ state[f"layers.{layer}.weight"].T + state[f"layers.{layer}.bias"]
    assert aesthetic_head(state).marks(images) == pytest.approx(x[:, 0].tolist(), abs=1e-5)
    linear = {"weight": torch.randn(1, 768), "bias": torch.tensor([5.0])}
    assert aesthetic_head(linear).marks(images) == pytest.approx((images @ linear["weight"][0] + 5).tolist(), abs=1e-5)


def test_another_file_or_another_clip_is_refused() -> None:
    with pytest.raises(ModelFileError, match="no aesthetic predictor"):
        aesthetic_head({"conv.weight": torch.zeros(1)})
    with pytest.raises(FieldError, match="768 wide"):
        aesthetic_head(published()).marks(torch.zeros(1, 512))


@pytest.fixture(scope="module")
def folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP with random weights, saved as a user would have it."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    made = tmp_path_factory.mktemp("clip")
    CLIPModel(CLIPConfig(text_config=small | ids, vision_config=small | {"image_size": 32, "patch_size": 16},
                         projection_dim=24)).save_pretrained(made)
    tokenizer.save_pretrained(made)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(made)
    return made


def test_a_clip_on_disk_scores_pictures_by_words_and_by_pictures(folder: Path) -> None:
    clip = Clip.open(folder)
    pictures = [Image.new("RGB", (40, 50), colour) for colour in ("red", "blue")]
    images, text = clip.images(pictures), clip.texts(["a red car"])
    assert images.shape == (2, 24) and torch.allclose(images.norm(dim=-1), torch.ones(2), atol=1e-5)
    assert all(-1 <= s <= 1 for s in text_alignment(images, text))
    closeness = image_alignment(images, images[:1])
    assert closeness[0] == pytest.approx(1, abs=1e-5) and closeness[1] < closeness[0]


def test_a_folder_without_a_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no CLIP model"):
        Clip.open(tmp_path)


def test_scores_come_from_what_lies_beside_the_model_or_in_the_ranking_folder(folder: Path, tmp_path: Path) -> None:
    model, shared = tmp_path / "mini", tmp_path / "ranking"
    model.mkdir()
    pictures, prompts = [Image.new("RGB", (32, 32), c) for c in ("red", "blue", "green")], ["a (red:1.3) car"] * 3
    assert scores(pictures, prompts, [model, shared]) == {}
    shutil.copytree(folder, shared)
    assert scores(pictures, prompts, [model, shared]).keys() == {ALIGNMENT}
    save_file({"weight": torch.ones(1, 24), "bias": torch.tensor([5.0])}, model / "my-aesthetic.safetensors")
    told = scores(pictures, prompts, [model, shared])
    clip = Clip.open(folder)
    assert told[ALIGNMENT] == pytest.approx(text_alignment(clip.images(pictures), clip.texts(["a red car"])), abs=1e-5)
    assert told[AESTHETIC] == pytest.approx((clip.images(pictures).sum(dim=1) + 5).tolist(), abs=1e-5)


def test_the_class_word_is_the_one_whose_words_are_nearest(folder: Path, tmp_path: Path) -> None:
    clip, photos = Clip.open(folder), [Image.effect_noise((40, 40), 90).convert("RGB") for _ in range(2)]
    near = (clip.images(photos) @ clip.texts([f"a photo of a {word}" for word in CLASS_WORDS]).T).mean(dim=0)
    assert class_word(photos, [folder]) == CLASS_WORDS[int(near.argmax())]
    assert class_word([], [folder]) == class_word(photos, [tmp_path]) == ""


@pytest.mark.parametrize("folder", [".", "aesthetic", "clip"])
def test_an_aesthetic_head_is_found_where_mini_has_it(folder: str, tmp_path: Path) -> None:
    file = tmp_path / "mini" / folder / "mini-aesthetic.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({"weight": torch.ones(1, 4), "bias": torch.ones(1)}, file)
    assert found([tmp_path / "mini"])[1] == file and found([tmp_path / "another"])[1] is None


@pytest.mark.parametrize(("prompt", "plain"), [
    ("a (red:1.3) [car]", "a red car"), ("[snow:night:0.5], <lora:x:1> fog", "snow, fog"), ("a cat AND a dog :0.5", "a cat a dog"),
    ("", "")], ids=str)
def test_the_words_of_a_prompt_are_scored_without_its_signs(prompt: str, plain: str) -> None:
    assert words(prompt) == plain
