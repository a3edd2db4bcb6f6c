"""The commands that the window sends to the worker: edits of the fit, and the requests below.

All of them are frozen dataclasses that can be pickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optim.session.edits import Edit
from viewer.protocol.view_model import BreakpointSetting


@dataclass(frozen=True)
class Request:
    """Base class of the commands that do not edit the fit."""


Command = Request | Edit
"""A command that the window posts and the worker carries out."""


@dataclass(frozen=True)
class Step(Request):
    """Do one L-BFGS iteration."""


@dataclass(frozen=True)
class StepOuter(Request):
    """Run to the end of the current outer step (up to 20 iterations)."""


@dataclass(frozen=True)
class RunPhase(Request):
    """Run to the end of the current phase."""


@dataclass(frozen=True)
class RunStage(Request):
    """Run to the end of the current stage."""


@dataclass(frozen=True)
class Run(Request):
    """Run to the end of the schedule."""


@dataclass(frozen=True)
class Pause(Request):
    """Stop within one evaluation of the objective."""


@dataclass(frozen=True)
class SetLive(Request):
    """Re-fit while the user edits, or stop doing so."""

    on: bool


@dataclass(frozen=True)
class Drag(Request):
    """Try an edit while something is dragged, in place of the edit before in the same drag; only while live."""

    edit: Edit


@dataclass(frozen=True)
class EndDrag(Request):
    """Take over what is dragged as one edit with a bookmark, or forget it and go on from where the drag began."""

    keep: bool = True


@dataclass(frozen=True)
class Inspect(Request):
    """Show an earlier iteration without going back to it; None shows the current one again."""

    snapshot: int | None


@dataclass(frozen=True)
class SetSpeed(Request):
    """Limit the number of iterations per second while running; None removes the limit."""

    limit: float | None


@dataclass(frozen=True)
class SetBreakpoints(Request):
    """Set the conditions that pause a run."""

    breakpoints: tuple[BreakpointSetting, ...]


@dataclass(frozen=True)
class ClearProfile(Request):
    """Set the measured times of the optimiser back to zero."""


@dataclass(frozen=True)
class Export(Request):
    """Write the motion of the current iteration into a folder, in the given formats.

    The names of the formats are those of ``optim.results.saving``; ``humor`` is HuMoR's own layout of results.
    """

    formats: tuple[str, ...]
    folder: str
    frame: int  # frame of the clip, for formats that hold the body of one frame only
    bones: str = "smpl"  # names of the bones in gltf and bvh
    scale: float = 1.0  # units of length in one metre in gltf and bvh


@dataclass(frozen=True)
class Analyse(Request):
    """Compute one of the analyses of a snapshot; the answer is an ``Analysis`` of the same kind and options."""

    kind: str
    snapshot: int
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class BreakOff(Request):
    """Break off the question that a second process works on."""


@dataclass(frozen=True)
class StartTuning(Request):
    """Search for better weights in a process of its own, from the current iteration or the beginning of a stage on."""

    searched: tuple[str, ...]
    """What may change, as ``optim.tuning.space`` reads it."""
    objectives: tuple[str, ...]
    """Names in ``optim.diagnostics.quantities.TUNED``."""
    trials: int


@dataclass(frozen=True)
class StopTuning(Request):
    """End the search; what it has found stays."""


@dataclass(frozen=True)
class ResumeTuning(Request):
    """Go on with the search that was stopped, or let one that is done have more trials."""

    trials: int


@dataclass(frozen=True)
class AdoptTrial(Request):
    """Take over the values of a trial, as one edit on a branch from where the trials begin."""

    number: int


@dataclass(frozen=True)
class Quit(Request):
    """End the worker."""
