"""Presets: what ships, and that nothing of the user's is ever lost or overwritten."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.presets import Preset, Presets, files
from pipelines.presets.names import stem
from pipelines.presets.preset import LIMIT, checked, read
from pipelines.presets.units import UnitPresets
from pipelines.spec.errors import FieldError, StorageError
from pipelines.spec.request import GenerationRequest

WORKED = GenerationRequest(prompt="a cat", steps=30, cfg_scale=8, seed=5, variation={"strength": 0.3, "seed": 7})


@pytest.fixture
def presets(root: Path, tmp_path: Path) -> Presets:
    return Presets([root / "presets", tmp_path])


def study(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "presets" / "recommendations.yaml").read_text(encoding="utf-8"))


def test_everything_that_ships_can_be_read_in_both_languages(presets: Presets) -> None:
    found = presets.list()
    assert len(found) == 9 and not presets.problems()
    assert all(p.shipped and set(p.title) == set(p.description) == {"en", "uk"} for p in found)


@pytest.mark.parametrize(("name", "item"), [("tokyo-lady", 0), ("valley", 1)])
def test_the_worked_examples_ship_with_all_eight_parameters(presets: Presets, root: Path, name: str, item: int) -> None:
    table = study(root)["worked_examples"]["items"][item]
    made = presets.get(name).applied(GenerationRequest(), {"square": (64, 64)})
    assert (made.prompt, made.negative_prompt) == (table["prompt"], table["negative"])
    assert f"{made.sampler} {made.schedule}" == table["sampler"]
    assert (made.steps, made.cfg_scale, made.seed) == (table["steps"], table["cfg_scale"], table["seed"])
    assert list(made.size) == table["size"] and presets.get(name).family == "sd15"


def test_the_studys_misspelling_is_kept(presets: Presets) -> None:
    assert "lanscape" in presets.get("valley").request["prompt"]


@pytest.mark.parametrize("name", ["tokyo-lady-mini", "valley-mini"])
def test_each_example_has_an_edition_in_minis_words_and_size(presets: Presets, name: str) -> None:
    preset = presets.get(name)
    made = preset.applied(GenerationRequest(), {"square": (256, 256), "landscape": (384, 256)})
    assert preset.family == "mini" and made.height == 256 and "(" not in made.prompt


def test_the_studio_presets_follow_the_study(presets: Presets, root: Path) -> None:
    names = {"photo_portrait": "photo-portrait", "photo_landscape": "photo-landscape", "illustration": "illustration",
             "preview": "quick-preview", "detail": "very-detailed"}
    for row in study(root)["studio_presets"]:
        request = presets.get(names[row["id"]]).request
        assert (request["steps"], request["cfg_scale"]) == (row["steps"], row["cfg_scale"])
        assert f"{request['sampler']} {request['schedule']}".removesuffix(" Automatic") == row["sampler"]


def test_those_made_for_the_family_in_use_come_first(presets: Presets) -> None:
    families = [p.family for p in presets.list("mini")]
    assert families[:2] == ["mini", "mini"] and "sd15" not in families[:4]


def test_a_saved_preset_comes_back_with_its_values_and_touches_nothing_else(presets: Presets) -> None:
    presets.save("My cat", WORKED)
    made = presets.get("My cat").applied(GenerationRequest(width=512))
    assert made == WORKED and not presets.get("My cat").shipped


def test_chosen_fields_alone_are_kept(presets: Presets) -> None:
    saved = presets.save("Only two", WORKED, fields=["steps", "variation.strength"])
    assert saved.request == {"steps": 30, "variation": {"strength": 0.3}}
    assert presets.get("only two").applied(GenerationRequest(prompt="mine")).prompt == "mine"


def test_a_taken_name_is_refused_unless_the_older_one_may_go_to_the_trash(presets: Presets) -> None:
    presets.save("Cat", WORKED)
    with pytest.raises(FieldError, match="exists already"):
        presets.save("cat", GenerationRequest(steps=5))
    presets.save("Cat", GenerationRequest(steps=5), overwrite=True)
    assert presets.get("Cat").request["steps"] == 5
    assert [p.request["steps"] for _, p in presets.trashed()] == [30]


def test_shipped_presets_are_neither_deleted_renamed_nor_shadowed(presets: Presets) -> None:
    for act in (lambda: presets.delete("valley"), lambda: presets.rename("valley", "mine"),
                lambda: presets.save("Illustration", WORKED),
                lambda: presets.save("Ілюстрація", WORKED, overwrite=True)):
        with pytest.raises(FieldError, match="studio"):
            act()


def test_a_deleted_preset_can_be_restored_even_when_its_name_is_taken(presets: Presets) -> None:
    presets.save("Cat", WORKED)
    token = presets.delete("Cat")
    presets.save("Cat", GenerationRequest(steps=5))
    restored = presets.restore(token)
    assert restored.shown() == "Cat (2)" and restored.request["steps"] == 30
    assert not presets.trashed()


def test_a_renamed_preset_leaves_no_file_behind(presets: Presets) -> None:
    presets.save("Cat", WORKED)
    presets.rename("cat", "Кіт 🐈")
    assert [p.shown() for p in presets.list() if not p.shipped] == ["Кіт 🐈"]
    assert len(list(presets.user.glob("*.yaml"))) == 1


def test_an_exported_preset_is_imported_elsewhere_and_never_over_another(presets: Presets, tmp_path: Path) -> None:
    presets.save("Cat", WORKED)
    name, text = presets.export("Cat")
    (tmp_path / name).write_text(text, encoding="utf-8")
    again = presets.import_file(tmp_path / name)
    assert again.shown() == "Cat (2)" and again.request == presets.get("Cat").request


BROKEN = [
    ("title: [a\nrequest: {}", "line 2"), ("title: A\nrequest:\n  steps: 999\n", "line 3: Steps: 999 - too large"),
    ("title: A\nrequest:\n  stepz: 5\n", "line 3: stepz: 5 - no such field"), ("title: A\nrequest: 5", "not a table"),
    ("- a\n- b\n", "not a table"), ("", "not a table"), ("title: A\nrequest: {a: !!python/object:os.system {}}",
    "tags"),
    ("a: &a [1]\nb: *a\n", "anchors"), ("a: " + "[" * 5000, "nesting"), ("x: \x01\n", "line 1"),
    ("title: A\nsize: huge\nrequest: {}", "line 2: size"), ("title: A\nrequest: {steps: 1:30}\n", "not a number"),
    ("title: A\nrequest: {steps: " + "9" * 9000 + "}\n", "Steps"), ("\ud800".encode("utf-8",
    "surrogatepass"), "line 1: not UTF"),
]


@pytest.mark.parametrize(("text", "said"), BROKEN, ids=[s for _, s in BROKEN])
def test_a_broken_file_is_named_with_its_line_kept_aside_and_left_alone(
        presets: Presets, text: str | bytes, said: str) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    presets.user.mkdir()
    (presets.user / "mine.yaml").write_bytes(data)
    [problem] = presets.problems()
    assert problem.startswith("Preset: mine.yaml - ") and said in problem, problem
    [copy] = presets.user.glob("mine.yaml.bad-*")
    assert copy.read_bytes() == (presets.user / "mine.yaml").read_bytes() == data
    assert len(presets.list()) == 9 and len(presets.problems()) == 1
    with pytest.raises(FieldError, match="exists already"):
        presets.save("mine", WORKED)


def test_a_file_too_large_is_refused_before_it_is_read(presets: Presets, tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"#" * (LIMIT + 1))
    with pytest.raises(FieldError, match="too large"):
        presets.import_file(tmp_path / "big.yaml")


def test_a_file_that_is_not_there_is_one_line(presets: Presets, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match=r"^Preset: gone\.yaml - cannot be read \(No such file or directory\)\. Allowed: a preset"):
        presets.import_file(tmp_path / "gone.yaml")


def test_two_thousand_mutated_files_break_nothing(root: Path, tmp_path: Path) -> None:
    source = (root / "presets" / "tokyo-lady.yaml").read_bytes()
    rng = random.Random(7)
    for number in range(2000):
        data = bytearray(source)
        for _ in range(rng.randint(1, 12)):
            at = rng.randrange(len(data))
            data[at:at + rng.randint(0, 9)] = bytes(rng.randrange(256) for _ in range(rng.randint(0, 9)))
        try:
            text = bytes(data).decode()
            preset = read(text, f"m{number}")
        except (UnicodeDecodeError, FieldError):
            continue
        assert preset is None or preset.applied(GenerationRequest())


def test_a_hostile_file_is_refused_quickly() -> None:
    for text in ("a: " + "[" * 100_000, "- " * 100_000, "a: " + "{b: " * 50_000, "? " * 50_000, "1:" * 100_000,
                 "'" * 99_999):
        start = time.process_time()
        with pytest.raises(FieldError):
            read(text, "hostile")
        assert time.process_time() - start < 8


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(prompt=st.text(max_size=200), steps=st.integers(1, 150), cfg=st.floats(1, 30), tiling=st.booleans())
def test_every_preset_survives_its_file_exactly(prompt: str, steps: int, cfg: float, tiling: bool) -> None:
    changes = checked({"prompt": prompt, "steps": steps, "cfg_scale": cfg, "tiling": tiling, "styles": [prompt]})
    preset = Preset("x", {"en": "X"}, {}, changes)
    assert read(preset.to_yaml(), "x") == preset


@pytest.mark.parametrize("text", ["on", "1:30", "1e5", "0x1F", "null", "~", "", " a ", "2026-11-21", "\u0085", "\ud83d",
                                  "a\r\nb\n", "\0", "- x", "#", "{a}", "\ufeffx", "🐈‍⬛"])
def test_awkward_prompts_survive_the_file(text: str) -> None:
    preset = Preset("x", {"en": "X"}, {}, {"prompt": text})
    assert read(preset.to_yaml(), "x") == preset


NAMES = [
    ("../../x", "x"), ("CON", "con"), ("a/b", "a-b"), ("name.", "name"), ("emoji 🐈", "emoji"), ("🐈", "preset"),
    ("nul.yaml", "nul-yaml"), ("COM1", "com1"), ("a\\b:c*?", "a-b-c"), ("\u202egpj.exe", "gpj-exe"), (".hidden",
    "hidden"),
    ("Тест", "тест"), ("x" * 100, "x" * 48), ("<script>", "script"), ("=cmd|calc", "cmd-calc"), (" tail ", "tail")]


@pytest.mark.parametrize(("name", "start"), NAMES, ids=[n[:12] for n, _ in NAMES])
def test_any_name_becomes_a_safe_file_and_keeps_its_own_look(presets: Presets, name: str, start: str) -> None:
    saved = presets.save(name, WORKED)
    [file] = presets.user.iterdir()
    assert file.parent == presets.user and file.stem == saved.name
    assert saved.name == start or (saved.name.startswith(start + "-") and len(saved.name) == len(start) + 7)
    assert file.stem.lower() not in ("con", "nul", "com1") and len(file.name.encode()) < 255
    assert presets.get(saved.name).shown() == name.strip().replace("\u202e", "")


@pytest.mark.parametrize(("name", "why"), [("", "empty"), ("   ", "empty"), ("x" * 300, "300 characters are too long"),
                                           ("a\0b", "control"), ("a\nb", "control"), (None, "not a text"), ("\ud83d",
                                           "control")])
def test_a_name_that_cannot_be_shown_is_refused_with_one_line(presets: Presets, name: Any, why: str) -> None:
    with pytest.raises(FieldError, match=why) as caught:
        presets.save(name, WORKED)
    assert "\n" not in str(caught.value) and "Allowed: 1-100 characters" in str(caught.value)


def test_names_that_differ_only_in_lost_characters_are_two_files() -> None:
    assert len({stem(n) for n in ("a/b", "a-b", "A-b", "a b", "a\\b", "a:b")}) == 6


def test_a_failed_write_says_so_and_changes_nothing(presets: Presets, monkeypatch: pytest.MonkeyPatch) -> None:
    presets.save("Cat", WORKED)
    before = presets.get("Cat")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipelines.presets.files.os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        presets.rename("Cat", "Dog")
    assert presets.get("Cat") == before and not list(presets.user.glob(".*.tmp"))


def test_what_is_replaced_stays_when_the_new_one_cannot_be_written(presets: Presets, monkeypatch: pytest.MonkeyPatch) -> None:
    before = presets.save("Cat", WORKED)
    write = files.write

    def full(file: Path, text: str | bytes) -> None:
        if file.parent.name != ".trash":
            raise StorageError("full")
        write(file, text)

    monkeypatch.setattr("pipelines.presets.files.write", full)
    with pytest.raises(StorageError, match="full"):
        presets.save("Cat", GenerationRequest(), overwrite=True)
    assert presets.get("Cat") == before


def test_units_that_are_replaced_or_forgotten_lie_in_the_trash(tmp_path: Path) -> None:
    units = UnitPresets([tmp_path])
    units.save("Soft", [{"weight": 0.5}])
    (tmp_path / "units" / f"{stem('Broken')}.json").write_text("{")
    for name in ("Soft", "Broken"):
        units.save(name, [{"weight": 0.7}])
    units.forget("Soft")
    assert units.names() == ["Broken"]
    kept = sorted((tmp_path / "units" / ".trash").glob("*.json"), key=lambda file: file.stem.rpartition("~")[2])
    assert [re.findall(r'"weight": ([\d.]+)', file.read_text()) for file in kept] == [["0.5"], [], ["0.7"]]
    assert kept[1].read_text() == "{"


def test_a_preset_laid_over_a_form_keeps_what_it_does_not_name(presets: Presets, root: Path, tmp_path: Path) -> None:
    form = GenerationRequest(prompt="mine", seed=9, variation={"strength": 0.5})
    made = presets.get("photo-landscape").applied(form, {"landscape": (768, 512)})
    assert (made.prompt, made.seed, made.variation, made.size) == ("mine", 9, form.variation, (768, 512))
    assert presets.get("photo-landscape").applied(form).size == form.size


def test_a_folder_with_presets_only_serves_both_as_shipped_and_as_mine(root: Path, tmp_path: Path) -> None:
    folder = copytree(root / "presets", tmp_path / "presets")
    presets = Presets([folder])
    presets.save("Mine", WORKED)
    assert {p.shown() for p in presets.list() if not p.shipped} == {"Mine"} and len(presets.list()) == 10
