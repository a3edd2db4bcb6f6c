"""``python -m viewer.commands.recording_cost [options]``: what recording costs a fit without a window.

Fits ``ROUNDS`` times with and without a recording in turn, from the first iteration to the last. Tells the seconds
that went by, the processor time of the optimiser's thread and of the whole process, and the bytes that an iteration
takes in the file. The options are those of ``run_viewer.py``. On a busy machine only the processor times mean much.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from optim.common.exit_status import with_exit_status
from optim.config.settings import Settings, parse
from optim.loading.problem import load_session
from optim.recording.recording import recorded_session
from viewer.worker.build_view import ViewBuilder
from viewer.worker.run_recorder import Recorder

ROUNDS = 2


@dataclass(frozen=True)
class Cost:
    """Of one fit; seconds."""

    wall: float
    thread: float
    """Processor time of the optimiser's thread."""
    process: float
    """Processor time of all threads."""
    iterations: int
    recording: float = 0.0
    """Processor time that the optimiser's thread spends on the recording."""
    size: int = 0
    """Bytes of the file."""


def fit(settings: Settings, file: Path | None) -> Cost:
    """Fit from the first iteration to the last, recorded in a file or not; loading is not counted."""
    session = load_session(settings)
    began = time.perf_counter(), time.thread_time(), time.process_time()
    recorder, recording_time = None, 0.0
    if file is not None:
        recording = recorded_session(session, path=file, settings=settings)
        recorder = Recorder(recording, ViewBuilder(session), lambda message: None)
    while not session.done:
        session.step_iteration()
        if recorder is not None:
            here = time.thread_time()
            recorder.follow()
            recording_time += time.thread_time() - here
    if recorder is not None:
        here = time.thread_time()
        recorder.close()
        recording_time += time.thread_time() - here
    ended = time.perf_counter(), time.thread_time(), time.process_time()
    wall, thread, process = (end - begin for begin, end in zip(began, ended, strict=True))
    size = 0 if file is None else file.stat().st_size
    return Cost(wall, thread, process, len(session.history) - 1, recording_time, size)


def told(name: str, costs: list[Cost]) -> str:
    """A line of the least seconds of several fits, and milliseconds an iteration."""
    count = costs[0].iterations
    least = [min(getattr(cost, field) for cost in costs) for field in ("wall", "thread", "process")]
    parts = (f"{seconds:7.2f} s {1e3 * seconds / count:7.3f} ms" for seconds in least)
    return f"{name:12s} " + "  ".join(parts)


@with_exit_status
def main(argv: list[str]) -> int:
    """Measure and print."""
    settings = parse(argv)
    fit(settings, None)  # the first one compiles and fills caches
    plain: list[Cost] = []
    recorded: list[Cost] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            plain.append(fit(settings, None))
            recorded.append(fit(settings, Path(folder) / f"{number}.humorscope"))
            print(told(f"round {number + 1}", plain[-1:]), "not recorded", flush=True)
            print(told("", recorded[-1:]), "recorded", flush=True)
    print(f"{recorded[0].iterations} iterations; the least of {ROUNDS} fits, and that of an iteration")
    print(f"{'':12s} {'gone by':>20s}  {'optimiser thread':>20s}  {'all threads':>20s}")
    print(told("not recorded", plain))
    print(told("recorded", recorded))
    mine = min(cost.recording for cost in recorded)
    other = min(cost.process - cost.thread for cost in recorded)
    count = recorded[0].iterations
    print(f"recording: {1e3 * mine / count:.3f} ms an iteration on the optimiser's thread,", end=" ")
    print(
        f"{1e3 * other / count:.3f} ms on its own thread; {mine / min(cost.thread for cost in recorded):.1%} of the fit"
    )
    size = max(cost.size for cost in recorded)
    print(f"file: {size / 1e6:.1f} MB, {size / count:.0f} bytes an iteration")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
