"""X servers without a screen (Xvfb) for tests of the real window."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def xserver(*options: str) -> Iterator[str]:
    """The name of a display, as ``:99``; the test is skipped where Xvfb is not installed.

    Args:
        options: Of Xvfb.
    """
    if shutil.which("Xvfb") is None:
        pytest.skip("not installed: Xvfb")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), *options, "-noreset", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        number = b""
        while not number.endswith(b"\n"):
            byte = os.read(read, 16)
            assert byte, "Xvfb did not start"
            number += byte
        yield f":{number.decode().strip()}"
    finally:
        os.close(read)
        server.terminate()
        server.wait()
