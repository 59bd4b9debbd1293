"""Flags: one for each declared field, A1111's accepted or named, bad input in one line."""

from __future__ import annotations

import json
import shlex

import pytest

from pipelines.cli.flags import WrongUse, flag_names, help_of, main_parser, parse
from pipelines.cli.foreign import FOREIGN
from pipelines.settings import by_key
from pipelines.settings import load as load_settings
from pipelines.spec.errors import RequestError
from pipelines.spec.param import declared
from pipelines.spec.request import GenerationRequest

ROWS = list(declared(GenerationRequest))
EXAMPLE = {int: "3", float: "0.5", str: "text", tuple: "text"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.path)
def test_every_field_of_a_request_has_a_flag_with_its_own_words(row):
    words = [flag_names(row)[0], *([EXAMPLE[row.kind]] if row.kind is not bool else [])]
    changes = parse(["generate", *words], {}).changes
    *parts, last = row.path.split(".")
    for part in parts:
        changes = changes[part]
    assert list(changes) == [last] and row.param.help in help_of(row) and row.param.label in help_of(row)


@pytest.mark.parametrize("key", by_key())
def test_every_setting_has_a_flag(key):
    options = {o for action in main_parser()._actions for o in action.option_strings}
    assert "--" + key.replace("_", "-") in options


def test_what_was_not_typed_is_not_in_the_order():
    order = parse(["generate", "--prompt", "a cat"], {})
    assert order.changes == {"prompt": "a cat"} and order.settings == {} and order.command == "generate"


def test_the_issues_own_line_is_understood():
    line = ("generate --prompt p --negative-prompt n --steps 25 --cfg-scale 7 --sampler 'DPM++ 2M' --schedule karras"
            " --seed 42 --width 256 --height 256 --batch-size 2 --model mini --out DIR")
    order = parse(shlex.split(line), {})
    request = GenerationRequest().merged(order.changes)
    assert (request.sampler, request.seed, request.batch_size, request.cfg_scale) == ("DPM++ 2M", 42, 2, 7.0)
    assert order.settings == {"outputs_dir": "DIR"}


def test_settings_may_stand_before_and_behind_the_command():
    order = parse(["--medvram", "generate", "--device", "cpu", "--no-listen"], {})
    assert order.settings == {"medvram": True, "device": "cpu", "listen": False}


def test_a_variation_and_styles_reach_the_request():
    words = ["--variation-seed", "4", "--variation-strength", "0.2", "--style", "a", "--style", "b"]
    order = parse(["generate", *words], {})
    request = GenerationRequest().merged(order.changes)
    assert request.variation.seed == 4 and request.styles == ("a", "b")


@pytest.mark.parametrize(("words", "line"), [
    (["generate", "--stpes", "3"], "--stpes: no such flag. Did you mean --steps?"),
    (["--lisen"], "--lisen: no such flag. Did you mean --listen?"),
    (["paint"], "invalid choice: 'paint'"), (["generate", "--steps"], "expected one argument"),
    (["generate", "a", "cat"], "a: no such flag"), (["--port"], "expected one argument")])
def test_what_is_not_understood_is_one_line(words, line):
    with pytest.raises(WrongUse) as caught:
        parse(words, {})
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("words", "line"), [
    (["--steps", "0"], "Steps: 0 - too small. Allowed: 1-150."), (["--steps", "20.7"], "Steps: 20.7 - not a number"),
    (["--cfg-scale", "nan"], "CFG scale: nan - not a finite number"), (["--width", "513"], "Nearest: 512"),
    (["--seed", "4294967296"], "Seed: 4294967296 - too large"), (["--batch-size", "65"], "Batch size: 65 - too large"),
    (["--clip-skip", "13"], "Clip skip: 13 - too large")])
def test_a_value_out_of_range_is_refused_in_the_forms_own_words(words, line):
    with pytest.raises(RequestError) as caught:
        GenerationRequest().merged(parse(["generate", *words], {}).changes)
    assert line in str(caught.value)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_flag_of_automatic1111_is_mapped_or_named(name):
    row = FOREIGN[name]
    order = parse([name, *(["0"] if row.value else [])], {"COMMANDLINE_ARGS": ""})
    assert row.why or order.settings, name
    assert [note.startswith(f"{name}: ") for note in order.notes] == ([True] if row.why else [])


@pytest.mark.parametrize(("words", "settings"), [
    ("--listen --port 7861", {"listen": True, "port": "7861"}), ("--gradio-auth me:secret", {"auth": "me:secret"}),
    ("--gradio-auth=me:secret", {"auth": "me:secret"}), ("--medvram --xformers", {"medvram": True}),
    ("--ckpt-dir /m --vae-dir /v", {"models_dir": ["/m", "/v"]}), ("--device-id 1", {"device": "cuda:1"}),
    ("--no-half", {"precision": "float32"}), ("--data-dir '/my pictures'", {"data_dir": "/my pictures"}),
    ("--theme dark --autolaunch", {"theme": "dark", "open_browser": True}),
    ("--api --api-auth me:secret", {"api": True, "auth": "me:secret"}), ("--nowebui", {"api": True}),
    ("--use-cpu all", {"device": "cpu"})])
def test_commandline_args_of_webui_user_sh_work(words, settings):
    assert parse([], {"COMMANDLINE_ARGS": words}).settings == settings


def test_what_is_typed_wins_over_commandline_args():
    assert parse(["--port", "2"], {"COMMANDLINE_ARGS": "--port 1"}).settings == {"port": "2"}


def test_an_open_quote_in_commandline_args_is_one_line():
    with pytest.raises(WrongUse, match="COMMANDLINE_ARGS"):
        parse([], {"COMMANDLINE_ARGS": "--theme 'dark"})


def test_flags_make_settings(tmp_path):
    order = parse(["--data-dir", str(tmp_path), "--models-dir", "a", "--models-dir", "b", "--vram-budget", "6GB"], {})
    settings, _ = load_settings(order.settings, {})
    assert len(settings.models) == 2 and all(p.is_absolute() for p in settings.models)
    assert json.loads(settings.model_dump_json())["vram_budget"] == 6.0


@pytest.mark.parametrize("words", [["--help"], ["generate", "--help"], ["doctor", "--help"]], ids=" ".join)
def test_help_is_printed_and_is_no_failure(words, capsys):
    with pytest.raises(SystemExit) as left:
        parse(words, {})
    assert left.value.code == 0 and "Exit codes" in capsys.readouterr().out or words[0] == "doctor"


def test_the_issues_own_line_of_inpainting_is_understood():
    line = ("generate --init-image in.png --mask-image mask.png --denoising-strength 0.5 --resize-mode 'crop and resize'"
            " --masked-content original --mask-blur 4 --inpaint-area 'only masked' --mask-padding 32 --outpaint left=128,top=64")
    changes = parse(shlex.split(line), {}).changes
    assert (changes["init"].pop("image"), changes["inpaint"].pop("mask")) == ("in.png", "mask.png")
    request = GenerationRequest().merged(changes)
    assert (request.init.resize_mode, request.inpaint.area, request.inpaint.padding) == ("Crop and resize", "Only masked", 32)
    assert (request.outpaint.left, request.outpaint.top, request.outpaint.right) == (128, 64, 0)


def test_a_side_that_is_none_is_refused():
    with pytest.raises(WrongUse, match="--outpaint: middle=3 is no side"):
        parse(["generate", "--outpaint", "middle=3"], {})
