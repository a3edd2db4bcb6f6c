"""``python -m viewer.speed [options]``: measures how fluid the window is, and how much it slows the optimiser down.

On the present display (Xvfb is enough) it measures the frames per second while the optimiser runs, and while a weight
is dragged under Live, the time of the same iterations with and without a window, and the seconds from the command to
the first picture, to the loaded scene and to the first iteration. The options are those of ``run_viewer.py``.
"""

from __future__ import annotations

import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import polyscope as ps

from optim.common.exit_status import tell_error, with_exit_status
from optim.config.settings import parse
from optim.session.edits import SetWeight
from viewer.commands.sessions import make_session, record
from viewer.protocol.commands import Drag, EndDrag, Run, RunStage, SetLive, Step
from viewer.protocol.messages import Record
from viewer.ui.ui_state import UiState
from viewer.window.app import App
from viewer.window.client import ProcessClient
from viewer.window.window import WindowUnavailable, start_polyscope

ITERATIONS = 300  # of stage 3
ROUNDS = 3
DRAGGED, DRAG_SECONDS = "motion_prior", 10.0  # weight that is dragged under Live, and for how long
SHOWN = ("body", "skeleton", "regressed", "floor")


@dataclass(frozen=True)
class Dragged:
    """What was measured while a weight was dragged under Live."""

    frames_per_second: float
    motions_per_second: float  # new motions on the screen


@dataclass(frozen=True)
class Window:
    """What was measured with the window open."""

    first_frame: float  # seconds from the start of the program
    loaded: float
    first_iteration: float
    frames_per_second: float
    seconds: float  # for the iterations
    dragged: Dragged


def process_seconds() -> float:
    """Seconds since this process was started, or since its first import if the system does not tell."""
    try:
        started = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
        return up - started / 100.0
    except (OSError, IndexError, ValueError):
        return time.perf_counter() - _IMPORTED


_IMPORTED = time.perf_counter()


def alone(make_session: Callable[[], Any], iterations: int, connection: Connection) -> None:
    """Body of a process: iterations from the beginning of stage 3 without anything else.

    Sends the seconds of so many iterations, also where the fit ends after fewer.
    """
    session = make_session()
    while session.current.stage < 3:
        session.step_iteration()
    first = session.current.total_iterations
    began = time.perf_counter()
    while not session.done and session.current.total_iterations < first + iterations:
        session.step_iteration()
    share = (session.current.total_iterations - first) / iterations
    connection.send((time.perf_counter() - began) / share)


def seconds_alone(make_session: Callable[[], Any], iterations: int) -> float:
    """Seconds of the first iterations of stage 3 in a process of its own, like the window's worker."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=alone, args=(make_session, iterations, theirs))
    process.start()
    seconds = mine.recv()
    process.join()
    return seconds


class Probe:
    """A window that is watched while it runs."""

    def __init__(self, make_session: Callable[[], Any], record: Record | None, *, size: tuple[int, int]) -> None:
        self.app = App(partial(ProcessClient, make_session, record=record), UiState())
        start_polyscope("openGL3_glfw", size=size)
        self.app.yield_to_worker()
        ps.set_user_callback(self.app.frame)

    def turn(self) -> None:
        """As ``viewer.window.window.run_window`` does it."""
        began = time.monotonic()
        self.app.tick()
        time.sleep(self.app.rest(time.monotonic() - began))

    def until(self, condition: Callable[[], Any]) -> None:
        """Turn until something holds."""
        while not condition():
            self.turn()
            if self.app.failed is not None:
                raise SystemExit(f"error: {self.app.failed.text}")

    def settled(self) -> bool:
        """Everything posted has been done."""
        view = self.app.view
        return view is not None and view.obeyed >= self.app.ui.posted and view.status.state != "running"


def with_window(probe: Probe, iterations: int) -> Window:
    """The same iterations with the window open and the clip playing."""
    app = probe.app
    probe.turn()
    first_frame = process_seconds()
    probe.until(lambda: app.view is not None)
    probe.turn()
    loaded = process_seconds()
    app.post([Step()])
    probe.until(lambda: app.view is not None and app.view.status.total_iterations > 0)
    first_iteration = process_seconds()
    probe.until(probe.settled)
    for command in (RunStage(), RunStage(), Step()):
        app.post([command])
        probe.until(probe.settled)
    assert app.view is not None
    goal = app.view.status.total_iterations + iterations
    app.ui.layers |= {name: name in SHOWN for name in app.ui.layers}
    app.ui.playing = True
    app.post([Run()])
    probe.until(lambda: app.view is not None and app.view.status.state == "running")
    began, frames = time.perf_counter(), 0
    first = app.view.status.total_iterations
    while app.view.status.total_iterations < goal and app.view.status.state == "running":
        probe.turn()
        frames += 1
    spent = time.perf_counter() - began
    share = (app.view.status.total_iterations - first) / iterations
    dragged = while_dragging(probe)
    app.client.close()
    return Window(first_frame, loaded, first_iteration, frames / spent, spent / share, dragged)


def while_dragging(probe: Probe, *, seconds: float = DRAG_SECONDS) -> Dragged:
    """Frames and motions per second while the weight of the motion prior is dragged up and down in stage 3."""
    app = probe.app
    assert app.view is not None
    row = [term.name for term in app.view.scene.terms].index(DRAGGED)
    weight = float(app.view.weights[app.view.status.phase, row])
    app.post([SetLive(True)])
    probe.until(lambda: app.view is not None and app.view.status.live)
    began, frames, motions, version = time.perf_counter(), 0, 0, app.view.version
    while (spent := time.perf_counter() - began) < seconds:
        app.post([Drag(SetWeight(DRAGGED, weight * 3.0 ** math.sin(spent), 3))])
        probe.turn()
        frames += 1
        motions += app.view.version != version
        version = app.view.version
    app.post([EndDrag(keep=False), SetLive(False)])
    return Dragged(frames / spent, motions / spent)


@with_exit_status
def main(arguments: list[str]) -> int:
    """Print what was measured; 1 where there is no display."""
    settings = parse(arguments)
    make = partial(make_session, settings, spare=1)  # as many threads without a window as with one
    try:
        with tempfile.TemporaryDirectory() as folder:
            recorded = partial(record, settings, Path(folder) / "run.humorscope")
            window = with_window(Probe(make, recorded, size=(1280, 720)), ITERATIONS)
    except WindowUnavailable as error:
        tell_error(error)
        return 1
    finally:
        if ps.is_initialized():
            ps.shutdown()
    without = min(seconds_alone(make, ITERATIONS) for _ in range(ROUNDS))
    print(f"first picture after {window.first_frame:.1f} s, loaded {window.loaded:.1f} s, first iteration shown "
          f"{window.first_iteration:.1f} s")  # fmt: skip
    print(
        f"window: {window.frames_per_second:.1f} frames/s at 1280×720 while the optimiser runs and the clip plays "
        f"({', '.join(SHOWN)})"
    )
    print(
        f"Live: {window.dragged.frames_per_second:.1f} frames/s and {window.dragged.motions_per_second:.1f} new "
        "motions/s while a weight is dragged"
    )
    print(f"{ITERATIONS} iterations of stage 3: {window.seconds:.2f} s with the window, {without:.2f} s without "
          f"({100 * without / window.seconds:.0f} % of the speed)")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
