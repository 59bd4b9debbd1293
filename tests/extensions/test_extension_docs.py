"""docs/extensions.md: every example in it is loaded and does what the text says; no hook is missing or made up."""

from __future__ import annotations

import inspect
import re
from types import SimpleNamespace

import pytest
import yaml
from PIL import Image

from extensions.hooks import HOOK_SECONDS, Specs, Tab
from extensions.loader import IMPORT_SECONDS, load
from pipelines.settings import checked
from pipelines.spec.errors import FieldError
from pipelines.spec.request import GenerationRequest


@pytest.fixture(scope="module")
def text(root):
    return (root / "docs" / "extensions.md").read_text(encoding="utf-8")


@pytest.fixture
def example(text, tmp_path):
    """Load the example whose first line holds `words`; returns its hooks."""
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)

    def load_it(words):
        [source] = [b for b in blocks if words in b.splitlines()[0]]
        folder = tmp_path / "extensions" / "example"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(source, encoding="utf-8")
        hooks = load(checked({"data_dir": tmp_path, "disabled_extensions": ["realesrgan", "wildcards"]}))
        assert hooks.names() == ["example"] and not hooks.faults
        return hooks
    return load_it


def test_the_smallest_example_adds_its_word(example):
    assert example("Adds a word").transform_request(GenerationRequest(prompt="a cat")).prompt == "a cat, masterpiece"


def test_the_refusing_example_refuses(example):
    hooks = example("Refuses pictures")
    with pytest.raises(FieldError, match="too large for this machine"):
        hooks.transform_request(GenerationRequest(width=2048, height=2048))
    assert hooks.transform_request(GenerationRequest()) == GenerationRequest() and not hooks.faults


def test_the_diary_keeps_its_list(example, tmp_path):
    (tmp_path / "outputs").mkdir()
    example("Keeps a list").finished(Image.new("RGB", (8, 8)), GenerationRequest(prompt="a cat", seed=7))
    assert (tmp_path / "outputs" / "diary.txt").read_text() == "7\ta cat\n"


def test_the_tab_is_built(example):
    import gradio as gr

    hooks = example("A tab that says")
    [tab] = hooks.tabs()
    with gr.Blocks(analytics_enabled=False) as blocks:
        tab.build(SimpleNamespace(library=SimpleNamespace(models=lambda: [1, 2])), None)
    assert isinstance(tab, Tab) and not hooks.faults
    assert [b.value for b in blocks.blocks.values() if isinstance(b, gr.Markdown)] == ["2 checkpoints"]


def test_every_example_is_tried_here(text):
    assert len(re.findall("```python", text)) == 4


def test_every_hook_is_in_the_table_with_its_arguments(text):
    table = dict(re.findall(r"^\| `(atelier_\w+)\((.*?)\)`", text, re.MULTILINE))
    specs = {name: ", ".join(list(inspect.signature(f).parameters)[1:]) for name, f in vars(Specs).items()
             if name.startswith("atelier_")}
    assert table == specs


def test_the_limits_are_those_of_the_code(text):
    assert f"over {IMPORT_SECONDS:g} s" in text and f"more than {HOOK_SECONDS:g} s" in text


def test_the_manifest_in_the_text_is_a_good_one(text):
    [manifest] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert set(yaml.safe_load(manifest)) == {"name", "version", "summary"}


@pytest.mark.parametrize("row", [
    "a {red|blue} car", "{2$$a|b|c}", "{2$$ and $$a|b|c}", "{3::red|1::blue}", "__colour__",
    "${c=!{red|blue}} a ${c} car, a ${c} hat"])
def test_every_form_of_template_in_the_text_works(text, row, tmp_path):
    assert row.replace("|", "\\|") in text
    hooks = load(checked({"data_dir": tmp_path}))
    request, extra = hooks.image_request(GenerationRequest(prompt=row, seed=1))
    assert request.prompt != row and extra == {"Template": row} and not hooks.faults
