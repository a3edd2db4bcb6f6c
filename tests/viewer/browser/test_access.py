"""Who may connect: with the token, from this machine, and from no other web page; bad hosts and ports are refused."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from optim.common.errors import InputError
from viewer.browser.access import Access, access_to, is_loopback
from viewer.browser.server import Server

HOST = "127.0.0.1"
PROTOCOL = "viser-v1.1.1"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Access]:
    """A server that asks for a token."""
    access = access_to(HOST, 0, token=True)
    server = Server(access)
    yield access
    server.stop()


def asked(access: Access, path: str, **fields: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(HOST, access.port, timeout=10)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in fields.items()})
    return connection.getresponse()


def cookie_of(access: Access) -> str:
    """The cookie that the printed address is answered with."""
    parts = urlsplit(access.address)
    answer = asked(access, f"{parts.path}?{parts.query}")
    assert answer.status == 303 and answer.headers["Location"] == "./"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    return cookie.split(";")[0]


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/index.html", "/assets/any.js"])
def test_nothing_is_served_without_the_token(guarded, path):
    answer = asked(guarded, path)
    assert answer.status == 403 and guarded.token not in answer.read().decode()


def test_the_printed_address_leads_to_the_page_and_its_files(guarded):
    cookie = cookie_of(guarded)
    page = asked(guarded, "/", Cookie=cookie)
    assert page.status == 200 and "<html" in page.read().decode()
    assert asked(guarded, "/", Cookie=f"other=1; {cookie}").status == 200
    assert asked(guarded, "/", Cookie=cookie[:-1]).status == 403
    assert asked(guarded, "/", Cookie="nonsense;;=;").status == 403


def test_commands_need_the_token_too(guarded):
    address, options = f"ws://{HOST}:{guarded.port}", {"subprotocols": [PROTOCOL], "max_size": None}
    with pytest.raises(InvalidStatus) as refused:
        connect(address, **options)
    assert refused.value.response.status_code == 403
    cookie = {"Cookie": cookie_of(guarded)}
    with connect(address, additional_headers=cookie, **options) as connection:
        assert connection.recv(timeout=10)
    with pytest.raises(InvalidStatus):
        connect(address, additional_headers=cookie, origin="http://elsewhere.example", **options)


def test_on_this_machine_no_token_is_asked_for_but_other_pages_are_refused():
    access = access_to(HOST, 0, token=False)
    server = Server(access)
    try:
        assert access.token is None and "token" not in access.address
        assert asked(access, "/").status == 200
        assert asked(access, "/", Origin=f"http://{HOST}:{access.port}").status == 200
        assert asked(access, "/", Origin="http://elsewhere.example").status == 403
        named = {"Host": f"elsewhere.example:{access.port}", "Origin": f"http://elsewhere.example:{access.port}"}
        assert asked(access, "/", **named).status == 403, "a page whose name was pointed at this machine"
        assert asked(access, "/", Host=f"localhost:{access.port}").status == 200
        assert server.request_share_url() is None
    finally:
        server.stop()


def test_off_loopback_a_token_is_always_asked_for():
    access = access_to("0.0.0.0", 0, token=False)
    assert access.token and len(access.token) >= 32
    assert access.address.endswith(f":{access.port}/?token={access.token}")
    assert access_to("0.0.0.0", 0, token=False).token != access.token
    assert is_loopback("localhost") and is_loopback("127.0.0.1") and not is_loopback("0.0.0.0")


def test_a_host_or_port_that_cannot_be_used_is_refused_with_its_name():
    with pytest.raises(InputError, match="--host no.such.host.invalid"):
        access_to("no.such.host.invalid", None, token=False)
    with pytest.raises(InputError, match="--port"):
        access_to(HOST, 70_000, token=False)
    with pytest.raises(InputError, match="192.0.2.1"):
        access_to("192.0.2.1", None, token=False)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}"):
            access_to(HOST, port, token=False)
