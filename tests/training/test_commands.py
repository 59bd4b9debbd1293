"""The makers' command line: `all` names real stages in a possible order and hands out all of its minutes."""

import subprocess

import pytest

from pipelines.training.mini import __main__ as makers
from pipelines.training.mini.conditions import CONDITIONS


def test_all_spends_its_minutes_and_nothing_is_left_out():
    assert sum(share for _, share in makers.WHOLE) == pytest.approx(1)
    stages = [stage for stage, _ in makers.WHOLE]
    for part in ("upscaler2", "upscaler4", "estimators", "clip", *(f"controlnet --kind {kind}" for kind in CONDITIONS)):
        assert part in stages
    assert stages.index("base") < stages.index("controlnet --kind canny") < stages.index("export") < stages.index("score")


def test_all_starts_each_stage_as_a_command_that_is_understood(monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: started.append(command[3:]))
    words = ["all", "--minutes", "100", "--work", str(tmp_path), "--world", "wide", "--chunks", "3", "5", "--count", "8"]
    makers.run_all(makers.parser().parse_args(words))
    read = [makers.parser().parse_args(words) for words in started]
    assert [r.stage for r in read] == [stage.split()[0] for stage, _ in makers.WHOLE]
    assert all(r.world == "wide" and r.minutes > 0 for r in read) and {r.kind for r in read} == set(CONDITIONS)
    assert all(r.chunks == [3, 5] and r.count == 8 for r in read)
