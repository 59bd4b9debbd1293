"""The guard before a real Gradio app: every gap that was found open is closed, and the page still works."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest

from tabs.bodies import LAYERS
from tabs.guard import Attempts, host_name
from tests.guard.conftest import basic

EVIL = "https://evil.example"


def cross_site(**more):
    return {"sec-fetch-site": "cross-site", **more}


def test_the_page_and_a_handler_work(app, ask):
    page = app.client.get("/")
    assert page.status_code == 200 and "gradio" in page.text
    assert ask("text", "hello")[1].endswith('data: ["hello"]\n\n')


def test_every_answer_carries_the_safety_headers(app):
    for path in ("/", "/config", "/gradio_api/info", "/no-such-page", "/theme.css"):
        headers = app.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'self'" in headers["content-security-policy"]


# -- finding 7: Host and Origin ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "192.168.1.5:7860", "abc.gradio.live", "127.0.0.1.evil.example", "",
                                  "localhost.evil.example:7860", "2130706433", "[::2]:7860"])
def test_a_host_that_is_not_ours_is_refused(app, host):
    answer = app.client.get("/config", headers={"host": host})
    assert answer.status_code in (400, 403) and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7860", "127.0.0.1", "[::1]:80"])
def test_every_name_of_this_machine_is_answered(app, host):
    assert app.client.get("/config", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/cancel",
                                  "/gradio_api/component_server", "/gradio_api/call/text", "/login", "/logout"])
@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:1", "http://127.0.0.1"])
def test_another_origin_changes_and_reads_nothing(app, method, path, origin):
    headers = {"origin": origin, "access-control-request-method": "POST"}
    answer = app.client.request(method, path, headers=headers)
    assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(("path", "headers", "status"), [
    ("/", cross_site(**{"sec-fetch-mode": "navigate"}), 200),
    ("/logout", cross_site(**{"sec-fetch-mode": "navigate"}), 403),
    ("/pictures/a.png", cross_site(**{"sec-fetch-mode": "no-cors"}), 403),
    ("/config", {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403),
    ("/config", {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, 200),
    ("/config", {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
], ids=["a-link-here", "log-out-by-link", "our-picture-there", "other-port", "our-page", "typed-address"])
def test_another_site_may_link_here_and_no_more(app, path, headers, status):
    assert app.client.get(path, headers=headers).status_code == status


def test_our_own_page_may_post(app):
    headers = {"origin": app.url, "sec-fetch-site": "same-origin"}
    assert app.client.post("/gradio_api/call/text", json={"data": ["x"]}, headers=headers).status_code == 200


@pytest.mark.parametrize(("kind", "body"), [
    ("text/plain", b'{"data":["x"]}'), ("application/x-www-form-urlencoded", b"data=x"), ("", b'{"data":["x"]}'),
    ("multipart/form-data; boundary=b", b"--b--"), ("application/jsonx", b"{}")])
def test_a_body_that_a_plain_form_could_post_is_refused(app, kind, body):
    answer = app.client.post("/gradio_api/call/text", content=body, headers={"content-type": kind} if kind else {})
    assert answer.status_code == 415 and "application/json" in answer.json()["detail"]


# -- findings 1, 2, 9: files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["image", "gallery", "file"])
@pytest.mark.parametrize("form", ["bare", "meta", "nested", "twice"])
def test_no_handler_can_be_made_to_open_a_private_picture(app, ask, kind, form):
    path = {"path": str(app.private)}
    data = {"bare": path, "meta": {**path, "meta": {"_type": "gradio.FileData"}}, "nested": [{"image": path}],
            "twice": path}[form]
    if form == "twice":
        body = '{"data":[{"path":' + json.dumps(str(app.private)) + ',"path":""}]}'
        answer = app.client.post(f"/gradio_api/call/{kind}", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 403
    else:
        assert ask(kind, data)[0] == 403


@pytest.mark.parametrize("path", ["/etc/hostname", "/etc/passwd", "{home}/settings.json", "{outputs}/../private.png",
                                  "{outputs}/page.html", "{outputs}/.env", "relative.png", "file:///etc/passwd",
                                  "http://169.254.169.254/", "https://example.com/a.png", "\\\\host\\share\\a.png",
                                  "C:\\windows\\win.ini", "/windows/win.ini", "{uploads}/../queue.sqlite", "/", "a\0b",
                                  "{outputs}/" + "a" * 5000 + ".png"], ids=lambda p: p[:30])
def test_no_path_leads_outside(app, ask, path):
    path = path.format(home=app.settings.home, outputs=app.settings.outputs_dir, uploads=app.settings.uploads_dir)
    assert ask("image", {"path": path})[0] == 403
    for route in ("/gradio_api/file=", "/file=", "/gradio_api/file/"):
        assert app.client.get(route + path.replace("\0", "%00")).status_code in (403, 404)


@pytest.mark.parametrize("route", [
    "/file=/tmp/gradio/../../etc/passwd", "/gradio_api/file=..%2f..%2fetc%2fpasswd", "/gradio_api/file=%2Fetc%2Fpasswd",
    "/gradio_api/file=http://127.0.0.1/", "/gradio_api/file=https%3A%2F%2Fexample.com",
    "/gradio_api/proxy=https://a.hf.space/", "/gradio_api/proxy=http://localhost/", "/pictures/../private.png",
    "/pictures/%2e%2e/private.png", "/pictures//etc/passwd",
    "/pictures/page.html", "/pictures/.env", "/pictures/a.png%00.html", "/pictures/",
    f"/pictures/{'x' * 300}.png"], ids=lambda r: r[:40])
def test_no_download_leads_outside(app, route):
    answer = httpx.Client(base_url=app.url, trust_env=False).get(route)
    assert answer.status_code in (403, 404) and "root:" not in answer.text and "SECRET" not in answer.text


def test_a_link_in_the_outputs_does_not_lead_outside(app):
    link = app.settings.outputs_dir / "link.png"
    link.symlink_to(app.private)
    assert app.client.get("/pictures/link.png").status_code == 404
    assert app.client.get(f"/gradio_api/file={link}").status_code == 403


UPLOADS = {
    "parent": "../../x.html", "absolute": "/etc/x.html", "Windows": "..\\..\\x.html", "NUL": "a\0b.png", "long": "x" * 300 + ".png",
    "long in bytes": "ю" * 200 + ".png", "NFD": "cafe\u0301.png", "dots": "...", "nothing": "", "device": "CON.png",
}


@pytest.mark.parametrize("name", UPLOADS.values(), ids=UPLOADS)
def test_an_upload_lies_among_the_uploads_whatever_it_is_called(app, name):
    body = (b'--B\r\nContent-Disposition: form-data; name="files"; filename="' + name.encode()
            + b'"\r\nContent-Type: image/png\r\n\r\nx\r\n--B--\r\n')
    sent = app.client.post("/gradio_api/upload", content=body, headers={"content-type": "multipart/form-data; boundary=B"})
    [path] = sent.json()
    assert Path(path).read_bytes() == b"x" and Path(path).resolve().parent.parent == app.settings.uploads_dir.resolve()


def test_an_upload_can_be_used_and_comes_back_unrun(app, ask):
    sent = app.client.post("/gradio_api/upload", files={"files": ("x.html", b"<script>alert(1)</script>", "text/html")})
    [path] = sent.json()
    assert path in ask("file", {"path": path, "meta": {"_type": "gradio.FileData"}})[1]
    back = app.client.get(f"/gradio_api/file={path}")
    assert back.status_code == 200 and "attachment" in back.headers["content-disposition"]
    assert "sandbox" in back.headers["content-security-policy"]


def test_pictures_are_served_where_they_lie_with_one_of_four_types(app, ask):
    assert str(app.picture) in ask("pictures")[1]
    for route in (f"/gradio_api/file={app.picture}", "/pictures/a.png"):
        answer = app.client.get(route)
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    copies = [p for p in app.settings.uploads_dir.rglob("*") if p.name == "a.png"]
    assert not copies


def test_several_ranges_at_once_are_answered(app):
    answer = app.client.get(f"/gradio_api/file={app.picture}", headers={"range": "bytes=0-3,5-9"})
    assert answer.status_code == 200 and answer.content == app.picture.read_bytes()


def test_the_upload_folder_is_the_owners_alone(app):
    assert app.settings.uploads_dir.stat().st_mode & 0o777 == 0o700


# -- findings 5, 8 and bodies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("index", "status"), [
    ("0", 200), (str(LAYERS), 200), ("null", 200), (str(LAYERS + 1), 403), ("20000000", 403), ("2_000", 403),
    ("-1", 403), ("٣٣٣٣", 403), (" 99", 403), ("9" * 4000, 403)])
def test_the_picture_editor_takes_a_bounded_number_of_layers(app, index, status):
    form = {"component_id": str(app.editor), "session_hash": "s", "fn_name": "accept_blobs", "type": "layer",
            "index": index, "id": "i"}
    answer = app.client.post("/gradio_api/component_server", data=form, files={"file": ("b", b"x", "image/png")})
    assert answer.status_code == status


def test_a_layer_number_in_json_is_bounded_too(app):
    body = {"component_id": app.editor, "session_hash": "s", "fn_name": "accept_blobs", "data": {"index": 10**9}}
    assert app.client.post("/gradio_api/component_server", json=body).status_code == 403


def test_nobody_skips_the_queue(app):
    assert app.client.post("/gradio_api/run/text", json={"data": ["x"]}).status_code in (401, 403, 404)


@pytest.mark.parametrize(("body", "status"), [
    (b'{"data": ["' + b"a" * 30_000_000 + b'"]}', 413), (b"[" * 200_000, 400), (b'{"data": ["x"', 400),
    (b"\xff\xfe\xfa", 400), (b"", 400), (b'{"data":["\xc3\x28"]}', 400)],
    ids=["30-MB", "deep", "cut", "no-text", "empty", "utf-8"])
def test_a_body_that_is_no_request_gets_one_line(app, body, status):
    answer = app.client.post("/gradio_api/call/text", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status and answer.json()["detail"].startswith("Request: ")


def test_a_large_body_of_unknown_length_is_refused(app):
    def endless():
        for _ in range(200):
            yield b'"' + b"a" * 100_000
    answer = app.client.post("/gradio_api/call/text", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "abc", "9" * 30, "1e3"])
def test_a_wrong_length_is_refused(app, length):
    line = f"POST /gradio_api/call/text HTTP/1.1\r\nHost: {app.host}\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(app.host.rpartition(":")[2])), 10) as raw:
        raw.sendall(line.encode())
        assert raw.recv(100).split()[1] in (b"400", b"413")


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/monitoring", "/monitoring/summary",
                                  "/gradio_api/vibe-code", "/gradio_api/dev/reload", "/gradio_api/mcp"])
def test_what_the_studio_does_not_use_is_closed(app, path):
    assert app.client.get(path).status_code in (401, 403, 404)


# -- finding 6: the login ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [
    "/config", "/gradio_api/info", "/gradio_api/app_id", "/gradio_api/runs", "/gradio_api/heartbeat/x",
    "/gradio_api/user", "/gradio_api/token", "/pictures/a.png", "/gradio_api/queue/status", "/gradio_api/openapi.json",
    "/sdapi/v1/progress", "/gradio_api/stream/a/b/c/playlist.m3u8", "/docs", "/openapi.json", "/logout",
    "/gradio_api/queue/data?session_hash=x"])
@pytest.mark.parametrize("cookie", ["", "access-token-x=y", "access-token-unsecure-=; a=b"], ids=["none", "odd", "bad"])
def test_without_a_login_nothing_is_answered(locked, path, cookie):
    answer = httpx.get(locked.url + path, headers={"cookie": cookie} if cookie else {}, trust_env=False)
    assert answer.status_code in (401, 404) and len(answer.content) < 200


@pytest.mark.parametrize(("route", "body"), [
    ("call/nope", {"data": []}), ("call/%00", {"data": []}), ("run/nope", {"data": []}),
    ("queue/join", {"data": [], "fn_index": 99999, "session_hash": "a"}),
    ("queue/join", {"data": [], "fn_index": -1, "session_hash": "a"}),
    ("component_server", {"data": {}, "component_id": 99999, "fn_name": "ask", "session_hash": "a"})])
def test_a_function_nobody_knows_is_not_found(app, route, body):
    got = app.client.post(f"/gradio_api/{route}", json=body)
    assert got.status_code == 404 and got.json()["detail"] == "Request: the studio has no such function. Reload the page."


@pytest.mark.parametrize("path", [
    "/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset", "/gradio_api/upload",
    "/gradio_api/component_server", "/gradio_api/call/text", "/gradio_api/run/text"])
def test_without_a_login_nothing_is_changed(locked, path):
    assert httpx.post(locked.url + path, json={}, trust_env=False).status_code == 401


def test_the_login_page_itself_is_shown(locked):
    page = httpx.get(locked.url + "/", trust_env=False)
    assert page.status_code == 200 and '"auth_required":true' in page.text.replace(" ", "")
    assert '"components":[],"dependencies":[]' in page.text


def test_the_made_up_password_opens_and_a_wrong_one_makes_wait(locked):
    user, password = locked.served.login
    assert len(password) >= 12
    with httpx.Client(base_url=locked.url, trust_env=False) as client:
        assert client.get("/config").status_code == 401
        answers = [client.post("/login", data={"username": user, "password": f"guess{i}"}) for i in range(8)]
        wrong = [answer.status_code for answer in answers]
        assert wrong[:5] == [400] * 5 and set(wrong[5:]) == {429}
        assert answers[5].json()["error"].startswith("Login: too many wrong passwords. Try again in ")
        assert int(answers[5].headers["retry-after"]) >= 1
        locked.served.policy.attempts.wrong.clear()
        assert client.post("/login", data={"username": user, "password": password}).status_code == 200
        assert client.get("/config").status_code == 200 and client.get("/pictures/a.png").status_code == 200


def test_on_the_network_addresses_are_answered_and_other_names_are_not(locked):
    for host, status in (("192.168.1.5:7860", 200), ("[fe80::1]:7860", 200), ("evil.example", 403)):
        assert httpx.get(locked.url + "/", headers={"host": host}, trust_env=False).status_code == status


def test_the_wait_after_wrong_passwords_doubles_to_a_minute_and_ends_with_a_right_one():
    now = [0.0]
    attempts = Attempts(clock=lambda: now[0])
    waits = []
    for _ in range(14):
        attempts.note("a", False)
        waits.append(attempts.wait("a"))
        now[0] += waits[-1]
    assert waits[:4] == [0, 0, 0, 0] and waits[4:11] == [1, 2, 4, 8, 16, 32, 60] and attempts.wait("b") == 0
    attempts.note("a", True)
    assert attempts.wait("a") == 0


def test_the_wait_after_wrong_passwords_outlasts_any_number_of_them():
    attempts = Attempts(clock=lambda: 0.0)
    for _ in range(1100):       # 2^1024 is no float any more
        attempts.note("a", False)
    assert attempts.wait("a") == 60 and attempts.wrong["a"][0] == 1100


@pytest.mark.parametrize(("host", "name"), [("Localhost:7860", "localhost"), ("[::1]:7860", "::1"), ("::1", "::1"),
                                            ("a.b", "a.b"), ("10.0.0.1:1", "10.0.0.1")])
def test_a_host_header_gives_its_name(host, name):
    assert host_name(host) == name


# -- the REST API ------------------------------------------------------------------------------------------------------


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
def test_a_body_of_the_api_that_a_plain_form_could_post_is_refused(locked, kind):
    answer = locked.client.post("/sdapi/v1/told", content=b"{}", headers={**basic(*locked.served.login), "content-type": kind})
    assert answer.status_code == 415
