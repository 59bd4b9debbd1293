"""Two expressions of Gradio 6.31's page, mended while it is served.

When an event ends the page marks it as a stream that was closed, whether it was a stream or not, and therefore keeps a progress
state for each of its inputs. Every later event tells all of these that nothing has happened, and each telling searches the whole
page: with forms as long as ours three hundred searches a keystroke. Where an event fails Gradio's own code asks first, as here.

The login knows a wrong password (400) and a right one; of the guard's wait after five wrong ones (429) it shows nothing, as if its
button were dead. Here it says the guard's line.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import gradio as gr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SCRIPTS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"


class Mend(NamedTuple):
    """scripts: the pattern of their names."""

    scripts: str
    wrong: str
    right: str


MENDS = (
    Mend("Blocks-*.js", "if(s.stage===`complete`){n=`closed`,",
         "if(s.stage===`complete`){r.connection_type===`stream`&&(n=`closed`),"),
    Mend("Login-*.js", "n.status===400?", "n.status===429?alert((await n.json()).error):n.status===400?"),
)


def mended() -> MappingProxyType[str, bytes]:
    """Scripts of the page by file name, as they should be; without those in which this Gradio has no such expression."""
    found = {path.name: (mend, path.read_text("utf-8")) for mend in MENDS for path in SCRIPTS.glob(mend.scripts)}
    return MappingProxyType({name: text.replace(mend.wrong, mend.right).encode()
                             for name, (mend, text) in found.items() if mend.wrong in text})


def routes() -> list[Route]:
    """To be asked before Gradio's own."""
    return [Route(f"/assets/{name}", serving(script), methods=["GET"]) for name, script in mended().items()]


def serving(script: bytes) -> object:
    def serve(_: Request) -> Response:
        return Response(script, media_type="text/javascript")

    return serve
