"""Runs a page until it is stopped, and ends the worker with everything it has to keep."""

from __future__ import annotations

import time
from collections.abc import Callable

from viewer.browser.access import Access
from viewer.browser.page import Page
from viewer.browser.server import Server
from viewer.protocol.commands import Quit
from viewer.protocol.view_model import About, LoadFailed
from viewer.window.client import Client
from viewer.window.front_end import become_nicer


def serve(
    make_client: Callable[[], Client],
    access: Access,
    *,
    about: About | None = None,
    other: Callable[[str], Client] | None = None,
    compare: str | None = None,
) -> LoadFailed | None:
    """Serve a page until Ctrl-C, or until the worker cannot load what it was asked for; returns why it could not.

    Args:
        make_client: As for ``viewer.window.window.run_window``, with ``about``, ``other`` and ``compare``.
    """
    server = Server(access)
    page = Page(make_client, server)
    page.about, page.other_run.open, page.ui.pins.run_to_open = about or page.about, other, compare
    become_nicer()
    print(f"open in a browser: {access.address}", flush=True)
    print("Ctrl+C ends it", flush=True)
    try:
        while not page.ui.quit:
            time.sleep(page.turn())
    except KeyboardInterrupt:
        print(flush=True)
    finally:
        page.client.post(Quit())
        page.close()
        server.stop()
        page.client.close()
    return page.failed
