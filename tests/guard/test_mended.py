"""The page's script comes mended: it keeps no progress state of inputs."""

from __future__ import annotations

from tabs.mended import RIGHT, SCRIPTS, WRONG, mended


def test_this_gradio_has_the_expression_once():
    [name] = mended()
    assert (SCRIPTS / name).read_text("utf-8").count(WRONG) == 1


def test_the_mended_script_is_what_the_browser_gets_and_otherwise_gradios_own(app):
    [name] = mended()
    got = app.client.get(f"/assets/{name}")
    assert got.status_code == 200 and got.headers["content-type"].startswith("text/javascript")
    assert RIGHT in got.text and got.text.replace(RIGHT, WRONG) == (SCRIPTS / name).read_text("utf-8")
