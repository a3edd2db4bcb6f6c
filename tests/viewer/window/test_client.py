"""The worker as a real process: it loads, runs, pauses, is missed when it dies, and ends in time."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from optim.session.session import Session
from tests.viewer import fakes, recorded
from viewer.protocol import commands as c
from viewer.protocol.view_model import Finished, LoadFailed, Loading, Note, Scene, ViewModel
from viewer.window.client import ProcessClient

ROOT = Path(__file__).parents[3]
PATIENCE = 120.0


class Listener:
    """Collects a client's messages until something has come."""

    def __init__(self, make_session: Callable[[], object], **options) -> None:
        self.client = ProcessClient(make_session, **options)
        self.messages: list[object] = []

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"still not so; got {[type(m).__name__ for m in self.messages]}"
            self.messages += self.client.poll()
            time.sleep(0.005)

    def last(self, kind: type):
        return next((m for m in reversed(self.messages) if isinstance(m, kind)), None)

    def state(self) -> str | None:
        view = self.last(ViewModel)
        return view and view.status.state


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    opened: list[Listener] = []

    def start(make_session: Callable[[], object], **options) -> Listener:
        opened.append(Listener(make_session, **options))
        return opened[-1]

    yield start
    for listener in opened:
        listener.client.close()


def test_a_run_is_paused_inspected_and_ended(listen):
    worker = listen(fakes.make_slow_session)
    worker.until(lambda: worker.state() == "paused")
    assert isinstance(worker.messages[0], Loading) and isinstance(worker.messages[1], Scene)
    worker.client.post(c.Run())
    worker.until(lambda: worker.last(ViewModel).status.total_iterations >= 3)
    worker.client.post(c.Pause())
    worker.until(lambda: worker.state() == "paused")
    worker.client.post(c.Inspect(1))
    worker.until(lambda: worker.last(ViewModel).shown == 1)
    worker.client.post(c.Run())
    worker.client.post(c.Quit())
    worker.client.close()
    assert worker.client.process.exitcode == 0


def test_input_errors_and_warnings_come_as_text(listen):
    worker = listen(warn_and_refuse)
    worker.until(lambda: worker.last(Finished))
    assert worker.last(Note).text == "60 frames/s resampled to 30"
    assert worker.last(LoadFailed).input_error


def warn_and_refuse() -> Session:
    logging.getLogger("loader").warning("%d frames/s resampled to 30", 60)
    return fakes.refuse()


def test_a_worker_that_dies_is_missed(listen):
    worker = listen(fakes.crash)
    worker.until(lambda: not worker.client.alive)
    assert worker.client.obituary == "The optimiser's process ended (exit code 9)."
    worker.client.post(c.Run())


@pytest.mark.skipif(not hasattr(os, "nice"), reason="this system knows no niceness of processes")
def test_a_restarted_worker_is_as_fast_as_the_first(listen):
    """Where the processor draws, the drawing thread has become nicer meanwhile."""
    found: list[int] = []

    def draw() -> None:  # in a thread of its own, since niceness cannot be taken back
        os.nice(3)
        worker = listen(fakes.make_slow_session)
        found.append(os.getpriority(os.PRIO_PROCESS, worker.client.process.pid))

    thread = threading.Thread(target=draw)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread.start()
    thread.join()
    assert found == [before]


@pytest.mark.slow
def test_a_killed_worker_is_replaced_where_it_was(listen, tmp_path):
    """The next one goes on from what was written, which is all iterations that were over a second before."""
    record = partial(recorded.record, tmp_path / "run.humorscope")
    worker = listen(recorded.make_session, record=record)
    worker.until(lambda: worker.state() == "paused")
    worker.client.post(c.Run())
    worker.until(lambda: worker.last(ViewModel).current >= 7)
    seen = worker.last(ViewModel)
    # Nothing is written within an iteration, so the one under way must be over.
    worker.until(lambda: worker.last(ViewModel).current > seen.current or worker.state() != "running")
    began = time.monotonic()
    worker.until(lambda: time.monotonic() > began + 1.0)
    os.kill(worker.client.process.pid, signal.SIGKILL)
    worker.until(lambda: not worker.client.alive)
    assert "signal 9" in worker.client.obituary
    second = listen(recorded.make_session, record=record)
    second.until(lambda: second.state() in ("paused", "done"))
    now = second.last(ViewModel)
    assert now.current == len(now.history.ids) - 1 >= seen.current
    both = min(len(now.history.ids), len(seen.history.ids))
    np.testing.assert_array_equal(now.history.total[:both], seen.history.total[:both])


ORPHAN = """
import os, sys, time
from viewer.window.client import ProcessClient
from tests.viewer import fakes
if __name__ == "__main__":
    client = ProcessClient(fakes.make_slow_session)
    print(client.process.pid, flush=True)
    os._exit(1) if sys.argv[1] == "early" else None
    while not any(type(m).__name__ == "ViewModel" for m in client.poll()):
        time.sleep(0.01)
    print("loaded", flush=True)
    os._exit(1)
"""


@pytest.mark.parametrize("when", ["early", "late"])
def test_a_worker_does_not_outlive_its_window(tmp_path, when):
    script = tmp_path / "window.py"
    script.write_text(ORPHAN)
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    window = subprocess.run(
        [sys.executable, str(script), when],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    pid = int(window.stdout.split()[0])
    end = time.monotonic() + PATIENCE
    while running(pid):
        assert time.monotonic() < end, "the worker is still there"
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
