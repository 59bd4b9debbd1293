"""Environment defaults that must stand before any Hugging Face library is imported. No torch; the app's first call."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

# A value the user has set himself wins: these are defaults, not locks.
DEFAULTS = {
    "HF_HUB_OFFLINE": "1",                   # nothing asks a hub; without it a missing file costs a network time-out (P8)
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",     # only this exact word counts
    "TOKENIZERS_PARALLELISM": "false",       # a fork after the first use would warn and may dead-lock
    "OMP_WAIT_POLICY": "PASSIVE",            # threads that wait in a loop make one busy neighbour cost ten times its share
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "DISABLE_SAFETENSORS_CONVERSION": "1",   # transformers would otherwise start a thread that asks a hub
}


def prepare_environment(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set every default that is not set yet. Call it before importing gradio, transformers or diffusers."""
    for name, value in DEFAULTS.items():
        environ.setdefault(name, value)
