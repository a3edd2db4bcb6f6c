"""viser's server behind a check of every request."""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Callable, Iterator
from typing import Any

import viser
import websockets.asyncio.server
from websockets.http11 import Request, Response

from viewer.browser.access import Access

Check = Callable[[Request], Response | None]
PATIENCE = 5.0  # seconds that the server may take to refuse a request


class Server(viser.ViserServer):
    """A server that no one reaches without passing ``Access.check``."""

    def __init__(self, access: Access) -> None:
        with _checked(access.check), contextlib.redirect_stdout(io.StringIO()):  # viser prints an address without token
            super().__init__(access.host, access.port, verbose=False)
        if self.get_port() != access.port or (access.token is not None and _lets_in(access)):
            self.stop()
            raise RuntimeError("viser's server cannot be guarded; install the version in requirements.lock")

    def request_share_url(self, verbose: bool = True) -> str | None:
        """None: viser would lead strangers here through a server of its own, and any client may ask it to."""
        return None


@contextlib.contextmanager
def _checked(check: Check) -> Iterator[None]:
    """Have a server that starts meanwhile ask ``check`` about each request; viser has no option for that."""
    serve = websockets.asyncio.server.serve

    def guarded(*arguments: Any, process_request: Callable[..., Any], **options: Any) -> Any:
        def first(connection: Any, request: Request) -> Any:
            return check(request) or process_request(connection, request)

        return serve(*arguments, process_request=first, **options)

    websockets.asyncio.server.serve = guarded  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        websockets.asyncio.server.serve = serve  # type: ignore[misc]


def _lets_in(access: Access) -> bool:
    """Whether a request without the token is served, which would mean that the check is not asked."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(access.host, access.host)
    with socket.create_connection((host, access.port), PATIENCE) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: humorscope\r\n\r\n")
        return not connection.recv(64).startswith(b"HTTP/1.1 403 ")
