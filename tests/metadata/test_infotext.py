"""AUTOMATIC1111's text: written in its order, read as it reads it (without its defect), in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.metadata import from_infotext, infotext, parse_infotext
from pipelines.spec.request import GenerationRequest
from tests.metadata.conftest import WORDS, requests

LINE = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
GOLDEN = {
    "no prompt": (f"{LINE}, Size: 64x64", {"Prompt": "", "Size-1": "64", "Size-2": "64"}),
    "two pairs are a prompt": ("a\nSteps: 20, Sampler: Euler a", {"Prompt": "a\nSteps: 20, Sampler: Euler a"}),
    "JSON escapes": (f'{LINE}, Hires prompt: "foo, \\"bar\\"\\nbaz: 1"', {"Hires prompt": 'foo, "bar"\nbaz: 1'}),
    "quoted list": (f'{LINE}, Lora hashes: "x: 0123456789ab, y: cd"', {"Lora hashes": "x: 0123456789ab, y: cd"}),
    "version stays": (f"{LINE}, Empty: , Q: 5, Flag, Version: v1.10.1", {"Version": "v1.10.1"}),
    "unterminated quote": (f'{LINE}, Bad: "unterminated, Foo: 3', {"Bad": '"unterminated', "Foo": "3"}),
    "zero by something": (f"{LINE}, Hires resize: 0x512", {"Hires resize-1": "0", "Hires resize-2": "512"}),
    "a prompt that looks like pairs": ("cat, dog: 3, bird: 4, fish: 5", {"Prompt": "cat, dog: 3, bird: 4, fish: 5"}),
    "two negative labels": (
        f"p\nNegative prompt: a\nNegative prompt: b\n{LINE}",
        {"Prompt": "p", "Negative prompt": "a\nb"},
    ),
    "prompt of three lines": (f"a\n  b \nc\n{LINE}", {"Prompt": "a\nb\nc"}),
}


@pytest.mark.parametrize(("text", "expected"), GOLDEN.values(), ids=GOLDEN)
def test_reads_the_golden_vectors(text: str, expected: dict[str, str]) -> None:
    found = parse_infotext(text)
    assert {key: found.get(key) for key in expected} == expected
    assert not {"Empty", "Q", "Flag", "dog"} & found.keys()


def test_fields_stand_in_the_order_every_reader_expects() -> None:
    request = GenerationRequest.parse(
        {
            "prompt": "a cat",
            "negative_prompt": "blur",
            "seed": 7,
            "vae": "soft.safetensors",
            "vae_hash": "1122334455",
            "clip_skip": 2,
            "tiling": True,
            "cfg_rescale": 0.7,
            "cfg_start": 0.2,
            "cfg_end": 0.75,
            "variation": {"seed": 9, "strength": 0.5},
            "model_hash": "6ce0161689",
        }
    )
    text = infotext(request, {"Version": "Atelier 0.1.0", "seconds": 3.1, "Lora hashes": "x: 01, y: 02"})
    assert text == (
        "a cat\nNegative prompt: blur\n"
        "Steps: 25, Sampler: DPM++ 2M, Schedule type: Automatic, CFG scale: 7, Seed: 7, Size: 256x256, "
        "Model hash: 6ce0161689, Model: mini, VAE hash: 1122334455, VAE: soft.safetensors, Variation seed: 9, "
        'Variation seed strength: 0.5, Clip skip: 2, RNG: CPU, Tiling: True, CFG rescale: 0.7, '
        "Skip Early CFG: 0.2, CFG end: 0.75, "
        'Lora hashes: "x: 01, y: 02", Version: Atelier 0.1.0'
    )


def test_denoising_strength_stands_before_clip_skip_and_the_mask_blur_is_always_said() -> None:
    request = GenerationRequest.parse({"seed": 7, "clip_skip": 2, "init": {"denoising_strength": 0.6}, "inpaint": {}})
    text = infotext(request)
    assert "Model: mini, Denoising strength: 0.6, Clip skip: 2, RNG: CPU, Mask blur: 4" in text
    assert infotext(request.merged({"hires": {"denoising_strength": 0.2}})).count("Denoising strength: 0.2, Clip skip") == 1


def test_a_text_says_whose_noise_it_was() -> None:
    ours, theirs = from_infotext(f"a\n{LINE}, RNG: CPU"), from_infotext(f"a\n{LINE}, RNG: NV")
    assert (ours.made["RNG"], ours.unknown, ours.notes) == ("CPU", {}, ())
    assert (theirs.unknown, theirs.notes) == ({"RNG": "NV"}, ("Not used: RNG.",))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('a"b', 'a"b'),
        ('a"b,c', '"a\\"b,c"'),
        ("é, ü", '"é, ü"'),
        ("two\nlines", '"two\\nlines"'),
        (1.0, "1"),
        (True, "True"),
    ],
    ids=["quote alone", "quote and comma", "letters stay", "lines", "float", "flag"],
)
def test_values_are_quoted_only_where_they_must(value: object, written: str) -> None:
    text = infotext(GenerationRequest(seed=1), {"Extra": value})
    assert text.endswith(f", Extra: {written}")


def test_an_old_sampler_label_names_its_schedule() -> None:
    found = from_infotext("a cat\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 512x768").request
    assert (found["sampler"], found["schedule"], found["width"], found["height"]) == ("DPM++ 2M", "Karras", 512, 768)


def test_what_the_text_does_not_name_was_off() -> None:
    found = from_infotext(f"a\n{LINE}").request
    assert (found["clip_skip"], found["tiling"], found["variation"], found["schedule"]) == (1, False, None, "Automatic")


PROMPTS = st.lists(WORDS.map(str.strip), max_size=3).map("\n".join).map(str.strip)


@settings(max_examples=300, deadline=None)
@given(requests(PROMPTS))
def test_round_trips_for_the_fields_it_covers(request: GenerationRequest) -> None:
    if any(line.startswith("Negative prompt:") for line in f"{request.prompt}\n{request.negative_prompt}".split("\n")):
        return
    found = from_infotext(infotext(request)).request
    covered = [
        "prompt",
        "negative_prompt",
        "sampler",
        "schedule",
        "steps",
        "cfg_scale",
        "cfg_rescale",
        "cfg_start",
        "cfg_end",
        "width",
        "height",
        "tiling",
        "seed",
        "clip_skip",
    ]
    whole = request.model_dump(mode="json")
    assert {k: found[k] for k in covered} == {k: whole[k] for k in covered}
    assert found["variation"] == (whole["variation"] if request.variation and request.variation.strength else None)


WORST = {
    "spaces": "a" + " " * 250_000 + ":",
    "words": "a a" * 80_000,
    "colons": ": ," * 80_000,
    "backslashes": "\\" * 250_000 + '"',
    "escaped quotes": 'ab: "' + '\\"' * 120_000,
    "opening quotes": 'ab: "x, ' * 30_000,
    "commas": "," * 250_000,
    "broken JSON": "ab: [1," * 35_000,
    "deep JSON": "ab: " + "[" * 240_000,
}


@pytest.mark.parametrize("text", WORST.values(), ids=WORST)
def test_the_worst_texts_take_linear_time(text: str) -> None:
    """Four times the text takes four times as long, not sixteen: a ratio within one run, as the machine may be slow."""
    whole, quarter = (min(seconds(f"Steps: 1, {part}") for _ in range(3)) for part in (text, text[:len(text) // 4]))
    assert whole < 9 * quarter + 0.02


def seconds(text: str) -> float:
    started = time.process_time()
    parse_infotext(text)
    return time.process_time() - started


def test_a_megabyte_is_no_infotext() -> None:
    assert parse_infotext("a, " * 400_000 + LINE)["Prompt"] == ""
    assert from_infotext("x" * 1_000_000).notes == ("The text is longer than 256 KB.",)


OTHERS = {
    "a second pass as in Forge": (
        "Denoising strength: 0.4, Hires upscale: 2, Hires upscaler: Latent, Hires sampler: Use same sampler, "
        "Hires schedule type: Use same scheduler, Hires checkpoint: Use same checkpoint",
        {"hires": {"scale": 2.0, "upscaler": "Latent", "denoising_strength": 0.4}}),
    "a joint label of the second pass": (
        "Denoising strength: 0.4, Hires upscale: 1.5, Hires upscaler: Latent, Hires sampler: DPM++ 2M Karras",
        {"hires": {"scale": 1.5, "upscaler": "Latent", "denoising_strength": 0.4, "sampler": "DPM++ 2M", "schedule": "Karras"}}),
    "the first pass of 2022": (
        "Denoising strength: 0.7, First pass size: 448x640",
        {"width": 448, "height": 640,
         "hires": {"width": 768, "height": 1024, "upscaler": "Latent", "denoising_strength": 0.7}}),
    "a first pass left to the program": (
        "Denoising strength: 0.7, First pass size: 0x0",
        {"width": 448, "height": 640,
         "hires": {"width": 768, "height": 1024, "upscaler": "Latent", "denoising_strength": 0.7}}),
    "soft inpainting": ("Denoising strength: 0.5, Mask blur: 6, Soft inpainting enabled: True",
                        {"inpaint": {"mask_blur": 6, "soft": True}}),
    "soft inpainting as we wrote it once": ("Denoising strength: 0.5, Soft inpainting: True", {"inpaint": {"soft": True}}),
}


@pytest.mark.parametrize(("rest", "expected"), OTHERS.values(), ids=OTHERS)
def test_other_years_and_programs_say_the_same_in_other_words(rest: str, expected: dict[str, object]) -> None:
    found = from_infotext(f"a\n{LINE}, Size: 768x1024, {rest}")
    for key, value in expected.items():
        told = found.request[key]
        assert value.items() <= told.items() if isinstance(value, dict) else value == told, key
    assert found.unknown == {}


def test_a_sampler_of_the_second_pass_that_nobody_knows_is_left_out_and_named() -> None:
    found = from_infotext(f"a\n{LINE}, Denoising strength: 0.4, Hires upscale: 2, Hires sampler: Sixth Sense")
    assert found.request["hires"]["sampler"] == ""
    assert any("Sixth Sense" in note for note in found.notes)


def test_values_in_json_are_kept_whole_and_nothing_in_them_is_taken_for_a_setting() -> None:
    resources = '[{"type":"lora","weight":0.8,"modelName":"Steps: 99, CFG scale: 1"}]'
    hashes = '{"model": "6ce0161689", "lora:x": "0123456789"}'
    found = from_infotext(f"a\n{LINE}, Hashes: {hashes}, Civitai resources: {resources}, Clip skip: 2")
    assert (found.unknown["Civitai resources"], found.unknown["Hashes"]) == (resources, hashes)
    assert (found.request["steps"], found.request["clip_skip"]) == (20, 2)


def test_the_hash_of_a_pasted_texts_model_is_kept() -> None:
    made = from_infotext(f"a\n{LINE}, Model hash: 6ce0161689, Model: v1-5, Version: v1.10.1").made
    assert made == {"Model hash": "6ce0161689", "Version": "v1.10.1"}


def test_a_part_the_text_speaks_of_is_at_its_defaults_elsewhere() -> None:
    found = from_infotext(f"a\n{LINE}, Denoising strength: 0.4, Hires upscale: 1.5, Mask blur: 6").request
    assert (found["hires"]["width"], found["hires"]["prompt"], found["hires"]["steps"]) == (0, "", 0)
    assert (found["inpaint"]["masked_content"], found["inpaint"].get("mask")) == ("original", None)
