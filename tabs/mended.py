"""One expression of Gradio 6.31's page, mended while it is served.

When an event ends the page marks it as a stream that was closed, whether it was a stream or not, and therefore keeps a progress
state for each of its inputs. Every later event tells all of these that nothing has happened, and each telling searches the whole
page: with forms as long as ours three hundred searches a keystroke. Where an event fails Gradio's own code asks first, as here.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import gradio as gr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SCRIPTS = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
WRONG = "if(s.stage===`complete`){n=`closed`,"
RIGHT = "if(s.stage===`complete`){r.connection_type===`stream`&&(n=`closed`),"


def mended() -> MappingProxyType[str, bytes]:
    """Scripts of the page by file name, as they should be; empty where this Gradio has no such expression."""
    found = {path.name: path.read_text("utf-8") for path in SCRIPTS.glob("Blocks-*.js")}
    return MappingProxyType({name: text.replace(WRONG, RIGHT).encode() for name, text in found.items() if WRONG in text})


def routes() -> list[Route]:
    """To be asked before Gradio's own."""
    return [Route(f"/assets/{name}", serving(script), methods=["GET"]) for name, script in mended().items()]


def serving(script: bytes) -> object:
    def serve(_: Request) -> Response:
        return Response(script, media_type="text/javascript")

    return serve
