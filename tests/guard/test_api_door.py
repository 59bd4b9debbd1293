"""The guard before a REST API: who is let in with what, and how much may be sent. A launched app is asked in test_guard."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from tabs.bodies import API_LIMIT, JSON_LIMIT
from tabs.files import Readable
from tabs.guard import Attempts, Guard, Policy, password_reader
from tests.guard.conftest import basic, told


@pytest.fixture
def door(tmp_path):
    """A guard with a login before one route; `policy` is what it goes by, `now` its clock."""
    now = [0.0]
    policy = Policy(Readable(tmp_path), signed_in=lambda cookies: "good" in cookies, api=True,
                    opens_api=password_reader("jo", "pàss:word"), attempts=Attempts(clock=lambda: now[0]))
    inner = Starlette(routes=[Mount("/sdapi/v1", routes=[Route("/told", told, methods=["POST"])])])
    client = TestClient(Guard(inner, policy), base_url="http://localhost")
    client.policy, client.now = policy, now
    return client


def test_who_knows_the_password_or_has_signed_in_is_let_in(door):
    right = basic("jo", "pàss:word")
    odd = {"authorization": right["authorization"].replace("Basic", "bAsIc ")}
    for headers in (right, odd, basic("jo", "pàss:word", "latin-1"), {"cookie": "good"}):
        assert door.post("/sdapi/v1/told", json={}, headers=headers).status_code == 200


def test_wrong_passwords_are_counted_and_a_right_one_forgives_none(door):
    right, wrong = basic("jo", "pàss:word"), basic("jo", "guess")
    for _ in range(5):
        assert door.post("/sdapi/v1/told", json={}, headers=wrong).status_code == 401
        assert door.post("/sdapi/v1/told", json={}, headers=right).status_code in (200, 429)
    held = door.post("/sdapi/v1/told", json={}, headers=right)
    assert held.status_code == 429 and int(held.headers["retry-after"]) >= 1
    assert door.post("/login", json={}).status_code == 429, "one brake for both doors"
    assert door.post("/sdapi/v1/told", json={}).status_code == 401
    door.now[0] += 2
    assert door.post("/sdapi/v1/told", json={}, headers=right).status_code == 200


def test_a_body_may_hold_pictures_and_no_more(door):
    headers = basic("jo", "pàss:word")
    body = b'{"init_images": ["' + b"A" * JSON_LIMIT + b'"], "path": "/etc/passwd"}'
    sent = {**headers, "content-type": "application/json"}
    assert door.post("/sdapi/v1/told", content=body, headers=sent).json() == len(body)
    assert door.post("/sdapi/v1/told", content=b"", headers={**sent, "content-length": str(API_LIMIT + 1)}).status_code == 413
    assert door.post("/sdapi/v2", content=iter([b" " * 2**20] * (API_LIMIT // 2**20 + 1)), headers=sent).status_code == 413
    door.policy.api = False
    assert door.post("/sdapi/v1/told", content=body, headers={**sent, "cookie": "good"}).status_code == 413
