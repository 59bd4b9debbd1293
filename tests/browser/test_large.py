"""A picture of 8192×8192 in the gallery: shown as a smaller copy, the file itself fetched only by Download."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page

from bench.stall import LARGE, filled, gallery, opened
from pipelines.archive.thumbnails import VIEW_SIDE
from tests.browser.conftest import serving, visitor


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    home = tmp_path_factory.mktemp("large")
    return home, filled(home)


@pytest.fixture
def looking(files: tuple[Path, list[str]], browser: object) -> Iterator[Page]:
    with serving(files[0]) as url, visitor(browser, url) as page:
        gallery(page, url)
        yield page


def test_the_largest_picture_is_viewed_as_a_copy_and_downloaded_as_it_is(looking: Page, files: tuple[Path, list[str]],
                                                                       tmp_path: Path) -> None:
    name = Path(files[1][1]).name
    seen = opened(looking, 0, VIEW_SIDE)
    assert seen.width == VIEW_SIDE and not [url for url in seen.asked if url.endswith(name)], "the file itself was fetched"
    with looking.expect_download(timeout=240_000) as download:
        looking.locator("#gallery-download").click()
    download.value.save_as(tmp_path / "whole.png")
    with Image.open(tmp_path / "whole.png") as whole:
        assert whole.size == (LARGE, LARGE)
