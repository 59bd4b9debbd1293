"""A page that describes itself once tells the browser what Gradio's own would, and knows of what is added later."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import gradio as gr
import pytest
from gradio.blocks import BlocksConfig
from gradio.context import Context

from tabs.described import DescribedOnce


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """The kind of every block that had to describe itself."""
    kinds: list[str] = []
    describe = BlocksConfig.config_for_block

    def noted(number: int, rendered: list[int], block: object, renderable: object = None) -> dict:
        kinds.append(type(block).__name__)
        return describe(number, rendered, block, renderable)

    with patch.object(BlocksConfig, "config_for_block", staticmethod(noted)):
        yield kinds


def page(kind: type[gr.Blocks]) -> gr.Blocks:
    Context.id = 1000       # components are numbered from here, so that two pages can be compared
    with kind(title="Two", analytics_enabled=False) as blocks:
        box, button = gr.Textbox("sea", label="Prompt"), gr.Button("Generate")
        button.click(lambda text: text, box, box)
        blocks.load(lambda: "sea", None, box)
    return blocks


def told(blocks: gr.Blocks) -> dict:
    return {name: value for name, value in blocks.get_config_file().items() if name != "app_id"}


def labels(told: dict) -> list[str]:
    return [component["props"].get("label") for component in told["components"]]


def test_the_browser_is_told_what_gradio_itself_would_tell_it() -> None:
    assert told(page(DescribedOnce)) == told(page(gr.Blocks))


def test_a_block_describes_itself_once_however_often_the_page_is_told(asked: list[str]) -> None:
    blocks = page(DescribedOnce)
    blocks.queue(api_open=False)
    blocks.get_config_file()
    assert asked.count("Textbox") == 1


def test_what_is_added_later_is_told() -> None:
    blocks = page(DescribedOnce)
    before = told(blocks)
    with blocks:
        gr.Slider(label="Steps")
    assert "Steps" not in labels(before) and "Steps" in labels(told(blocks))


def test_what_changes_with_the_launch_is_not_kept() -> None:
    blocks = page(DescribedOnce)
    blocks.max_file_size, blocks.show_error = 64, True
    assert (told(blocks)["max_file_size"], told(blocks)["show_error"]) == (64, True)


def test_hidden_progress_is_shown_on_nothing() -> None:
    with DescribedOnce(analytics_enabled=False) as blocks:
        box, button = gr.Textbox("sea", label="Prompt"), gr.Button("Generate")
        button.click(lambda text: text, box, box, show_progress="hidden")
        box.submit(lambda text: text, box, box)
    quiet, loud = blocks.get_config_file()["dependencies"]
    assert quiet["show_progress_on"] == [], "the page would take the outputs"
    assert loud["show_progress_on"] is None
