"""docs/command-line.md names every flag of the settings, and its A1111 flags are in the table of the code."""

from __future__ import annotations

import re
import shlex

import pytest

from pipelines.cli.flags import parse
from pipelines.cli.foreign import FOREIGN
from pipelines.settings import by_key


@pytest.fixture(scope="module")
def text(root):
    return (root / "docs" / "command-line.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", by_key())
def test_every_setting_is_in_the_text(text, key):
    assert f"`--{key.replace('_', '-')}`" in text


def test_every_example_line_is_understood(text):
    blocks = "\n".join(re.findall(r"```\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    lines = [line.partition("python app.py")[2] for line in blocks.splitlines() if "python app.py" in line]
    understood = [parse(shlex.split(line.partition("   ")[0]), {}) for line in lines if "…" not in line]
    assert len(understood) >= 6 and {"studio", "generate", "doctor", "preprocess"} <= {order.command for order in understood}


def test_the_foreign_flags_of_the_text_are_known(text):
    last = text.partition("## Flags of AUTOMATIC1111")[2]
    named = set(re.findall(r"--[a-z-]+", last))
    ours = {"--" + key.replace("_", "-") for key in by_key()}
    assert named and named <= set(FOREIGN) | ours
