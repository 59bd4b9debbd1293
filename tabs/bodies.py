"""What a request may carry: its size, its kind, and in a JSON body no path but those a browser may name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope

MEGA = 1_000_000
JSON_LIMIT = 8 * MEGA           # a request with two prompts of the longest kind is 0.2 MB
UPLOAD_LIMIT = 512 * MEGA       # several files at once; each single one is limited by Gradio's max_file_size
FORM_LIMIT = 64 * MEGA          # one layer of the picture editor
API_LIMIT = 128 * MEGA          # JSON that carries pictures in base64
LAYERS = 32                     # of the picture editor; Gradio makes a list as long as the number it is told
FORMS = ("/login", "/gradio_api/component_server", "/gradio_api/upload")


class Refused(Exception):
    """A request that is not let in. `str(refused)` is the line the visitor gets."""

    def __init__(self, status: int, line: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.headers = status, dict(headers or {})
        super().__init__(line)


class Paths(Protocol):
    def allows(self, name: str) -> bool: ...


def too_large(headers: Headers, api: bool = False) -> None:
    """Refuse by the announced length, before a byte is read. api: the body is for the REST API."""
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        raise Refused(400, "Request: Content-Length is not a number.")
    limit = API_LIMIT if api else limit_of(headers.get("content-type", ""))
    if int(length) > limit:
        raise Refused(413, f"Request: {int(length) // MEGA} MB are too large. Allowed: up to {limit // MEGA} MB.")


def limit_of(content_type: str) -> int:
    return UPLOAD_LIMIT if content_type.startswith("multipart/form-data") else JSON_LIMIT


async def examine(scope: Scope, receive: Receive, paths: Paths, api: bool = False) -> Receive:
    """The `receive` to hand on: the body as it came, once it has been found harmless. Raises Refused.

    api: it is for the REST API, which opens no path whatever its fields are called.
    """
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return receive
    route, kind = scope["path"].rstrip("/"), Headers(scope=scope).get("content-type", "").lower()
    if kind.startswith("multipart/form-data") and route in FORMS:
        if route != "/gradio_api/component_server":
            return counted(receive, UPLOAD_LIMIT)
        body = await whole(receive, FORM_LIMIT)
        await examine_form(scope, body)
    else:
        body = await whole(receive, API_LIMIT if api else JSON_LIMIT)
        if kind.partition(";")[0].strip() == "application/json":
            if not api:
                examine_json(body, route, paths)
        elif body and not (route == "/login" and kind.startswith("application/x-www-form-urlencoded")):
            # a plain form of another site can post text, but not JSON, without being asked
            raise Refused(415, "Request: not JSON. Allowed: application/json.")
    return replayed(body, receive)


def examine_json(body: bytes, route: str, paths: Paths) -> None:
    """Raises Refused for a file that may not be named and for a layer number that would fill the memory."""
    def seen(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, value in pairs:        # pairs, not a dict: of two equal keys both are looked at
            if key == "path" and isinstance(value, str) and value and not paths.allows(value):
                raise Refused(403, "File: not one of this studio's pictures or uploads.")
            if key == "index" and route.endswith("/component_server"):
                layer_number(value)
        return dict(pairs)

    try:
        json.loads(body, object_pairs_hook=seen)
    except (ValueError, RecursionError):        # UnicodeDecodeError is a ValueError
        raise Refused(400, "Request: not readable JSON.") from None


async def examine_form(scope: Scope, body: bytes) -> None:
    """The picture editor's form: raises Refused for an index that would make an endless list."""
    try:
        form = await Request(scope, replayed(body, never)).form(max_part_size=JSON_LIMIT)
    except (MultiPartException, ValueError, KeyError) as error:
        raise Refused(400, "Request: not a readable form.") from error
    try:
        for value in form.getlist("index"):
            if isinstance(value, str):
                layer_number(value)
    finally:
        await form.close()


def layer_number(value: Any) -> None:
    text = str(value)
    if text not in ("", "null", "None") and not (text.isascii() and text.isdigit() and int(text[:9]) <= LAYERS
                                                 and len(text) <= 9):
        raise Refused(403, f"Layer: too many. Allowed: up to {LAYERS}.")


async def whole(receive: Receive, limit: int) -> bytes:
    """The body in one piece. Raises Refused beyond `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise Refused(413, f"Request: too large. Allowed: up to {limit // MEGA} MB.")
        if not message.get("more_body"):
            return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` once, then whatever the connection says (that the browser is gone)."""
    pending = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return again


def counted(receive: Receive, limit: int) -> Receive:
    """A `receive` that hangs up beyond `limit` bytes, whatever length was announced."""
    so_far = [0]

    async def counting() -> Message:
        message = await receive()
        so_far[0] += len(message.get("body", b""))
        return {"type": "http.disconnect"} if so_far[0] > limit else message

    return counting


async def never() -> Message:
    return {"type": "http.disconnect"}


