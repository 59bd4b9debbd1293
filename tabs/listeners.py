"""How a handler of a page listens: without a progress veil over what it changes, and without a name in the API."""

from types import MappingProxyType
from typing import Any

QUIET: MappingProxyType[str, Any] = MappingProxyType({"queue": False, "show_progress": "hidden", "api_visibility": "private"})
"""Answers at once and never refuses: polls, counters, small changes of a form."""

SPOKEN: MappingProxyType[str, Any] = MappingProxyType({**QUIET, "queue": True})
"""May refuse. Gradio 6.31 shows the toast of an error only when its handler is queued."""
