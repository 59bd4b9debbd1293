"""The doorkeeper: a pure ASGI layer around everything the studio serves. Knows HTTP, knows nothing of pictures.

Gradio's own checks leave gaps (docs/security.md lists each with its test): any Host is answered, other sites may post
to localhost, some routes ignore the login, passwords can be tried without end, a JSON body may name any file, and
`/file=` fetches addresses of the net. The guard stands outermost, so what it refuses nobody else has seen.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from gradio.route_utils import FnIndexInferError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tabs.bodies import Refused, examine, too_large
from tabs.files import Readable

LOOPBACK = ("localhost", "127.0.0.1", "::1")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What a visitor may see before the login: the login page itself, its style, its scripts.
BEFORE_LOGIN = ("/", "/login", "/login/", "/favicon.ico", "/theme.css", "/gradio_api/theme.css", "/robots.txt",
                "/manifest.json", "/gradio_api/startup-events")
BEFORE_LOGIN_FOLDERS = ("/assets/", "/static/", "/svelte/", "/pwa_icon")
CLOSED = ("/gradio_api/proxy=", "/proxy=", "/gradio_api/vibe", "/gradio_api/undo-vibe", "/gradio_api/dev/", "/docs",
          "/redoc", "/openapi.json", "/monitoring")
# Routes that name a function or a component by its number or name; Gradio looks an unknown one up and fails.
CALLED = ("/gradio_api/queue/join", "/gradio_api/call/", "/gradio_api/run/", "/gradio_api/api/", "/gradio_api/component_server")
HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
           "content-security-policy": "frame-ancestors 'self'; object-src 'none'; base-uri 'self'"}
API_FOLDERS = ("/sdapi/", "/controlnet/")
BASIC = 'Basic realm="Atelier", charset="UTF-8"'
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'self'"


@dataclass
class Attempts:
    """Wrong passwords: after five in a row an address waits 1 s, then 2, 4 … 60 s."""

    free: int = 5
    longest: float = 60.0
    clock: Callable[[], float] = time.monotonic
    wrong: dict[str, tuple[int, float]] = field(default_factory=dict)     # address -> (how many, not before)

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0 when it may."""
        return max(0.0, self.wrong.get(address, (0, 0.0))[1] - self.clock())

    def note(self, address: str, right: bool) -> None:
        if right:
            self.wrong.pop(address, None)
            return
        count = self.wrong.get(address, (0, 0.0))[0] + 1
        steps = min(count - self.free, 16)      # enough for any `longest`; a float ends at 2^1023, and so would the wait
        delay = min(self.longest, 2.0**steps) if count >= self.free else 0.0
        if len(self.wrong) > 10_000:        # a scan from many addresses must not fill the memory
            self.wrong.clear()
        self.wrong[address] = (count, self.clock() + delay)


@dataclass
class Policy:
    """Who may ask for what.

    hosts: names this studio is reached by (lower case, without port). any_ip: further, any address written in
    numbers (a rebound name cannot look like that). signed_in: tells from the cookies whether a visitor is; None when
    there is no login. readable: the folders whose files may be named. api: the REST API is open. opens_api: tells from an
    Authorization header whether it does for a program what `signed_in` does for a browser.
    """

    readable: Readable
    hosts: set[str] = field(default_factory=lambda: set(LOOPBACK))
    any_ip: bool = False
    signed_in: Callable[[str], bool] | None = None
    api: bool = False
    opens_api: Callable[[str], bool] | None = None
    attempts: Attempts = field(default_factory=Attempts)
    visited: threading.Event = field(default_factory=threading.Event)     # set when a browser has taken the page, or a program asks

    def knows(self, host: str) -> bool:
        name = host_name(host)
        return name in self.hosts or (self.any_ip and is_ip(name))

    def is_api(self, path: str) -> bool:
        return self.api and path.startswith(API_FOLDERS)


