"""Who may connect to a server in a browser: anyone on the same machine, or whoever has the token; no other web page."""

from __future__ import annotations

import http.cookies
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets import Headers
from websockets.http11 import Request, Response

from optim.common.errors import InputError

FIRST_PORT, PORTS = 8080, 100
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
"""The port that is tried first where none is given, and how many are tried."""


@dataclass(frozen=True)
class Access:
    """Where a server listens, and the token that it asks for."""

    host: str
    port: int
    token: str | None
    """None: none is asked for."""

    @property
    def address(self) -> str:
        """What to open in a browser."""
        name = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        place = f"http://{f'[{name}]' if ':' in name else name}:{self.port}/"
        return place if self.token is None else f"{place}?token={self.token}"

    def check(self, request: Request) -> Response | None:
        """The answer to a request that must not be served; None if it may.

        The first request brings the token in its address, and is answered with a cookie that later ones bring.
        """
        if not _of_our_page(request):
            return _answer(HTTPStatus.FORBIDDEN, "Another web page asked for this.")
        if self.token is None and not self._is_by_a_name_of_ours(request):
            return _answer(HTTPStatus.FORBIDDEN, f"Open {self.address}; other names are refused without a token.")
        if self.token is None or self._is_token(_cookie(request, self._cookie_name)):
            return None
        if self._is_token(parse_qs(urlsplit(request.path).query).get("token", [""])[0]):
            cookie = f"{self._cookie_name}={self.token}; Path=/; HttpOnly; SameSite=Lax"
            return _answer(HTTPStatus.SEE_OTHER, "", ("Location", "./"), ("Set-Cookie", cookie))
        return _answer(HTTPStatus.FORBIDDEN, "Open the address that humorscope serve has printed; it holds a token.")

    @property
    def _cookie_name(self) -> str:
        """Browsers keep cookies by host and not by port."""
        return f"humorscope-{self.port}"

    def _is_by_a_name_of_ours(self, request: Request) -> bool:
        """Whether the address was asked for by a name of this machine; a page may point a name of its own here."""
        name = urlsplit(f"//{request.headers.get('Host', '')}").hostname
        return name in {*LOOPBACK_NAMES, self.host.lower()}

    def _is_token(self, given: str) -> bool:
        assert self.token is not None
        return secrets.compare_digest(given.encode(), self.token.encode())


def access_to(host: str, port: int | None, *, token: bool) -> Access:
    """Choose port and token of a server.

    Args:
        host: Name or address to listen on.
        port: None: the first free one from ``FIRST_PORT`` on.
        token: Ask for a token on loopback too; elsewhere one is always asked for.

    Raises:
        InputError: The host is none of this machine's, or the port is taken.
    """
    wanted = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else (port,)
    last: OSError | None = None
    for number in wanted:
        try:
            found = _bound(host, number)
        except socket.gaierror as error:
            raise InputError(f"--host {host}: {error.strerror}; give a name or an address of this machine") from error
        except (OSError, OverflowError) as error:
            last = error if isinstance(error, OSError) else OSError(error)
            continue
        asked = token or not is_loopback(host)
        return Access(host, found, secrets.token_urlsafe(24) if asked else None)
    tried = f"{FIRST_PORT} to {FIRST_PORT + PORTS - 1}" if port is None else str(port)
    why = getattr(last, "strerror", None) or last
    raise InputError(f"--host {host}, port {tried}: {why}; give another address of this machine or another --port")


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can connect to a host."""
    addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses)


def _bound(host: str, port: int) -> int:
    """The port, or the one that the system chose for 0, if it can be listened on."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    with socket.create_server((host, port), family=family) as server:
        return int(server.getsockname()[1])


def _of_our_page(request: Request) -> bool:
    """Whether a request comes from a page of this server, or from none, as programs and addresses typed by hand do."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("Host")


def _cookie(request: Request, name: str) -> str:
    cookies = http.cookies.SimpleCookie()
    try:
        for line in request.headers.get_all("Cookie"):
            cookies.load(line)
    except http.cookies.CookieError:
        return ""
    return cookies[name].value if name in cookies else ""


def _answer(status: HTTPStatus, text: str, *fields: tuple[str, str]) -> Response:
    body = text.encode()
    told = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), *fields]
    return Response(status.value, status.phrase, Headers(told), body)
