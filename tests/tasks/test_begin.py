"""A run that begins part of the way down takes its first step from there, in every family's pipeline."""

from __future__ import annotations

import pytest
import torch

from pipelines.spec.request import GenerationRequest
from pipelines.tasks import text
from pipelines.tasks.begin import Begin
from tests.prompt.conftest import sd, sd2, sdxl, tokenizer

__all__ = ["sd", "sd2", "sdxl", "tokenizer"]


@pytest.mark.parametrize("family", ["sd", "sdxl"])
@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M"])
def test_the_first_step_is_taken_where_the_run_begins(request: pytest.FixtureRequest, family: str, sampler: str) -> None:
    pipe, seen = request.getfixturevalue(family), []
    wanted = GenerationRequest.parse({"prompt": "a red car", "steps": 10, "sampler": sampler, "schedule": "Automatic",
                                      "width": 64, "height": 64})
    before, begin = pipe.scheduler, Begin(torch.zeros(1, 4, 32, 32), 0.3)
    try:
        made = text.paint(pipe, [wanted], lambda *_: seen.append(pipe.scheduler.step_index), begin=begin)
    finally:
        pipe.scheduler = before
        vars(pipe).pop("prepare_latents", None)
    assert seen == [8, 9, 10] and made.isfinite().all()
