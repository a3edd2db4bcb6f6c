"""A real Chromium without a screen, driven through its debugging protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip
SIZE = (1280, 720)
PATIENCE = 120.0  # seconds; WebGL is drawn by the processor


def found() -> str | None:
    """The browser's program; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One window with one page."""

    def __init__(self, address: str, profile: Path) -> None:
        program = found()
        assert program is not None
        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", f"--window-size={SIZE[0]},{SIZE[1]}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        port_file = profile / "DevToolsActivePort"
        until(lambda: port_file.exists() and len(port_file.read_text().splitlines()) == 2)
        port, path = port_file.read_text().splitlines()
        self._browser = connect(f"ws://127.0.0.1:{port}{path}", max_size=None)
        self._count, self._session = 0, None
        target = self._ask("Target.createTarget", url=address)["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=SIZE[0], height=SIZE[1], deviceScaleFactor=1, mobile=False
        )

    def evaluate(self, code: str) -> Any:
        """The value of an expression in the page."""
        return self._ask("Runtime.evaluate", expression=code, returnByValue=True)["result"].get("value")

    def shows(self, text: str) -> bool:
        """Whether the page says something."""
        return bool(self.evaluate(f"document.body.innerText.includes({json.dumps(text)})"))

    def place(self, selector: str, text: str) -> tuple[float, float]:
        """The middle of the first element of a kind whose text begins so, in pixels."""
        found = self.evaluate(
            f"""(() => {{ const e = [...document.querySelectorAll({json.dumps(selector)})].find(
                x => x.textContent.trim().startsWith({json.dumps(text)}) && x.getBoundingClientRect().width > 0);
                if (!e) return null;
                const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"""
        )
        assert found is not None, f"{selector} {text!r} is not on the page"
        return found[0], found[1]

    def click(self, selector: str, text: str) -> None:
        """Click with the mouse."""
        self.drag(*[self.place(selector, text)] * 2)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at one place and let it go at another."""
        self._mouse("mousePressed", start)
        for share in (0.5, 1.0):
            self._mouse("mouseMoved", tuple(a + share * (b - a) for a, b in zip(start, end, strict=True)))
        self._mouse("mouseReleased", end)

    def picture(self, path: Path | None = None) -> np.ndarray:
        """What is seen, as RGB (H, W, 3) uint8; also written to a file if one is named."""
        data = base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(data)
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]

    def close(self) -> None:
        """End it with all that belongs to it."""
        self._session = None
        self._ask("Browser.close")
        self._process.wait(30)

    def _mouse(self, kind: str, at: tuple[float, ...]) -> None:
        self._ask("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", buttons=1, clickCount=1)

    def _ask(self, method: str, **options: Any) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": options}
        self._browser.send(json.dumps(message | ({} if self._session is None else {"sessionId": self._session})))
        while True:
            answer = json.loads(self._browser.recv(timeout=PATIENCE))
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]


def until(condition: Callable[[], object], *, seconds: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
