"""What Generate will cost, in a line under it: pictures, time and memory."""

from __future__ import annotations

import html

from pipelines import loopback
from pipelines.spec.errors import StudioError
from pipelines.spec.request import GenerationRequest
from pipelines.studio import Studio
from pipelines.tasks.footprint import gib
from tabs.queue import clock


def told(studio: Studio, request: GenerationRequest) -> str:
    """"4 pictures · about 20 s · about 0.3 GiB of memory", without a time until the model has painted here.

    "" for a tiled upscale: its fold says more.
    """
    words, count = studio.words, loopback.count(request)
    if request.tiled is not None:
        return ""
    try:
        seconds, memory = studio.past.seconds(request), studio.memory(request)
    except StudioError:         # Generate will say what is wrong
        return ""
    said = [words("cost_pictures", count=count)] if count > 1 else []
    said += [words("about_time", time=clock(seconds * count))] if seconds else []
    return html.escape(" · ".join([*said, words("memory_about", size=gib(memory.total))]))
