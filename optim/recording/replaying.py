"""Computes recorded iterations again: a separate session starts at a known snapshot and repeats the same steps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from optim.problem.problem import Problem
from optim.session.history import Entry, History, Snapshot
from optim.session.session import Session

log = logging.getLogger(__name__)
TOLD_FROM = 200
"""Number of iterations from which on a warning says that they are computed again, because it takes long."""


class Replay:
    """Repeats iterations of a recorded fit of one problem.

    Args:
        problem: The problem of the fit, before any edit.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._session: Session | None = None
        self._warned = False

    def iterations(self, start: Snapshot, then: Sequence[Entry]) -> list[Snapshot]:
        """The iterations that followed a snapshot. On the machine that recorded them they are equal bit for bit.

        Args:
            then: Their entries, in order.
        """
        if len(then) >= TOLD_FROM:
            log.warning("working out %d iterations again that lead to iteration %d", len(then), then[-1].id)
        if self._session is None:
            self._session = Session(self._problem, schedule=start.schedule, keep_iterations=False)
        history = History(keep_iterations=False)
        history.add(replace(start, id=0, parent=None))
        self._session.take_up(history, current=0)
        found = []
        for entry in then:
            done = self._session.step_on()  # also where the phase had ended, as the user may have asked
            found.append(replace(done, id=entry.id, parent=entry.parent))
            self._compare(done.evaluation.total, entry)
        return found

    def _compare(self, total: float, entry: Entry) -> None:
        recorded = entry.evaluation.total
        if total != recorded and recorded == recorded and not self._warned:
            self._warned = True
            log.warning(
                "this machine rounds differently from the one that recorded: iteration %d, worked out again, has a loss"
                " of %.9g in place of %.9g",
                entry.id,
                total,
                recorded,
            )
