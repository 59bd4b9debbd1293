"""Wildcards: what a template resolves to, that it stays resolved, and what is refused."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extensions.wildcards import Wildcards
from extensions.wildcards.lists import Lists
from extensions.wildcards.template import PIECES, is_dynamic, resolve
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest


@pytest.fixture
def lists(tmp_path):
    """A folder of small lists, good and bad."""
    (tmp_path / "animals").mkdir()
    texts = {"colour": "# comment\nred\nblue\n", "animals/cat": "lynx\n", "self": "a __self__\n", "nothing": "# only\n",
             "a": "__b__ __b__\n", "b": "__a__ __a__\n", "nested": "{dark|light} __colour__\n", "brace": "x { y\n"}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8-sig")
    (tmp_path / "latin.txt").write_bytes("café\n".encode("latin-1"))
    (tmp_path / "huge.txt").write_bytes(b"x\n" * 1_500_000)
    return Lists([tmp_path])


@pytest.mark.parametrize(("template", "possible"), [
    ("a {red|blue} car", {"a red car", "a blue car"}),
    ("{2$$a|b}", {"a,b", "b,a"}),
    ("{2$$ and $$a|b}", {"a and b", "b and a"}),
    ("__colour__ car", {"red car", "blue car"}),
    ("__animals/cat__", {"lynx"}),
    ("__nested__", {f"{a} {b}" for a in ("dark", "light") for b in ("red", "blue")}),
    ("${c=!{x|y}}${c}${c}", {"xx", "yy"}),
    ("(sky:1.2) {a|(b:1.3)} [x:y:3] <lora:n:1> 50% #1 $5 a_b", {
        f"(sky:1.2) {x} [x:y:3] <lora:n:1> 50% #1 $5 a_b" for x in ("a", "(b:1.3)")}),
    ("{50%|a_b}\n end ", {"50%\n end ", "a_b\n end "}),
], ids=["choice", "several", "separator", "list", "sub-folder", "nested", "variable", "syntax-kept", "text-kept"])
def test_a_template_resolves_to_one_of_its_prompts(lists, template, possible):
    drawn = {resolve(template, str(seed), lists) for seed in range(40)}
    assert drawn == possible


@pytest.mark.parametrize("text", ["", "a red car", "{open", "close}", "a_b__c", "((x:1.2)", "\\{a|b\\}", "__", "a | b"])
def test_a_prompt_without_a_template_is_left_as_it_stands(text):
    assert not is_dynamic(text)


@pytest.mark.parametrize(("template", "message"), [
    ("__color__", "Wildcard: color - not found. Allowed: colour"),
    ("__self__", "leads back to itself"), ("__a__", "leads back to itself"), ("${x=${x}}${x}", "leads back to itself"),
    ("__latin__", "Wildcard: latin - its list is not UTF-8"), ("__huge__", "Wildcard: huge - its list is too large"),
    ("__nothing__", "Wildcard: nothing - its list is empty"), ("${unset}", "cannot be read"),
    ("{a|b}" * (PIECES + 1), f"{PIECES + 1} choices"), ("{" * 30 + "a" + "}" * 30, "nested too deeply"),
    ("__brace__ }", "a template again"),
], ids=["missing", "itself", "circle", "variable-circle", "latin-1", "huge", "empty", "unset", "many", "deep", "again"])
def test_a_template_that_cannot_be_resolved_is_named(lists, template, message):
    with pytest.raises(FieldError, match=message):
        resolve(template, "1", lists)


def test_a_list_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(FieldError, match="Wildcard: pipe - its list is not a file"):
        resolve("__pipe__", "1", Lists([tmp_path]))


@pytest.mark.parametrize(("template", "number"), [
    ("{!a|b}" * 20, "1 048 576 prompts"), ("{!a|b|c}", "3 prompts"), ("{!2$$a|b|c}", "6 prompts"),
    ("{!0-2$$a|b|c}", "10 prompts"), ("{!1-3$$a|b|c}", "15 prompts"), ("{@a|b} {c|d}", "4 prompts"),
    ("__!colour__ {a|b}", "4 prompts"), ("{!__nested__|x}", "5 prompts"), ("{!a|{b|c}}", "3 prompts"),
    ("{!2$$a|{b|c}}", "4 prompts"), ("{!" + "|".join("abcdefgh") + "}" * 1 + "{a|b|c|d|e|f|g|h|i|j}" * 30, "about 10^30 prompts"),
    ("__@self__", "leads back to itself")],
    ids=["20-choices", "one", "two-of-three", "up-to-two", "any-order", "in-order", "list", "list-of-templates", "nested",
         "nested-pick", "huge", "self"])
def test_all_combinations_are_counted_without_being_made_and_refused(lists, template, number):
    began = time.process_time()
    with pytest.raises(FieldError, match=re.escape(number)):
        Wildcards(lists).atelier_transform_request(GenerationRequest(prompt=template))
    assert time.process_time() - began < 3


def test_a_line_of_a_list_that_asks_for_all_combinations_is_named(lists, tmp_path):
    (tmp_path / "every.txt").write_text("{!red|blue}\n")
    with pytest.raises(FieldError, match="Wildcard every: .* asks for all its combinations"):
        resolve("a __every__ car", "1", lists)


def test_counting_a_long_list_ends(lists, tmp_path):
    (tmp_path / "long.txt").write_text("plain words\n" * 100_000)
    (tmp_path / "templates.txt").write_text("{a|b}\n" * 100_000)
    with pytest.raises(FieldError, match="100 000 prompts"):
        resolve("__!long__", "1", lists)
    with pytest.raises(FieldError, match="too many templates to count"):
        resolve("__!templates__", "1", lists)


def test_a_million_combinations_drawn_by_chance_are_no_trouble(lists, recwarn):
    drawn = {resolve("{a|b}" * 20, str(seed), lists) for seed in range(10)}
    assert len(drawn) > 5 and all(set(text) <= set("ab") and len(text) == 20 for text in drawn)
    assert not recwarn.list


@pytest.mark.parametrize("template", [
    "{a|b}" * 10_000, "{" * 50_000, "__self__" * 100, "__a__", "}" * 50_000 + "{a|b}"],
    ids=["choices", "open", "self", "circle", "closed"])
def test_no_template_holds_the_studio_up(lists, template):
    began = time.process_time()
    with suppress(FieldError):
        resolve(template, "1", lists)
    assert time.process_time() - began < 3


@settings(max_examples=150, deadline=None)
@given(st.text("ab{}|$_%#\\: 1!~=,", max_size=40), st.integers(0, 3))
def test_what_was_resolved_stays_resolved(template, seed):
    lists = Lists(())
    try:
        prompt = resolve(template, str(seed), lists) if is_dynamic(template) else template
    except FieldError:
        return
    assert not is_dynamic(prompt)


def test_each_picture_of_a_batch_draws_its_own_and_can_be_made_again(lists):
    extension, batch = Wildcards(lists), GenerationRequest(prompt="{a|b|c|d|e|f|g|h} cat", seed=7, batch_size=4)
    planned = [extension.atelier_image_request(batch.image(i)) for i in range(4)]
    assert len({request.prompt for request, _ in planned}) > 1
    assert {extra["Template"] for _, extra in planned} == {batch.prompt}
    assert all(extension.atelier_image_request(request) is None for request, _ in planned)
    assert planned == [extension.atelier_image_request(batch.image(i)) for i in range(4)]


def test_the_second_pass_draws_its_own_and_remembers_its_templates(lists):
    hires = {"prompt": "{sharp|crisp} __colour__ car", "negative_prompt": "{mud|haze}"}
    request = GenerationRequest.parse({"prompt": "a car", "hires": hires, "seed": 3, "batch_size": 12})
    planned = [Wildcards(lists).atelier_image_request(request.image(i)) for i in range(12)]
    assert {r.hires.prompt for r, _ in planned} == {f"{a} {b} car" for a in ("sharp", "crisp") for b in ("red", "blue")}
    assert {r.hires.negative_prompt for r, _ in planned} == {"mud", "haze"} and {r.prompt for r, _ in planned} == {"a car"}
    assert planned[0][1] == {"Hires Template": hires["prompt"], "Hires Negative Template": hires["negative_prompt"]}


def test_a_missing_list_in_the_second_pass_is_refused_by_its_field(lists):
    with pytest.raises(FieldError, match="missing"):
        Wildcards(lists).atelier_transform_request(GenerationRequest.parse({"hires": {"prompt": "a __missing__ car"}}))


def test_a_missing_list_refuses_the_request_even_in_an_unlucky_branch(lists):
    with pytest.raises(FieldError, match="missing"):
        Wildcards(lists).atelier_transform_request(GenerationRequest(negative_prompt="{a|a|a|a|a|a|a|a|__missing__}"))


def test_the_users_list_wins_over_ours(tmp_path, lists):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "colour.txt").write_text("mauve\n")
    assert resolve("__colour__", "1", Lists([*lists.folders, tmp_path / "mine"])) == "mauve"
