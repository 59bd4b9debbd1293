"""Four expressions of Gradio 6.31's page, mended while it is served.

When an event ends the page marks it as a stream that was closed, whether it was a stream or not, and therefore keeps a progress
state for each of its inputs. Every later event tells all of these that nothing has happened, and each telling searches the whole
page: with forms as long as ours three hundred searches a keystroke. Where an event fails Gradio's own code asks first, as here.

While the page opens every component looks through all events for its own, 1,400 times 700: they are sorted once here.
And whoever asks a component for its value searches the page for it, also where the component itself was asked already.

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
    Mend("core-*.js",
         "let n=t.filter(t=>t.targets.find(([t])=>t===e.id)).map(t=>{let n=t.targets.find(([t])=>t===e.id);return n?n[1]:null})"
         ".filter(Boolean);return e.props.shared_props.attached_events=n,e",
         "if(this.sorted!==t||this.count!==t.length){this.sorted=t,this.count=t.length,this.events=new Map;for(let n of t){"
         "let r=new Map(n.targets.toReversed());for(let[t,n]of r)n&&this.events.set(t,[...this.events.get(t)||[],n])}}"
         "return e.props.shared_props.attached_events=[...this.events.get(e.id)||[]],e"),
    Mend("Blocks-*.js", "if(s.stage===`complete`){n=`closed`,",
         "if(s.stage===`complete`){r.connection_type===`stream`&&(n=`closed`),"),
    Mend("core-*.js", "let t=this.#s.get(e),n=Z(this.root,e);return!t&&!n?null:t?await t():n?",
         "let t=this.#s.get(e),n=t?null:Z(this.root,e);return!t&&!n?null:t?await t():n?"),
    Mend("Login-*.js", "n.status===400?", "n.status===429?alert((await n.json()).error):n.status===400?"),
)


def mended() -> MappingProxyType[str, bytes]:
    """Scripts of the page by file name, as they should be; without those in which this Gradio has no such expression."""
    found: dict[str, str] = {}
    for mend in MENDS:
        for path in SCRIPTS.glob(mend.scripts):
            text = found.get(path.name) or path.read_text("utf-8")
            if mend.wrong in text:
                found[path.name] = text.replace(mend.wrong, mend.right)
    return MappingProxyType({name: text.encode() for name, text in found.items()})


def routes() -> list[Route]:
    """To be asked before Gradio's own."""
    return [Route(f"/assets/{name}", serving(script), methods=["GET"]) for name, script in mended().items()]


def serving(script: bytes) -> object:
    def serve(_: Request) -> Response:
        return Response(script, media_type="text/javascript")

    return serve
