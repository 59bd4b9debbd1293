"""A studio that other machines may reach: https with a certificate, a login, and no way round either."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import serving, visitor

PATIENCE = 180_000       # ms; two busy cores and a first load of torch


@pytest.fixture
def shared(browser: object, tmp_path: Path) -> Iterator[tuple[Page, str]]:
    """A visitor before the login of a studio behind https, and its address."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl here to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    (tmp_path / "home").mkdir()
    flags = ["--tls-certfile", certificate, "--tls-keyfile", key, "--listen", "--auth", "ann:a long password"]
    with serving(tmp_path / "home", *map(str, flags), scheme="https") as url, visitor(browser, url) as page:
        page.goto(url)
        yield page, url


def test_after_the_login_a_picture_is_painted_over_https(shared: tuple[Page, str]) -> None:
    page, url = shared
    assert httpx.get(f"{url}/config", verify=False).status_code == 401
    log_in(page, "a wrong password")
    page.locator("p.creds").wait_for()      # the refusal empties both fields: what is written before it comes is lost
    expect(page.get_by_role("tab", name="txt2img")).to_have_count(0)
    told: list[str] = []
    page.once("dialog", lambda dialog: (told.append(dialog.message), dialog.accept()))
    page.route("**/login", lambda route: route.fulfill(status=429, json={"error": "Login: try again in 4 s."}))
    with page.expect_response("**/login"):
        log_in(page, "a long password")
    page.unroute("**/login")
    log_in(page, "a long password")
    page.get_by_role("tab", name="txt2img").wait_for(timeout=PATIENCE)
    assert told == ["Login: try again in 4 s."]
    page.locator("#txt2img-steps input[type=number]").fill("2")
    page.locator("#txt2img-prompt textarea").fill("a red car")
    page.locator("#txt2img-generate").click()
    expect(page.locator("#txt2img-results img").first).to_be_visible(timeout=PATIENCE)


def log_in(page: Page, password: str) -> None:
    page.locator("input[type=text], input:not([type])").first.fill("ann")
    page.locator("input[type=password]").fill(password)
    page.locator("button").filter(has_text="Login").click()
