"""Samplers and schedule types under AUTOMATIC1111's names, on diffusers schedulers. No torch until `build`.

`rows.py` and `schedules.py` are the lists; `choose.py` reads names and builds; `placed.py` lays the levels.
"""

from pipelines.samplers.choose import (
    build,
    call_of_step,
    callback_count,
    canonical,
    check,
    model_calls,
    resolved,
    schedules_for,
    split,
)
from pipelines.samplers.rows import SAMPLERS, Sampler
from pipelines.samplers.schedules import SCHEDULES, Schedule

__all__ = ["SAMPLERS", "SCHEDULES", "Sampler", "Schedule", "build", "call_of_step", "callback_count", "canonical",
           "check",
           "model_calls", "resolved", "schedules_for", "split"]
