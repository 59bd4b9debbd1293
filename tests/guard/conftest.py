"""A small real Gradio app, launched exactly as the studio is, with and without a login."""

from __future__ import annotations

import base64
import os
from types import SimpleNamespace

import httpx
import pytest
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from pipelines.settings import checked
from tabs.environment import prepare_gradio


def tiny(pictures):
    """Handlers with the weak spots: they open what they are told to open."""
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as blocks:
        image, gallery, file, text = gr.Image(type="filepath"), gr.Gallery(type="filepath"), gr.File(), gr.Textbox()
        editor, out, one = gr.ImageEditor(), gr.Textbox(), gr.Gallery()
        gr.Button().click(lambda v: str(v), image, out, api_name="image")
        gr.Button().click(lambda v: str(v), gallery, out, api_name="gallery")
        gr.Button().click(lambda v: str(v), file, out, api_name="file")
        gr.Button().click(lambda v: v, text, out, api_name="text")
        gr.Button().click(lambda: [str(p) for p in pictures], None, one, api_name="pictures")
        blocks.editor_id = editor._id
    return blocks


def basic(user, password, coding="utf-8"):
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode(coding)).decode()}


async def told(request):
    """A route of an API: says how long the body was."""
    return JSONResponse(len(await request.body()))


def serve(folder, api=(), **settings):
    from PIL import Image

    from tabs.launch import launch

    known = checked({"data_dir": folder, "port": 0, **settings})
    prepare_gradio(known)
    known.outputs_dir.mkdir(parents=True, exist_ok=True)
    picture, private = known.outputs_dir / "a.png", folder / "private.png"
    for path in (picture, private):
        Image.new("RGB", (8, 8), (200, 30, 30)).save(path)
    (known.outputs_dir / "page.html").write_text("<script>alert(1)</script>")
    (known.outputs_dir / ".env").write_text("SECRET=1")
    blocks = tiny([picture])
    served = launch(blocks, known, api=api)
    return SimpleNamespace(served=served, settings=known, picture=picture, private=private, url=served.url.rstrip("/"),
                           client=httpx.Client(base_url=served.url, timeout=90, trust_env=False),
                           editor=blocks.editor_id, host=httpx.URL(served.url).netloc.decode())


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """Served to this machine only, without a login."""
    before = dict(os.environ)
    running = serve(tmp_path_factory.mktemp("open"))
    yield running
    running.served.close()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def locked(tmp_path_factory, app):
    """Served to the network, with an API: a login was made up. (One process, so the first app's upload folder.)"""
    folder = tmp_path_factory.mktemp("locked")
    api = [Mount("/sdapi/v1", routes=[Route("/told", told, methods=["POST"]), Route("/list", told, methods=["GET"])])]
    running = serve(folder, api, listen=True, state_dir=str(app.settings.data_dir))
    yield running
    running.served.close()


@pytest.fixture
def ask(app):
    """Run one handler as a browser would: join the queue, read the stream; returns the HTTP status and the outcome."""
    def run(name, *data):
        joined = app.client.post(f"/gradio_api/call/{name}", json={"data": list(data)})
        if joined.status_code != 200:
            return joined.status_code, joined.text
        with app.client.stream("GET", f"/gradio_api/call/{name}/{joined.json()['event_id']}") as stream:
            return 200, "".join(stream.iter_text())
    return run
