"""How the page is served: every Gradio setting that keeps it safe, in one place (docs/security.md has the reasons)."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute

from pipelines.settings import Settings
from pipelines.spec.errors import StudioError
from tabs import mended
from tabs.address import address, credentials, host_names
from tabs.files import PICTURES, Readable
from tabs.guard import Guard, Policy, host_name, password_reader, session_reader

PICTURE_ROUTE = "/pictures/"        # + a picture's name relative to the outputs folder


@dataclass
class Served:
    """A page that is being served. `close()` ends it."""

    blocks: gr.Blocks
    url: str
    share_url: str
    login: tuple[str, str] | None
    login_given: bool
    policy: Policy

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def announce(self) -> None:
        """Say where the page is, and how to get in when a password was made up."""
        print(f"Atelier is open at {self.share_url or self.url}  (Ctrl+C closes it)", flush=True)
        if self.share_url:
            print(f"On this machine: {self.url}", flush=True)
        if self.policy and self.policy.api:
            print(f"The API is under {(self.share_url or self.url).rstrip('/')}/sdapi/v1", flush=True)
        if self.login and not self.login_given:
            print(f"Log in as {self.login[0]} with the password {self.login[1]}", flush=True)

    def after_the_first_visit(self, prepare: Callable[[], object], delay: float = 1.0) -> None:
        """Run `prepare` (which loads torch, seconds of work) once a page is open and has its scripts."""
        def wait_and_prepare() -> None:
            self.policy.visited.wait()
            time.sleep(delay)
            try:
                prepare()
            except Exception as error:      # the first job will meet it again, and tell the user
                logging.getLogger(__name__).info("preparing: %s", error)

        threading.Thread(target=wait_and_prepare, name="prepare", daemon=True).start()

    def close(self) -> None:
        """Stop within a second: open streams of watching browsers would keep the server for longer."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)     # it would report each stream that is cut
        self.blocks.server.config.timeout_graceful_shutdown = 1
        self.blocks.close(verbose=False)


def launch(blocks: gr.Blocks, settings: Settings, look: Mapping[str, Any] | None = None, api: Sequence[BaseRoute] = ()) -> Served:
    """Serve `blocks`; returns as soon as the page answers. `look` is theme, css, js, head, i18n for Gradio.

    api: routes that programs may use, with the login as HTTP Basic.
    Raises StudioError with one line when the port is taken or the address is not this machine's.
    """
    host, port = address(settings)
    login = credentials(settings)
    policy = Policy(Readable(settings.uploads_dir, (settings.outputs_dir,)), hosts=host_names(settings, host),
                    any_ip=host in ("0.0.0.0", "[::]"), api=bool(api),  # noqa: S104 (compared, not bound)
                    opens_api=password_reader(*login) if login else None)
    gr.set_static_paths([settings.outputs_dir])     # pictures are served where they lie, not copied first
    blocks.queue(api_open=False, max_size=256, default_concurrency_limit=16)
    try:
        _, url, share_url = blocks.launch(
            server_name=host, server_port=port, share=settings.share, auth=[login] if login else None,
            inbrowser=settings.open_browser, ssl_certfile=text(settings.tls_certfile),
            ssl_keyfile=text(settings.tls_keyfile), ssl_verify=False,   # this process asking itself; browsers do check
            prevent_thread_lock=True, quiet=True, show_error=True, max_file_size="64mb", max_threads=40,
            allowed_paths=[], blocked_paths=fence(settings), state_session_capacity=100, strict_cors=True,
            _frontend=False,    # else Gradio asks itself with 3 s of patience, and on a busy machine says to share the page
            enable_monitoring=False, run_history=False, footer_links=[], ssr_mode=False, mcp_server=False, pwa=False,
            app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None,
                        "lifespan": guarded(policy, settings, api)},
            **with_theme(look or {}, settings))
    except OSError as error:
        raise StudioError(f"Port: {port} - could not be opened ({error}). Start with another --port.") from error
    if share_url:
        policy.hosts.add(host_name(share_url.partition("://")[2].rstrip("/")))
    return Served(blocks, url, share_url or "", login, bool(settings.auth), policy)


def guarded(policy: Policy, settings: Settings, api: Sequence[BaseRoute] = ()) -> Callable[[FastAPI], Any]:
    """Put the guard outermost before the first request: Gradio adds its own layers after those it is given."""
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if app.auth is not None:  # type: ignore[attr-defined]
            policy.signed_in = session_reader(app.cookie_id, app.tokens)  # type: ignore[attr-defined]
        app.add_route(PICTURE_ROUTE + "{name:path}", picture_route(settings), ["GET", "HEAD"])
        app.router.routes[:0] = [app.router.routes.pop(), *mended.routes(), *api]
        app.user_middleware.insert(0, Middleware(Guard, policy=policy))
        app.middleware_stack = app.build_middleware_stack()
        yield

    return lifespan


def picture_route(settings: Settings) -> Callable[[Request], Response]:
    """Finished pictures by name: a fixed list of types, never a page, never a file outside the outputs."""
    root = settings.outputs_dir.resolve()

    def serve(request: Request) -> Response:
        name = request.path_params["name"]
        path = (root / name).resolve() if "\0" not in name else root
        kind = PICTURES.get(path.suffix.lower())
        if kind is None or not path.is_relative_to(root) or not os.path.isfile(path):      # False for a name too long, no error
            return PlainTextResponse("No such picture.", 404)
        return FileResponse(path, media_type=kind, headers={"cache-control": "private, max-age=31536000, immutable"})

    return serve


def fence(settings: Settings) -> list[str]:
    """Files no handler may hand out, should one ever be talked into it. The guard comes first; this is the second."""
    private = [settings.file, settings.data_dir / "queue.sqlite", settings.data_dir / "browser-secret",
               settings.data_dir / "extensions.json", *settings.model_roots, *settings.extension_folders]
    return [str(path.resolve()) for path in private]


def with_theme(look: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """`look`, with day or night chosen by the settings unless the visitor's address says otherwise."""
    if settings.theme == "system":
        return dict(look)
    choose = (f"<script>(() => {{ const u = new URL(location), day = '{settings.theme}';"
              " if (!u.searchParams.has('__theme')) { u.searchParams.set('__theme', day);"
              " history.replaceState(null, '', u); } })()</script>")
    return {**look, "head": (look.get("head") or "") + choose}


def text(path: Any) -> str | None:
    return None if path is None else str(path)


def end_signal() -> threading.Event:
    """Set at Ctrl+C or when the system asks the program to end (SIGTERM). Ask for it before the page is announced."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    return ended
