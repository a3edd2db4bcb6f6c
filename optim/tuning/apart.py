"""``python -m optim.tuning.apart``: a search over one fit, in a process of its own that others go before.

The process that starts it writes the fit to its standard input, and ends it by closing that. The search writes a line
of JSON for every trial that has come to its end. ``request`` makes what is written, ``line`` reads what comes back.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from optim.common.errors import InputError
from optim.session.edits import Edit
from optim.session.session import Session
from optim.tuning.choosing import baseline, front
from optim.tuning.figures import checked
from optim.tuning.fits import WARM_ITERATIONS, StageFit, WarmFit, first_stage, is_warm
from optim.tuning.space import Parameter, Point, parameters, present
from optim.tuning.study import Description, Study

NICENESS = 10
_LENGTH = struct.Struct("<Q")
CLIP = "fit"
"""Name of the clip in the study."""


@dataclass(frozen=True)
class Search:
    """A search over one fit."""

    fit: WarmFit | StageFit
    """Of a session apart from the one that others step (``Session.apart``)."""
    start: int
    """Id of the snapshot from which the trials go on."""
    searched: tuple[Parameter, ...]
    present: Point
    """The values that the fit itself has."""
    description: Description
    trials: int
    path: Path

    @property
    def about(self) -> str:
        """What a trial is, in words."""
        if isinstance(self.fit, WarmFit):
            return f"each goes on from iteration {self.start} for {WARM_ITERATIONS} iterations"
        return f"each begins with stage {first_stage(self.searched)} and runs to the end of the schedule"

    def edit(self, session: Session, trial: int, point: Point) -> Edit:
        """The edit of the session that takes over the point of a trial, on a branch from where the trials begin."""
        return self.fit.edit(point, session.history[self.start], f"trial {trial} of a search")


def search_of(
    session: Session, *, texts: Sequence[str], objectives: Sequence[str], trials: int, folder: Path
) -> Search:
    """The search over one fit, from where it stands now.

    Where the current phase uses all weights that are searched, and nothing else is searched, trials go on from the
    current snapshot. Otherwise they begin with the first stage that is concerned. The same search of the same fit has
    the same file, so that it goes on where it was stopped.

    Args:
        texts: What may change, as ``space.parameters`` reads it.

    Raises:
        InputError: A name cannot be used.
    """
    here, phases = session.current, session.schedule
    searched, phase = parameters(texts, phases), phases[here.phase]
    fit: WarmFit | StageFit
    if here.stage == 3 and is_warm(searched) and all(phase.weight(one.of) for one in searched):
        phases, start = (phase,), here.id
        fit = WarmFit(CLIP, session.apart(), searched)
    else:
        fit = StageFit(CLIP, session, searched)
        start = fit.start_id
    how = {"snapshot": start, "loss": float(session.history[start].evaluation.total), "iterations": WARM_ITERATIONS}
    how["schedule"] = zlib.crc32(repr(phases).encode())
    description = Description(tuple(one.text for one in searched), checked(objectives), (CLIP,), (), how)
    digest = zlib.crc32(repr(description).encode())
    path = folder / f"{session.problem.name}-{start}-{digest:08x}.log"
    return Search(fit, start, searched, present(searched, phases), description, trials, path)


def request(search: Search) -> bytes:
    """What the process is given on its standard input."""
    blob = pickle.dumps(search)
    return _LENGTH.pack(len(blob)) + blob


def line(search: Search, study: Study, left: float | None = None) -> dict[str, Any]:
    """The state of a search as data: the number of finished trials, the time left, and the trials that are complete."""
    trials = study.trials()
    best = {trial.number for trial in front(trials, search.description.objectives)}
    first = baseline(trials)
    complete = [
        {
            "number": t.number,
            "present": t is first,
            "point": dict(t.point),
            "values": list(t.values),
            "front": t.number in best,
        }
        for t in trials
        if t.values
    ]
    return {"done": study.finished, "seconds_left": left, "trials": complete}


def serve(source: BinaryIO, tell: Any) -> None:
    """Make the search that comes from a stream; ends early when the stream ends."""
    (length,) = _LENGTH.unpack(source.read(_LENGTH.size))
    search: Search = pickle.loads(source.read(length))  # from the process that started this one, never from a file
    stopped = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(source, stopped), daemon=True).start()
    try:
        study = Study(search.path, search.searched, search.description)
        study.begin_with(search.present)
        tell(line(search, study))
        began, first = time.monotonic(), study.finished
        for _ in study.search([search.fit], trials=search.trials, interrupt=stopped.is_set):
            done = study.finished
            each = (time.monotonic() - began) / max(done - first, 1)
            tell(line(search, study, left=each * max(search.trials - done, 0)))
    except InputError as error:
        tell({"error": str(error)})


def _wait_for_the_end(source: BinaryIO, stopped: threading.Event) -> None:
    """Wait until the stream ends. It is read below its buffer, whose lock would hold up the end of the process."""
    os.read(source.fileno(), 1)
    stopped.set()


def main() -> int:
    """Body of the process; returns the exit status."""
    from optim.common import threads

    if hasattr(os, "nice"):
        os.nice(NICENESS)
    threads.use(1)
    out = sys.stdout
    sys.stdout = sys.stderr  # nothing else may come between the lines
    serve(sys.stdin.buffer, lambda data: print(json.dumps(data), file=out, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
