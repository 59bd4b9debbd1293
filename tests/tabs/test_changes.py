"""What changed since the last picture: one chip a difference, prompts by their parts, nobody else's pictures."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pipelines.queue import Job
from pipelines.spec.request import GenerationRequest
from pipelines.words import Words
from tabs.changes import chips, parts_changed

BASE = GenerationRequest(prompt="a red car, in the snow", seed=5, steps=20)
FILES = {0: "day/0.png"}


def studio(*jobs: Job) -> SimpleNamespace:
    return SimpleNamespace(words=Words("en"), queue=SimpleNamespace(jobs=lambda owner: [j for j in jobs if j.owner == owner]))


def job(created: float, files: dict[int, str] = FILES, owner: str = "me", kind: str = "txt2img", **changes: object) -> Job:
    return Job(f"{owner}{created}", BASE.merged(changes), kind, owner=owner, created=created, files=files)


@pytest.mark.parametrize(("changes", "shown"), [
    ({"cfg_scale": 9.0}, ["CFG scale 7 → 9"]), ({"prompt": "a red car, at night"}, ["+ at night", "− in the snow"]),
    ({"negative_prompt": "<b>blur"}, ["Negative prompt: + &lt;b&gt;blur"]),
    ({"steps": 8, "seed": 6}, ["Steps 20 → 8", "Seed 5 → 6"]),
    ({"variation": {"seed": 1, "strength": 0.5}}, ["Variation seed – → 1", "Variation strength – → 0.5"]),
    ({"prompt": "in the snow, a red car"}, ["⇄ in the snow, a red car"])], ids=str)
def test_each_difference_is_a_chip(changes: dict, shown: list[str]) -> None:
    drawn = chips(studio(job(1), job(2, **changes)), job(2, **changes))
    assert [f'<span class="change">{text}</span>' in drawn for text in shown] == [True] * len(shown)
    assert drawn.count("<span") == len(shown) and "Changed since" in drawn


def test_of_a_part_that_was_turned_on_or_off_only_what_was_set_in_it_is_told() -> None:
    plain, larger, usual = job(1), job(2, hires={"scale": 3, "steps": 0}), job(3, hires={})
    for before, now, told in ((plain, larger, "– → 3"), (replace(larger, created=0), plain, "3 → –")):
        drawn = chips(studio(before, now), now)
        assert told in drawn and drawn.count("<span") == 1
    assert chips(studio(plain, usual), usual).count("<span") > 1      # all of it is as usual: then that is told


def test_another_picture_is_told_without_its_hash() -> None:
    before, now = (job(k, init={"image": str(k) * 64}) for k in (1, 2))
    assert "Picture: another one" in chips(studio(before, now), now)


def test_another_tabs_picture_is_not_what_a_picture_is_compared_with() -> None:
    now = job(3, sketch={"lines": "0" * 64, "strokes": ""})
    assert chips(studio(job(1), job(2, init={"image": "1" * 64}), now), now) == ""


def test_it_is_the_same_visitors_last_picture_that_counts() -> None:
    mine, now = job(1, steps=9), job(5)
    others = [job(2, owner="you"), job(3, kind="grid"), job(4, files={})]
    assert "Steps 9 → 20" in chips(studio(mine, *others, now), now)
    assert chips(studio(now), now) == "" and "Same settings" in chips(studio(job(1), now), now)


def test_a_long_part_is_cut() -> None:
    assert parts_changed("", "x" * 100) == ["+ " + "x" * 39 + "…"]
