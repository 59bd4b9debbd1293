"""The vocabulary of mini: any text can be written in it, in CLIP's conventions."""

import pytest

from pipelines.training.mini.text import TOKENS, build, encode, teach_vocabulary


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return teach_vocabulary(tmp_path_factory.mktemp("words"), pictures=600)


@pytest.mark.parametrize(
    "text", ["a red car, in the snow", "рожевий кіт", "naïve café", "猫と雪", "😀🏔️ ok", "(weights:1.2) [x]", "under_score #1!"]
)
def test_any_text_comes_back(words, text):
    ids = words(text, truncation=False).input_ids
    assert words.unk_token_id not in ids[1:-1]
    assert words.decode(ids, skip_special_tokens=True).replace(" ", "") == text.lower().replace(" ", "")


def test_conventions_are_clips(words):
    ids = encode(words, ["a cat", ""])
    assert ids.shape == (2, TOKENS)
    assert ids[0, 0] == words.bos_token_id and ids[0, -1] == ids[1, 1] == words.eos_token_id == words.pad_token_id
    assert words.eos_token_id == len(words) - 1 and words.model_max_length == TOKENS


def test_common_words_are_one_token(words):
    assert len(words("car", truncation=False).input_ids) == 3


def test_long_texts_are_cut_to_77_tokens(words):
    assert encode(words, ["a cat and " * 60]).shape == (1, TOKENS)


def test_the_text_encoder_has_the_width_the_unet_expects(words):
    model = build(len(words), words.eos_token_id, words.bos_token_id).eval()
    assert model(encode(words, ["a cat"])).last_hidden_state.shape == (1, TOKENS, 192)
