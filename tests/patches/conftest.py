"""The tiny pipelines of the prompt's tests serve the patches too."""

from __future__ import annotations

from tests.prompt.conftest import sd, sd2, sdxl, tokenizer

__all__ = ["sd", "sd2", "sdxl", "tokenizer"]