class Guard:
    """`Guard(app, policy)` is the app to serve."""

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self.app, self.policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            self._door(scope)
            if scope["type"] == "http":
                receive = await examine(scope, receive, self.policy.readable, self.policy.is_api(scope["path"]))
                send = self._dressed(scope, send)
            await self.app(scope, receive, send)
        except Refused as refusal:
            await refuse(scope, receive, send, refusal)
        except ClientDisconnect:
            return      # nobody is left to answer
        except (KeyError, FnIndexInferError):
            if scope.get("method") != "POST" or not scope["path"].startswith(CALLED):
                raise
            await refuse(scope, receive, send, Refused(404, "Request: the studio has no such function. Reload the page."))

    # -- before the request is let in ----------------------------------------------------------------------------------

    def _door(self, scope: Scope) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        if len(headers.getlist("host")) != 1 or not self.policy.knows(headers["host"]):
            raise Refused(403, "Host: not a name of this studio. Start it with --allowed-hosts NAME to add one.")
        self._origin(scope, headers)
        if path.startswith(CLOSED):
            raise Refused(404, "Not found.")
        self._login(scope, headers, path)
        if scope["type"] == "http":
            too_large(headers, self.policy.is_api(path))
            self.policy.readable.check_route(path)
            one_range_only(scope, headers)

    def _origin(self, scope: Scope, headers: Headers) -> None:
        """Another site may link to the first page; everything else it does in a visitor's name is refused."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        own = origin is None or origin.partition("://")[2] == headers["host"]
        if origin == "null" and site == "same-origin":      # our own page under Referrer-Policy: no-referrer
            own = True
        if not own:
            raise Refused(403, "Origin: another site may not use this studio.")
        followed = headers.get("sec-fetch-mode") == "navigate" and scope.get("method") in SAFE_METHODS
        if site in ("cross-site", "same-site") and not (followed and scope["path"] == "/"):
            raise Refused(403, "Origin: another site may not use this studio.")

    def _login(self, scope: Scope, headers: Headers, path: str) -> None:
        if self.policy.signed_in is None:
            return
        if path.rstrip("/") == "/login":
            self._not_too_often(scope)
        elif path not in BEFORE_LOGIN and not path.startswith(BEFORE_LOGIN_FOLDERS) \
                and not self.policy.signed_in(headers.get("cookie", "")) \
                and not (self.policy.is_api(path) and self._password(scope, headers)):
            raise Refused(401, "Not signed in.", {"www-authenticate": BASIC} if self.policy.is_api(path) else None)

    def _not_too_often(self, scope: Scope) -> None:
        wait = self.policy.attempts.wait(address_of(scope))
        if wait > 0:
            raise Refused(429, f"Login: too many wrong passwords. Try again in {wait:.0f} s.", {"retry-after": str(int(wait) + 1)})

    def _password(self, scope: Scope, headers: Headers) -> bool:
        """Whether a program sent the right user and password. A right one forgives no wrong one: programs send it all the time,
        and who tries passwords from behind the same address would never be made to wait."""
        given, opens = headers.get("authorization", "").strip(), self.policy.opens_api
        if not given or opens is None:
            return False
        self._not_too_often(scope)
        if opens(given):
            return True
        self.policy.attempts.note(address_of(scope), False)
        return False

    # -- after the answer is made --------------------------------------------------------------------------------------

    def _dressed(self, scope: Scope, send: Send) -> Send:
        """`send` with our headers on every answer; it also learns whether a password was right."""
        login = self.policy.signed_in is not None and (scope["method"], scope["path"].rstrip("/")) == ("POST", "/login")

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if self.policy.readable.is_file_route(scope["path"]):
                    headers["content-security-policy"] = FILE_POLICY
                if scope["path"].startswith("/gradio_api/heartbeat/") or self.policy.is_api(scope["path"]):    # somebody is at work
                    self.policy.visited.set()
                if login:
                    self.policy.attempts.note(address_of(scope), message["status"] < 400)
            await send(message)

        return dressed


async def refuse(scope: Scope, receive: Receive, send: Send, refusal: Refused) -> None:
    """Answer with the refusal's line; a websocket is closed."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": str(refusal)})
        return
    body = {"detail": str(refusal), "error": str(refusal)}
    await JSONResponse(body, refusal.status, {**HEADERS, **refusal.headers})(scope, receive, send)


def one_range_only(scope: Scope, headers: Headers) -> None:
    """Several ranges in one request make Gradio fail (500): the whole file is sent instead."""
    if "," in headers.get("range", ""):
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"range"]


def host_name(host: str) -> str:
    """`[::1]:7860` -> `::1`, `Localhost:7860` -> `localhost`."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def address_of(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def password_reader(user: str, password: str) -> Callable[[str], bool]:
    """Tells from an Authorization header whether it names this user with this password, in a time that says nothing of either."""
    wanted = f"{user}:{password}".encode()

    def opens(header: str) -> bool:
        scheme, _, coded = header.partition(" ")
        try:
            given = base64.b64decode(coded.strip(), validate=True) if scheme.lower() == "basic" else b""
        except ValueError:
            return False
        old = given.decode("latin-1").encode()      # how older clients write what is no ASCII
        return hmac.compare_digest(given, wanted) | hmac.compare_digest(old, wanted)

    return opens


def session_reader(cookie_id: str, tokens: dict[str, Any]) -> Callable[[str], bool]:
    """Tells from a Cookie header whether its bearer holds one of Gradio's login tokens."""
    names = (f"access-token-{cookie_id}", f"access-token-unsecure-{cookie_id}")

    def signed_in(cookies: str) -> bool:
        pairs: Iterable[tuple[str, str, str]] = (part.strip().partition("=") for part in cookies.split(";"))
        return any(name in names and value in tokens for name, _, value in pairs)

    return signed_in


