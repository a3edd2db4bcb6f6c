"""What the window may ask of the worker: an edit of the fit, or one of the requests below; frozen values, picklable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optim.session.edits import Edit
from viewer.protocol.view_model import BreakpointSetting


@dataclass(frozen=True)
class Request:
    """Base of all that is asked of the worker without editing the fit."""


Command = Request | Edit
"""What the window posts and the worker obeys."""


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
class Inspect(Request):
    """Show an earlier iteration without going back to it; None shows the current one again."""

    snapshot: int | None


@dataclass(frozen=True)
class SetSpeed(Request):
    """Do at most so many iterations per second while running; None: as many as can be."""

    limit: float | None


@dataclass(frozen=True)
class SetBreakpoints(Request):
    """Set the conditions that pause a run."""

    breakpoints: tuple[BreakpointSetting, ...]


@dataclass(frozen=True)
class ClearProfile(Request):
    """Begin to time the optimiser anew."""


@dataclass(frozen=True)
class Export(Request):
    """Write the motion at the current iteration into a folder, in some formats; HuMoR's own layout is ``humor``."""

    formats: tuple[str, ...]
    folder: str
    frame: int  # for single pictures of the motion


@dataclass(frozen=True)
class Analyse(Request):
    """Find something out about a snapshot; the answer comes as an ``Analysis`` of the same kind and options."""

    kind: str
    snapshot: int
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Quit(Request):
    """End the worker."""
