"""Tests of presets, styles and words."""
