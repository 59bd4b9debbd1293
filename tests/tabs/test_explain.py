"""The explainer's panel: tokens with weights, troubles first, nothing typed becomes markup."""

from __future__ import annotations

from pathlib import Path

from pipelines.prompt.explain import Known, explain
from pipelines.words import Words
from tabs.explain import page

WORDS = Words("en")


def test_what_is_typed_is_escaped_everywhere() -> None:
    text = "<img src=x onerror=1> [<b>:<i>:0.5] <lora:<u>:1> (<s>:1.2) AND <p>"
    shown = page(explain(text, 0, 4, known=Known(tokens=lambda words: [(1, words)])), WORDS)
    assert not any(f"<{tag}" in shown for tag in ("img", "b>", "i>", "s>", "lora"))


def test_weights_steps_parts_and_troubles_are_shown() -> None:
    shown = page(explain("a (red:1.3) [cat:dog:0.5] AND snow :0.5 <lora:no:1> <region:0,0,1,0.5>"
                         " AND b <region:0,0,7,1>", 0, 4), WORDS)
    for text in ("<sub>1.3</sub>", "From step 3: a red dog", "Prompt 2, weight 0.5 · &lt;region:0,0,1,0.5&gt;",
                 "LoRA: no - not found", "Prompt: &lt;region:0,0,7,1&gt; - &#x27;7&#x27; is not a share"):
        assert text in shown, text


def test_a_huge_prompt_makes_a_bounded_page() -> None:
    assert len(page(explain("(a b c:1.1) [x|y] " * 20_000, 0, 3), WORDS)) < 200_000


def test_words_are_in_both_languages(root: Path) -> None:
    keys = [{line.split(":")[0] for line in (root / "presets" / "words" / f"{name}.yaml").read_text().splitlines()
             if line.startswith("  explain_")} for name in ("en", "uk")]
    assert keys[0] == keys[1] and len(keys[0]) >= 8
