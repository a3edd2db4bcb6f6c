"""Shows the progress line of a fit without a window: phase, step, loss and time left.

Knows a session only by its fields.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TextIO

from optim.common.progress import Line
from viewer.protocol.pace import ITERATION, Pace, TimeLeft
from viewer.protocol.view_model import Phase


class ProgressLine:
    """Shows how far a fit is.

    Args:
        schedule: The phases of an ``optim.session.session.Session``.
        stream: Stream that the line is written to.
        pace: What was learnt from the batches before; None: nothing.
    """

    def __init__(self, schedule: Any, stream: TextIO, *, pace: Pace | None = None) -> None:
        self._phases = [Phase(**{f.name: getattr(phase, f.name) for f in fields(Phase)}) for phase in schedule]
        self._pace, self._line = pace or Pace(), Line(stream)
        self.break_off = self._line.break_off

    def tell(self, here: Any, *, done: bool) -> None:
        """Note the time of an ``optim.session.history.Snapshot``; update the line if it is due or the fit is done."""
        if here.cause == ITERATION:
            self._pace.record(here, here.seconds)
        if here.ended_early:
            self._line.show(here.ended_early, last=True)
        if not (done or self._line.due()):
            return
        left = TimeLeft(0.0) if done else self._pace.time_left(self._phases, here)
        phase = self._phases[here.phase]
        text = f"{phase.name}  step {here.step + 1}/{phase.steps}  loss {here.evaluation.total:.5g}"
        self._line.show(text if left is None else f"{text}  {left}", last=done)
