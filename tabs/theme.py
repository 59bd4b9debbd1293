"""How the studio looks: one theme of system fonts (nothing is fetched) and one style sheet."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

ASSETS = Path(__file__).parent / "assets"


def theme() -> gr.themes.Base:
    """Warm paper by day, charcoal by night, one vermilion accent."""
    sans = ("ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
    mono = ("ui-monospace", "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", "monospace")
    accent = gr.themes.Color("#fff4f0", "#ffe4db", "#ffc7b6", "#fda288", "#f47d5c", "#e2593a", "#c9462a", "#a63822",
                             "#87301f", "#6f2b1e", "#3c130b", name="vermilion")
    paper = gr.themes.Color("#fbfaf8", "#f4f2ee", "#e8e4dd", "#d5cfc5", "#a8a198", "#7d766e", "#5d5751", "#453f3b",
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
        button_primary_background_fill="*primary_500", button_primary_background_fill_hover="*primary_600",
        button_primary_background_fill_dark="*primary_600", button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white", input_background_fill="*neutral_50", input_background_fill_dark="*neutral_800",
        input_border_color="*neutral_200", input_border_color_dark="*neutral_700", slider_color="*primary_500",
        slider_color_dark="*primary_500",
        button_secondary_background_fill_dark="*neutral_700", button_secondary_background_fill_hover_dark="*neutral_600",
        checkbox_label_background_fill_dark="*neutral_800", checkbox_label_background_fill_hover_dark="*neutral_700",
        checkbox_label_background_fill_selected_dark="*neutral_700",
    )


def css() -> str:
    return (ASSETS / "studio.css").read_text(encoding="utf-8")


def script() -> str:
    return (ASSETS / "studio.js").read_text(encoding="utf-8")
