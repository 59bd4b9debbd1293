"""The page's scripts come mended: no progress state of inputs is kept, and the login says why it must wait."""

from __future__ import annotations

import pytest

from tabs.mended import MENDS, SCRIPTS, Mend, mended

each = pytest.mark.parametrize("mend", MENDS, ids=lambda mend: f"{mend.scripts} {mend.wrong[:20]}")


@each
def test_this_gradio_has_the_expression_once(mend: Mend):
    [path] = [SCRIPTS / name for name in mended() if (SCRIPTS / name).match(mend.scripts)]
    assert path.read_text("utf-8").count(mend.wrong) == 1


@each
def test_the_mended_script_is_what_the_browser_gets_and_otherwise_gradios_own(app, mend: Mend):
    [path] = SCRIPTS.glob(mend.scripts)
    got = app.client.get(f"/assets/{path.name}")
    assert got.status_code == 200 and got.headers["content-type"].startswith("text/javascript")
    ours = got.text
    for one in (one for one in MENDS if one.scripts == mend.scripts):
        ours = ours.replace(one.right, one.wrong)
    assert mend.right in got.text and ours == path.read_text("utf-8")
