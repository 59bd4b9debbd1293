"""Both languages say everything the page asks for; nothing missing ever raises."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
import yaml

from pipelines.spec.param import declared
from pipelines.spec.parts import ControlUnit
from pipelines.spec.request import GenerationRequest
from pipelines.words import SHIPPED, Words

ASKED = re.compile(r"\bwords\(\s*['\"](\w+)['\"]\s*[,)]")


def table(language: str, part: str) -> dict[str, str]:
    return yaml.safe_load((SHIPPED / f"{language}.yaml").read_text(encoding="utf-8"))[part]


def test_both_languages_have_the_same_keys_and_gaps() -> None:
    english, ukrainian = table("en", "words"), table("uk", "words")
    assert english.keys() == ukrainian.keys()
    for key in english:
        gaps = [{n for _, n, _, _ in string.Formatter().parse(t[key]) if n} for t in (english, ukrainian)]
        assert isinstance(key, str) and english[key] and ukrainian[key] and gaps[0] == gaps[1], key


def test_the_hint_of_the_editor_has_room_beside_its_tools_on_a_phone() -> None:
    assert max(len(table(language, "words")["editor_hint"]) for language in ("en", "uk")) <= 25


def test_every_declared_field_has_a_ukrainian_label_and_help() -> None:
    fields = table("uk", "fields")
    paths = {d.path for d in declared(GenerationRequest)} | {f"control.{d.path}" for d in declared(ControlUnit)}
    assert list(fields) and set(fields) == paths
    assert all(row["label"] and row["help"].endswith(".") for row in fields.values())


def test_the_english_of_a_field_is_its_declaration() -> None:
    words = Words("en")
    for row in declared(GenerationRequest):
        assert (words.label(row.path), words.help(row.path)) == (row.param.label, row.param.help)
    assert not table("en", "fields")


def test_every_word_that_the_tabs_ask_for_is_there(root: Path) -> None:
    english = table("en", "words")
    for file in (root / "tabs").glob("*.py"):
        missing = {key for key in ASKED.findall(file.read_text(encoding="utf-8")) if key not in english}
        assert not missing, f"{file.name}: {missing}"


@pytest.mark.parametrize("group", sorted({d.param.group for d in declared(GenerationRequest)}))
def test_every_group_of_fields_has_a_title(group: str) -> None:
    assert f"group_{group}" in table("uk", "words")


@pytest.mark.parametrize("status", ["queued", "running", "done", "failed", "cancelled", "interrupted"])
def test_every_status_of_a_job_has_a_word(status: str) -> None:
    assert Words("uk")(f"status_{status}") != Words("en")(f"status_{status}")


def test_gaps_are_filled_and_a_wrong_gap_never_raises() -> None:
    words = Words("uk")
    assert words("picture_of", index=1, count=4) == "Зображення 1 з 4"
    assert "{count}" in words("picture_of", index=1)
    assert words("set_recommended", value="{0}") == "Узяти {0}"


def test_a_missing_word_falls_back_to_english_then_to_the_key(tmp_path: Path) -> None:
    (tmp_path / "en.yaml").write_text("words: {only_english: Yes it is}\n")
    (tmp_path / "uk.yaml").write_text("words: {}\n")
    words = Words("uk", tmp_path)
    assert words("only_english") == "Yes it is"
    assert words("never_heard_of") == "Never heard of"
    assert words.label("steps") == "Steps"


@pytest.mark.parametrize("text", ["", "words: [", "- a", "words: 5", "\ud800"], ids=["empty", "broken", "list", "no", "not utf"])
def test_a_broken_catalogue_leaves_the_page_readable(tmp_path: Path, text: str) -> None:
    (tmp_path / "uk.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert Words("uk", tmp_path)("generate") == "Generate"


def test_an_unknown_language_is_english() -> None:
    assert Words("xx")("generate") == "Generate"
