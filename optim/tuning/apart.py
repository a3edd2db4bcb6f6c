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
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from optim.common.errors import InputError
from optim.session.session import Session
from optim.tuning.choosing import baseline, front
from optim.tuning.figures import checked
from optim.tuning.fits import WARM_ITERATIONS, WarmFit
from optim.tuning.space import Parameter, parameters, present
from optim.tuning.study import Description, Study

NICENESS = 10
_LENGTH = struct.Struct("<Q")
CLIP = "fit"
"""Name of the clip in the study."""


@dataclass(frozen=True)
class Search:
    """A search over one fit."""

    session: Session
    """Apart from the one that others step (``Session.apart``), in stage 3."""
    searched: tuple[Parameter, ...]
    description: Description
    trials: int
    path: Path


def search_of(
    session: Session, *, weights: Sequence[str], objectives: Sequence[str], trials: int, folder: Path
) -> Search:
    """The search over weights of stage 3 that goes on from the current snapshot of a session.

    The same search of the same fit has the same file, so that it goes on where it was stopped.

    Raises:
        InputError: The fit is not in stage 3, or a name cannot be used.
    """
    here = session.current
    if here.stage < 3:
        raise InputError("weights of stage 3 are searched; run the fit into stage 3 first")
    searched = parameters(weights, (here.schedule[here.phase],))
    how = {"snapshot": here.id, "loss": float(here.evaluation.total), "iterations": WARM_ITERATIONS}
    texts = tuple(one.text for one in searched)
    description = Description(texts, checked(objectives), (CLIP,), (), how)
    digest = zlib.crc32(repr(description).encode())
    name = f"{session.problem.name}-{here.id}-{digest:08x}.log"
    return Search(session.apart(), searched, description, trials, folder / name)


def request(search: Search) -> bytes:
    """What the process is given on its standard input."""
    blob = pickle.dumps(search)
    return _LENGTH.pack(len(blob)) + blob


def line(search: Search, study: Study) -> dict[str, Any]:
    """The state of a search as data: the number of finished trials, and those that are complete."""
    trials = study.trials()
    best = {trial.number for trial in front(trials, search.description.objectives)}
    first = baseline(trials)
    complete = [
        {
            "number": t.number,
            "present": t is first,
            "weights": dict(t.point),
            "values": list(t.values),
            "front": t.number in best,
        }
        for t in trials
        if t.values
    ]
    return {"done": study.finished, "trials": complete}


def serve(source: BinaryIO, tell: Any) -> None:
    """Make the search that comes from a stream; ends early when the stream ends."""
    (length,) = _LENGTH.unpack(source.read(_LENGTH.size))
    search: Search = pickle.loads(source.read(length))  # from the process that started this one, never from a file
    stopped = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(source, stopped), daemon=True).start()
    try:
        study = Study(search.path, search.searched, search.description)
        here = search.session.current
        study.begin_with(present(search.searched, (here.schedule[here.phase],)))
        tell(line(search, study))
        fit = WarmFit(CLIP, search.session, search.searched)
        for _ in study.search([fit], trials=search.trials, interrupt=stopped.is_set):
            tell(line(search, study))
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
