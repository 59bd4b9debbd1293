"""The REST API behind the guard of a really launched app: who is let in, with what, and that it is not there unasked."""

from __future__ import annotations

import base64

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from tabs.bodies import API_LIMIT, JSON_LIMIT
from tabs.files import Readable
from tabs.guard import Attempts, Guard, Policy, password_reader
from tests.guard.conftest import told


def basic(user, password, coding="utf-8"):
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode(coding)).decode()}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/sdapi/v1/txt2img", "/sdapi/v1/options", "/sdapi/v1/progress", "/controlnet/model_list"])
def test_without_the_flag_there_is_none(app, method, path):
    body = {"json": {}} if method == "POST" else {}
    assert app.client.request(method, path, **body).status_code == 404


def test_the_login_opens_it_to_programs(locked):
    login = locked.served.login
    assert locked.client.post("/sdapi/v1/told", json={}, headers=basic(*login)).json() == 2
    assert locked.client.get("/sdapi/v1/list", headers=basic(*login)).status_code == 200
    assert locked.client.get("/sdapi/v1/told", headers=basic(*login)).status_code == 405
    assert locked.client.get("/config", headers=basic(*login)).status_code == 401, "the page has its own login"


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"authorization": "Basic"}, {"authorization": "Basic ???"},
                                     {"authorization": "Bearer x"}, basic("", ""), basic("atelier", "")], ids=str)
def test_nobody_else_is_let_in(locked, headers):
    locked.served.policy.attempts.wrong.clear()
    for method, name in (("GET", "list"), ("POST", "told"), ("POST", "no-such")):
        answer = locked.client.request(method, f"/sdapi/v1/{name}", json={}, headers=headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Basic ")
    locked.served.policy.attempts.wrong.clear()


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"},
                                     {"sec-fetch-site": "cross-site"}], ids=str)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_another_site_is_not_let_in_with_the_right_password(locked, headers, method):
    answer = locked.client.request(method, "/sdapi/v1/told", json={}, headers={**basic(*locked.served.login), **headers})
    assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_a_body_that_a_plain_form_could_post_is_refused(locked, kind):
    answer = locked.client.post("/sdapi/v1/told", content=b"{}", headers={**basic(*locked.served.login), "content-type": kind})
    assert answer.status_code == 415


# -- the guard alone ---------------------------------------------------------------------------------------------------


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
