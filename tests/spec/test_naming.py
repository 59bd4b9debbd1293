"""Names of pictures: a pattern becomes a path that every disk takes, whatever the prompt holds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import settings
from pipelines.spec.errors import FieldError, RequestError
from pipelines.spec.naming import LONGEST, PATTERN, TOKENS, check, named
from pipelines.spec.request import GenerationRequest

NOW = datetime(2026, 11, 28, 7, 5, 9)
REQUEST = GenerationRequest(
    prompt="a (red car:1.2), in <lora:snow:1> the [deep|soft] snow/ice, at night", seed=42, steps=30, cfg_scale=6.5,
    sampler="Euler a", model="anime/foo", model_hash="6ce0161689", styles=("Comic", "Ink"))

NAMES = {
    PATTERN: "2026-11-28/[number]-42",
    "[model_name] [model_hash]/[sampler]_[steps]_[cfg]_[clip_skip]": "anime_foo 6ce0161689/Euler a_30_6.5_1",
    "[prompt_words]": "a red car in the deep soft snow_ice",
    "[width]x[height] [styles] [scheduler]": "256x256 Comic, Ink Automatic",
    "[datetime<%Y/%m>]/[time] [datetime]": "2026_11/070509 20261128070509",
    "../[denoising]/ .hidden./[number]": "hidden/[number]", "": "[number]", "con/NUL.txt": "_con/_NUL.txt",
    r"a:b\c": "a_b_c", "[date]/": "2026-11-28/[number]",
}  # fmt: skip


@pytest.mark.parametrize(("pattern", "path"), NAMES.items(), ids=[ascii(p) for p in NAMES])
def test_a_pattern_says_what_the_request_holds(pattern: str, path: str) -> None:
    assert named(check(pattern), REQUEST, NOW) == path


def test_a_picture_of_another_program_has_only_its_time() -> None:
    assert named("[date]/[number]-[seed] [model_name]", None, NOW) == "2026-11-28/[number]-upscaled"


@pytest.mark.parametrize("pattern", ["[sed]", "[seed<%Y>]", "[seed", "seed]", "[number]/[seed]", "[]"])
def test_what_no_name_can_be_made_of_is_refused_in_one_line(pattern: str) -> None:
    with pytest.raises(FieldError, match="Filename pattern"):
        check(pattern)
    with pytest.raises(RequestError, match="Filename pattern"):
        settings.checked({"filename_pattern": pattern})


@given(st.text(max_size=400), st.sampled_from([f"[{token}]" for token in TOKENS]))
def test_no_prompt_leads_out_of_the_folder_or_off_the_disk(prompt: str, token: str) -> None:
    try:
        request = GenerationRequest.parse({"prompt": prompt, "model": prompt[:100], "styles": (prompt[:50],)})
    except (FieldError, RequestError):
        return
    path = named(f"a/{token}/b [prompt] [number][prompt]" if token != "[number]" else "[prompt]/[number]", request, NOW)
    assert not Path(path).is_absolute() and "\\" not in path and ":" not in path
    for part in path.split("/"):
        assert part and part[0] not in ". " and part[-1] not in ". " and len(part.encode()) < 2 * LONGEST + 30
