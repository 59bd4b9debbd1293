"""Devices, number formats, budgets and the tokenizer: data that is right without a card."""

import pytest

from pipelines.loading.compat import torch
from pipelines.loading.device import Budget, Device, parse_size
from pipelines.loading.vocabulary import clip_tokenizer, tokenizer_json
from pipelines.spec.errors import FieldError


@pytest.mark.parametrize(("precision", "dtype"), [
    ("auto", torch.float32), ("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_the_cpu_computes_in_fp32_unless_told(precision, dtype):
    device = Device.pick("cpu", precision)
    assert (device.dtype, device.is_main_memory, device.torch) == (dtype, True, torch.device("cpu"))


@pytest.mark.parametrize(("arguments", "says"), [
    (("tpu",), "Device: tpu - not available here. Allowed: auto, cpu"),
    (("cpu", "fp4"), "Precision: fp4 - not known. Allowed: auto, fp32, fp16, bf16"),
    (("cpu", "auto", "lazy"), "Memory policy: lazy - not known. Allowed: normal, medvram, lowvram"),
], ids=["device", "precision", "policy"])
def test_unknown_choices_are_named(arguments, says):
    with pytest.raises(FieldError) as caught:
        Device.pick(*arguments)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(("text", "size"), [("8", 8 * 2**30), ("8GB", 8 * 2**30), ("1.5 g", 1.5 * 2**30), ("600MB", 600 * 2**20)])
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "0", "1e9", "8 TB"])
def test_other_sizes_are_refused(text):
    with pytest.raises(FieldError, match="VRAM budget"):
        parse_size(text)


def test_the_budget_of_this_machine_leaves_room():
    budget = Budget.of_this_machine(Device.pick("cpu"), "2GB")
    assert budget.vram == 2 * 2**30 and 0 < budget.ram <= Device.pick("cpu").free_memory()


IDS = {
    "a photo of a cat": [49406, 320, 1125, 539, 320, 2368, 49407],
    "": [49406, 49407],
    "A  PHOTO\tOF A CAT": [49406, 320, 1125, 539, 320, 2368, 49407],
}


@pytest.mark.parametrize("text", IDS)
def test_token_ids_are_those_of_openai_clip(cache, text):
    from tokenizers import Tokenizer
    assert clip_tokenizer(cache)(text).input_ids == IDS[text]
    assert Tokenizer.from_file(str(tokenizer_json(cache))).encode(text).ids == IDS[text]


@pytest.mark.parametrize("text", ["Hello, World's best-ever café №5 日本語 😀", "it's (a:1.2) [b] \\n x1y2", "don't DON'T"])
def test_tokens_equal_open_clips_own_tokenizer(cache, text):
    from open_clip.tokenizer import SimpleTokenizer
    assert clip_tokenizer(cache)(text).input_ids[1:-1] == SimpleTokenizer(clean="lower").encode(text)


@pytest.mark.parametrize(("pad", "number"), [("<|endoftext|>", 49407), ("!", 0)], ids=["CLIP-L", "OpenCLIP"])
def test_padding_is_the_encoders_own(cache, pad, number):
    tokenizer = clip_tokenizer(cache, pad)
    ids = tokenizer("a cat", padding="max_length", max_length=77).input_ids
    assert len(ids) == 77 and ids[:4] == [49406, 320, 2368, 49407] and set(ids[4:]) == {number} and len(tokenizer) == 49408
