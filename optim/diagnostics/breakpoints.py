"""Breakpoints: conditions that are checked after each iteration and pause the run when they are met.

A breakpoint on a number of the state (skate, floor tilt, a term, …) is hit when the number crosses its bound. It is not
hit again while the number stays beyond the bound, so that the run can go on. Numbers that are not finite hit their
breakpoint at every iteration. A hit names the last good snapshot, to go back to. Only ``run_to_breakpoint`` changes a
session: it steps it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from optim.common.errors import InputError
from optim.diagnostics.flips import flips
from optim.diagnostics.ground import floor_tilt, ground
from optim.schedule.terms import TERMS
from optim.session.causes import CONTACTS
from optim.session.fit import Fit
from optim.session.history import Snapshot
from optim.session.session import Interrupt, Session

ROUNDING = 16.0
"""Largest change of a loss that counts as rounding, in multiples of the spacing of numbers of its size."""


class Breakpoint(Protocol):
    """One condition that pauses a run; an immutable value."""

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        """The reason to pause between two snapshots, in words and numbers; None where there is none."""


@dataclass(frozen=True)
class Hit:
    """A pause of a run, with the breakpoints that caused it."""

    snapshot: int
    """Id of the snapshot at which the breakpoints were hit; it is the current one."""
    reasons: tuple[tuple[Breakpoint, str], ...]
    """Each breakpoint that was hit, with its reason in words."""
    last_good: int | None
    """Id of the newest earlier snapshot whose numbers are all finite, to rewind to; None where there is none."""


@dataclass(frozen=True)
class NotFinite:
    """NaN or Inf in the loss, a term, a gradient, a variable, or a point that the line search tried."""

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        found = not_finite(after)
        return f"not finite: {', '.join(found)}" if found else None


@dataclass(frozen=True)
class LossUp:
    """The loss is more than ``factor`` times what it was before the iteration.

    A new phase has another loss, and so has an outer step for which joints are planted anew. Losses of two phases are
    compared only if ``across_phases`` is true.
    """

    factor: float = 2.0
    across_phases: bool = False

    def __post_init__(self) -> None:
        _check_bound("factor", self.factor)

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        if (before.phase != after.phase and not self.across_phases) or after.cause == CONTACTS:
            return None
        old, new = before.evaluation.total, after.evaluation.total
        if new <= old + (self.factor - 1.0) * abs(old):  # a loss with log-likelihoods in it may be negative
            return None
        return f"the loss went up from {old:.6g} to {new:.6g}"


@dataclass(frozen=True)
class LineSearchFailed:
    """The search direction leads uphill, or no point along it was better although the slope promised an improvement.

    The improvement must be larger than rounding errors: a fit that has converged to the last digit of its loss finds no
    better point either, and that is no failure.
    """

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        solver = after.solver
        if after.iteration == 0:
            return None
        if solver.slope > 0.0:
            return f"the search direction leads uphill (slope {solver.slope:.3g})"
        if not solver.tried or solver.step_length > 0.0:
            return None
        rounding = ROUNDING * torch.finfo(solver.point.x.dtype).eps * abs(after.evaluation.total)
        if solver.promised <= rounding:
            return None
        return f"none of {len(solver.tried)} points along the search direction was better (slope {solver.slope:.3g})"


@dataclass(frozen=True)
class Flip:
    """An axis-angle vector jumps by 2π although its rotation does not; ``where`` is a field of ``Flips``.

    ``variable`` looks at stages 1 and 2. ``round_trip`` looks at x_0 too, but is hit in most fits without a camera: an
    upright body in the canonical frame is rotated by half a turn, where the vector may point either way.
    """

    where: Literal["variable", "round_trip", "saved"] = "variable"

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        now = self._count(fit, after)
        if now <= self._count(fit, before):
            return None
        return f"{now} axis-angle flip{'s' if now > 1 else ''} ({self.where})"

    def _count(self, fit: Fit, snapshot: Snapshot) -> int:
        found = getattr(flips(fit, snapshot), self.where)
        return 0 if found is None else int(found.sum())


@dataclass(frozen=True)
class Above:
    """Base of breakpoints on one number of the state; hit when the number crosses ``bound`` upwards."""

    bound: float

    def __post_init__(self) -> None:
        _check_bound("bound", self.bound)

    def value(self, fit: Fit, snapshot: Snapshot) -> float | None:
        """The number; None where the state does not have it."""
        raise NotImplementedError

    def describe(self, value: float) -> str:
        """The reason to pause, in words."""
        raise NotImplementedError

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        now = self.value(fit, after)
        if now is None or not now > self.bound:
            return None
        earlier = self.value(fit, before)
        return None if earlier is not None and earlier > self.bound else self.describe(now)


@dataclass(frozen=True)
class Skate(Above):
    """Mean foot skate of a sub-sequence beyond ``bound`` [mm/frame]."""

    def value(self, fit: Fit, snapshot: Snapshot) -> float | None:
        return float(ground(fit, snapshot, mesh=False).skate_mean_mm.max())

    def describe(self, value: float) -> str:
        return f"feet skate by {value:.1f} mm/frame, more than {self.bound:g}"


@dataclass(frozen=True)
class Penetration(Above):
    """The mesh is more than ``bound`` [cm] below the floor in some frame; poses the whole mesh at every check."""

    def value(self, fit: Fit, snapshot: Snapshot) -> float | None:
        depth = ground(fit, snapshot).depth_cm
        return None if depth is None else float(depth.max())

    def describe(self, value: float) -> str:
        return f"the body is {value:.1f} cm below the floor, more than {self.bound:g}"


@dataclass(frozen=True)
class FloorTilt(Above):
    """The fitted floor leans more than ``bound`` [°] against the observed one; never hit without a camera."""

    def value(self, fit: Fit, snapshot: Snapshot) -> float | None:
        tilt = floor_tilt(fit, snapshot)
        return None if tilt is None else float(tilt.max())

    def describe(self, value: float) -> str:
        return f"the floor leans {value:.1f}° against the observed one, more than {self.bound:g}"


@dataclass(frozen=True)
class TermAbove(Above):
    """A loss term is above ``bound``, raw or weighted; never hit while the term is not active."""

    term: str
    of: Literal["raw", "weighted"] = "weighted"

    def __post_init__(self) -> None:
        super().__post_init__()
        known = [term.name for term in TERMS]
        if self.term not in known:
            raise InputError(f"no term is called {self.term!r}; there are {', '.join(known)}")

    def value(self, fit: Fit, snapshot: Snapshot) -> float | None:
        term = snapshot.evaluation.terms.get(self.term)
        return None if term is None else float(getattr(term, self.of))

    def describe(self, value: float) -> str:
        return f"{self.term} ({self.of}) is {value:.6g}, more than {self.bound:g}"


@dataclass(frozen=True)
class PhaseBoundary:
    """A new phase has begun."""

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        return None if after.phase == before.phase else f"{after.schedule[after.phase].name} begins"


DEFAULT_BREAKPOINTS: tuple[Breakpoint, ...] = (NotFinite(), LineSearchFailed(), Flip())
"""Breakpoints that no fit should hit and that take almost no time to check."""


def check(fit: Fit, breakpoints: Sequence[Breakpoint], before: Snapshot, after: Snapshot) -> Hit | None:
    """Check breakpoints after one iteration; None where none of them is hit."""
    checked = [(condition, condition.why(fit, before, after)) for condition in breakpoints]
    reasons = tuple((condition, reason) for condition, reason in checked if reason is not None)
    if not reasons:
        return None
    earlier = (s for s in fit.history.ancestors(after.id) if s.id != after.id)
    good = next((s.id for s in earlier if not not_finite(s, trials=False)), None)
    return Hit(after.id, reasons, good)


def run_to_breakpoint(
    session: Session, breakpoints: Sequence[Breakpoint], interrupt: Interrupt | None = None
) -> Hit | None:
    """Run until a breakpoint is hit; None where the fit is done (see ``session.done``) or ``interrupt`` stopped it."""
    while True:
        before = session.current
        after = session.step_iteration(interrupt)
        if after is before:
            return None
        if hit := check(session.fit, breakpoints, before, after):
            return hit


def not_finite(snapshot: Snapshot, *, trials: bool = True) -> list[str]:
    """Names of everything in a snapshot that is NaN or Inf.

    Args:
        trials: Also look at the points that the line search tried; it may have rejected a bad one.
    """
    evaluation, solver = snapshot.evaluation, snapshot.solver
    found = [] if math.isfinite(evaluation.total) else ["loss"]
    found += [f"term {name}" for name, term in evaluation.terms.items() if not math.isfinite(term.raw)]
    found += [f"gradient of {name}" for name, norm in evaluation.gradient_norm.items() if not math.isfinite(norm)]
    found += [name for name, value in snapshot.variables.items() if not bool(torch.isfinite(value).all())]
    if trials:
        numbered = enumerate(solver.tried, 1)
        found += [f"trial {n}" for n, t in numbered if not t.finite]
    return found


def _check_bound(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"{name} is {value}; a finite number of at least 0 is needed")
