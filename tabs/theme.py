"""How the studio looks: one theme of system fonts (nothing is fetched), one style sheet, and the scripts of every page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.spec.param import declared, param_of
from pipelines.spec.parts import ControlUnit
from pipelines.spec.request import GenerationRequest
from pipelines.words import Words

ASSETS = Path(__file__).parent / "assets"


def theme() -> gr.themes.Base:
    """Warm paper by day, charcoal by night, one vermilion accent; whatever is read keeps 4.5:1 against what lies behind it."""
    sans = ("ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
    mono = ("ui-monospace", "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", "monospace")
    accent = gr.themes.Color("#fff4f0", "#ffe4db", "#ffc7b6", "#fda288", "#f47d5c", "#e2593a", "#bd4027", "#a63822",
                             "#87301f", "#6f2b1e", "#3c130b", name="vermilion")
    paper = gr.themes.Color("#fbfaf8", "#f4f2ee", "#e8e4dd", "#d5cfc5", "#a8a198", "#6b645c", "#5d5751", "#453f3b",
                            "#2b2724", "#1d1a18", "#141210", name="paper")
    return gr.themes.Base(
        primary_hue=accent, secondary_hue=accent, neutral_hue=paper, font=sans, font_mono=mono,
        radius_size=gr.themes.sizes.radius_md, spacing_size=gr.themes.sizes.spacing_sm, text_size=gr.themes.sizes.text_md,
    ).set(
        body_background_fill="*neutral_100", body_background_fill_dark="*neutral_950",
        block_background_fill="white", block_background_fill_dark="*neutral_900",
        block_border_width="0px", block_shadow="none", block_radius="12px", block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_400", block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_300", block_title_text_weight="500",
        button_primary_background_fill="*primary_600", button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600", button_primary_background_fill_hover_dark="*primary_700",
        button_primary_text_color="white", input_background_fill="*neutral_50", input_background_fill_dark="*neutral_800",
        input_border_color="*neutral_300", input_border_color_dark="*neutral_700", input_border_width="1px",
        button_border_width="0px", button_border_width_dark="0px", checkbox_label_border_width="0px",
        checkbox_label_border_width_dark="0px", checkbox_border_color="*neutral_400", checkbox_border_color_dark="*neutral_500",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400", input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400", slider_color="*primary_500",
        slider_color_dark="*primary_500",
        button_secondary_background_fill_dark="*neutral_700", button_secondary_background_fill_hover_dark="*neutral_600",
        checkbox_label_background_fill_dark="*neutral_800", checkbox_label_background_fill_hover_dark="*neutral_700",
        checkbox_label_background_fill_selected_dark="*neutral_700",
    )


def look(words: Words) -> dict[str, Any]:
    """What `launch` hands to Gradio."""
    return {"theme": theme(), "css": css(), "js": script(words)}


def css() -> str:
    return (ASSETS / "studio.css").read_text(encoding="utf-8")


def script(words: Words) -> str:
    """What the page runs as it opens: what forms held, keys, completion (its list is still there when Esc asks for one), help."""
    run = {"kept": "", "studio": "", "complete": "", "tips": json.dumps(helps(words), ensure_ascii=False)}
    calls = (f"({(ASSETS / f'{name}.js').read_text(encoding='utf-8').strip()})({given});" for name, given in run.items())
    return f"() => {{ {' '.join(calls)} }}"


def helps(words: Words) -> dict[str, str]:
    """One sentence on what each field does: "hires-steps", "control-weight" of a unit, "paint-tile" of the upscale tab.

    What is no field of a request says it among the words: `help_hires` of a switch, `help_upscale_by` of one tab's own field.
    """
    units = {f"control.{name}": param.help for name in ControlUnit.model_fields if (param := param_of(ControlUnit, name))}
    said = {row.path: words.help(row.path) for row in declared(GenerationRequest)}
    said |= {path: words.help(path, english) for path, english in units.items()}
    said |= {path.replace("tiled.", "paint."): text for path, text in said.items() if path.startswith("tiled.")}
    said |= {name.removeprefix("help_"): words(name) for name in words.names() if name.startswith("help_")}
    return {path.replace(".", "-").replace("_", "-"): text for path, text in said.items()}
