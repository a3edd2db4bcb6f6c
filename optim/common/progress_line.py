"""One progress line on standard error with rate and time left; plain lines where nobody watches."""

from __future__ import annotations

import sys
import time


class Progress:
    """Shows ``done / total`` with a text; overwrites one line on a terminal, else prints every ``every`` seconds."""

    def __init__(self, total: int, *, done: int = 0, unit: str = "updates", every: float = 30.0) -> None:
        self.total, self.first, self.unit = total, done, unit
        self.started = self.shown = time.monotonic()
        self.live = sys.stderr.isatty()
        self.every = 0.2 if self.live else every

    def show(self, done: int, text: str = "") -> None:
        """Show the state now if it is time for it, or if the work is finished."""
        now = time.monotonic()
        if done < self.total and now - self.shown < self.every:
            return
        self.shown = now
        rate = (done - self.first) / max(now - self.started, 1e-9)
        left = clock((self.total - done) / rate) if rate > 0 else "?"
        line = f"{done}/{self.total} {self.unit}  {100 * done / self.total:4.1f} %  {rate:.2f}/s  {left} left  {text}"
        sys.stderr.write(f"\r\x1b[K{line}" if self.live and done < self.total else f"{line}\n")
        sys.stderr.flush()


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
