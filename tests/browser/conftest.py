"""A real studio in its own process, and a real Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 180_000      # ms, where a test says nothing else: a machine that gives us a tenth of its processors is only slow
LARGE = {"width": 1440, "height": 1000}
CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


@contextmanager
def serving(home: Path, *flags: str, scheme: str = "http") -> Iterator[str]:
    """`python app.py FLAGS` on a free port with empty folders of its own; killed at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (home / "log.txt").open("wb")
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port), "--data-dir", str(home), *flags], cwd=ROOT,
                              stdout=log, stderr=subprocess.STDOUT, env=dict(os.environ))
    url = f"{scheme}://127.0.0.1:{port}"
    try:
        _wait_for(url, server, home / "log.txt")
        yield url
    finally:
        server.terminate()
        server.wait(60)
        log.close()


@pytest.fixture(scope="session")
def studio_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("browser-home", numbered=False)) as url:
        yield url


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 240      # a tenth of that on a quiet machine
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            if httpx.get(url, timeout=2, verify=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.25)
    pytest.fail(f"the studio did not come up:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: install Debian's `chromium` to run the browser tests")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Visit(ExitStack):
    """Who looks at one studio through the tests of a file; `page` is None before he has come and after he was sent away."""

    page: Page | None = None


@pytest.fixture(scope="module")
def visit(browser: object, studio_url: str) -> Iterator[Visit]:
    with Visit() as one:
        yield one


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: object, studio_url: str, visit: Visit) -> Iterator[Page]:
    """The visitor of this file: opening the page costs more than most tests of it.

    Tab and fields may be as another test of the file left them: a test, or the file's own fixture, sets what it depends on.
    Where a test failed the next has a fresh visitor, so that none fails for another's reason.
    """
    if visit.page is None:
        visit.page = visit.enter_context(visitor(browser, studio_url))
        visit.page.goto(studio_url)
    page, failed = visit.page, request.session.testsfailed
    page.set_viewport_size(LARGE)
    page.get_by_role("tab", name="txt2img").wait_for()
    page.evaluate("() => { scrollTo(0, 0); document.querySelectorAll('.toast-close').forEach((b) => b.click()) }")
    yield page
    if request.session.testsfailed > failed:
        visit.page = None
        visit.close()


@contextmanager
def visitor(browser: object, url: str) -> Iterator[object]:
    """A fresh browser. Every request that leaves this machine is refused and remembered: the page must make none."""
    context = browser.new_context(viewport=LARGE, accept_downloads=True, ignore_https_errors=True)
    strays: list[str] = []

    def only_local(route: object) -> None:
        if route.request.url.startswith((url, "data:", "blob:")):
            route.continue_()
        else:
            strays.append(route.request.url)
            route.abort()

    context.route("**/*", only_local)
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()
    assert not strays, f"the page asked for {strays}"


@pytest.fixture(scope="session")
def drag() -> Callable[..., None]:
    """Draws with the mouse on a canvas: `drag(canvas, (x, y), ...)`, points in shares of it."""

    def through(canvas: Locator, *points: tuple[float, float]) -> None:
        canvas.scroll_into_view_if_needed()
        box, mouse = canvas.bounding_box(), canvas.page.mouse
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        mouse.move(*places[0])
        mouse.down()
        for place in places[1:]:
            mouse.move(*place, steps=3)
        mouse.up()

    return through
