"""Real windows on Xvfb, opened on a session and closed with the test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.viewer.real_window import RealWindow
from tests.viewer.xserver import xserver


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A screen with the pixels of today's large ones."""
    if shutil.which("xdotool") is None:
        pytest.skip("not installed: xdotool")
    with xserver("-screen", "0", "3840x2160x24") as name:
        yield name


@pytest.fixture
def open_real(display: str, tmp_path: Path) -> Iterator[Callable[..., RealWindow]]:
    """Opens a real window on a session of ``real_program.make_session``, with further variables of the environment."""
    opened: list[RealWindow] = []

    def start(session: str, **environment: str) -> RealWindow:
        opened.append(RealWindow(display, tmp_path, session, **environment))
        return opened[-1]

    yield start
    for window in opened:
        if window.process.poll() is None:
            window.process.kill()
            window.process.communicate()
