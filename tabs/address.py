"""Where the page is served and who may come in: host, port, names, login. Imports no Gradio."""

from __future__ import annotations

import errno
import secrets
import socket

from pipelines.settings import Settings
from pipelines.spec.errors import FieldError
from tabs.guard import LOOPBACK, host_name

FIRST_PORT, LAST_PORT = 7860, 7959


def credentials(settings: Settings) -> tuple[str, str] | None:
    """The login; made up when the page can be reached from outside and none was given."""
    if settings.auth:
        user, _, password = settings.auth.partition(":")
        return user, password
    return ("atelier", secrets.token_urlsafe(12)) if settings.exposed else None


def host_names(settings: Settings, host: str) -> set[str]:
    """Names under which a browser may call this studio."""
    names = {*LOOPBACK, host_name(host), *(host_name(name) for name in settings.allowed_hosts)}
    if host in ("0.0.0.0", "[::]"):  # noqa: S104 (compared, not bound)
        names |= {socket.gethostname().lower(), f"{socket.gethostname().lower()}.local"}
    return names - {""}


def address(settings: Settings) -> tuple[str, int]:
    """Host and port to serve on. Raises FieldError when the asked port is taken or the address is not ours."""
    host = settings.server_name or ("0.0.0.0" if settings.listen else "127.0.0.1")  # noqa: S104 (asked for by --listen)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    if settings.port == 0:
        return host, any_port()
    if settings.port is not None:
        if not is_free(host, settings.port):
            raise taken(host, settings.port)
        return host, settings.port
    for port in range(FIRST_PORT, LAST_PORT + 1):
        if is_free(host, port):
            return host, port
    raise FieldError("Port", f"{FIRST_PORT}-{LAST_PORT}", "all in use", fix="Start with --port NUMBER")


def any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def taken(host: str, asked: int) -> FieldError:
    """The refusal that names the next free port."""
    free = next((port for port in range(asked + 1, min(asked + 100, 65536)) if is_free(host, port)), None)
    if free is None:
        return FieldError("Port", asked, "already in use", fix="Start without --port")
    return FieldError("Port", asked, "already in use", f"a free port, for example {free}",
                      f"Start with --port {free}, or without --port")


def is_free(host: str, port: int) -> bool:
    """Whether a server could be opened there. Raises FieldError when the address is not this machine's."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FieldError("Address", host, f"not known here ({error})", fix="Use --server-name 127.0.0.1") from None
    for family, kind, protocol, _, where in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(where)
            except PermissionError:
                raise FieldError("Port", port, "not allowed to ordinary users", "1024-65535") from None
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise FieldError("Address", host, "not an address of this machine") from None
                return False
    return True
