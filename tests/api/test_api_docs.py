"""docs/api.md: every address it names is there, every address there is named, and its examples are understood."""

from __future__ import annotations

import re

import pytest

from pipelines.api.bodies import asked
from pipelines.api.fields import IDLE, OVERRIDES
from pipelines.api.routes import CONTROLNET, LISTS, OPTIONS, REFRESH, RETRY_S, routes
from tabs.bodies import API_LIMIT, MEGA


@pytest.fixture(scope="module")
def text(root):
    return (root / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_table_of_addresses_is_the_list_of_routes(text, studio):
    table = text.partition("## Addresses")[2].partition("`override_settings` takes")[0]
    rows = re.findall(r"^\| ((?:GET|POST).*?) \|", table, re.M)
    named = {name.rpartition("/")[2] for row in rows for name in re.findall(r"`(.*?)`", row)}
    there = {route.path.strip("/") for mount in routes(studio) for route in mount.routes}
    assert named == there and {*LISTS, *REFRESH, *CONTROLNET} < there


def test_its_words_are_the_codes(text, studio):
    joined = " ".join(text.split())
    assert f"{API_LIMIT // MEGA} MB" in joined and RETRY_S > 0 and set(OPTIONS) < set(OVERRIDES)
    assert all(f"`{name}`" in joined for name in OVERRIDES)
    listed = re.findall(r"`([a-z_]+)(?:…)?`", joined.partition("in `info` under `ignored`:")[2].partition("other extensions")[0])
    known = {"s_": "s_churn", "refiner_": "refiner_checkpoint", "seed_resize_": "seed_resize_from_w"}
    assert len(listed) >= 7
    for name in (known.get(name, name) for name in listed):
        assert asked(studio, {name: 0.37}, {}, False).ignored == (name,) and 0.37 not in IDLE.get(name, ())


def test_a_bad_field_is_answered_as_it_shows(text, client):
    shown = client.asked.post("/sdapi/v1/txt2img", json={"steps": 0}).text
    assert f"`{shown}`" in " ".join(text.split())
