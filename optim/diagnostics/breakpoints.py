"""Conditions that pause a run: checked after each iteration, with the last good snapshot offered to go back to.

A trap on a state (skate, floor tilt, a term, …) springs when its bound is crossed, not at every iteration beyond it, so
that a run can be let on; numbers that are not finite always spring theirs. Nothing here changes a session but
``run_with_traps``, which steps it.
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
from optim.session.fit import Fit
from optim.session.history import Snapshot
from optim.session.session import Interrupt, Session

ROUNDING = 16.0
"""Errors of a loss, in units of its last digit, that are put down to the order of its sums."""


class Trap(Protocol):
    """One condition; a frozen value."""

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        """What went wrong between two snapshots, in words with numbers; None if nothing."""


@dataclass(frozen=True)
class Trapped:
    """A run that was paused by traps."""

    snapshot: int
    """Id of the snapshot at which they sprang; it is the current one."""
    sprung: tuple[tuple[Trap, str], ...]
    """Each trap and what it has to say."""
    last_good: int | None
    """Id of the newest snapshot before it with finite numbers, to rewind to; None where there is none."""


@dataclass(frozen=True)
class NotFinite:
    """NaN or Inf in the loss, a term, a gradient, a variable, or a point that the line search tried."""

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        found = not_finite(after)
        return f"not finite: {', '.join(found)}" if found else None


@dataclass(frozen=True)
class LossUp:
    """The loss is more than ``factor`` times what it was before the iteration.

    On entering a phase the loss is another one; then it is compared only with ``across_phases``.
    """

    factor: float = 2.0
    across_phases: bool = False

    def __post_init__(self) -> None:
        _check_bound("factor", self.factor)

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        if before.phase != after.phase and not self.across_phases:
            return None
        old, new = before.evaluation.total, after.evaluation.total
        if new <= old + (self.factor - 1.0) * abs(old):  # a loss with log-likelihoods in it may be negative
            return None
        return f"the loss went up from {old:.6g} to {new:.6g}"


@dataclass(frozen=True)
class LineSearchFailed:
    """The direction leads uphill, or no point along it was better although the slope promised more than rounding.

    A fit that has converged to the last digit of its loss finds nothing better either; that is no failure.
    """

    def why(self, fit: Fit, before: Snapshot, after: Snapshot) -> str | None:
        solver = after.solver
        if after.iteration == 0:
            return None
        if solver.slope > 0.0:
            return f"the search direction leads uphill (slope {solver.slope:.3g})"
        if not solver.trials or solver.step_length > 0.0:
            return None
        promised = 0.5 * -solver.slope * solver.trials[0].step_length
        rounding = ROUNDING * torch.finfo(solver.point.x.dtype).eps * abs(after.evaluation.total)
        if promised <= rounding:
            return None
        return f"none of {len(solver.trials)} points along the search direction was better (slope {solver.slope:.3g})"


@dataclass(frozen=True)
class Flip:
    """An axis-angle vector jumps by 2π although its rotation does not; ``where`` is a field of ``Flips``.

    ``variable`` sees stages 1 and 2. ``round_trip`` sees x_0 too, but springs in most fits without a camera: upright in
    the canonical frame is half a turn, where the vector may point either way.
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
    """Base of traps on one number of a state: springs when the number crosses ``bound`` upwards."""

    bound: float

    def __post_init__(self) -> None:
        _check_bound("bound", self.bound)

    def value(self, fit: Fit, snapshot: Snapshot) -> float | None:
        """The number; None where it cannot be told."""
        raise NotImplementedError

    def describe(self, value: float) -> str:
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
    """The fitted floor leans more than ``bound`` [°] against the observed one; without a camera it never springs."""

    def value(self, fit: Fit, snapshot: Snapshot) -> float | None:
        tilt = floor_tilt(fit, snapshot)
        return None if tilt is None else float(tilt.max())

    def describe(self, value: float) -> str:
        return f"the floor leans {value:.1f}° against the observed one, more than {self.bound:g}"


@dataclass(frozen=True)
class TermAbove(Above):
    """A loss term is above ``bound``, raw or weighted; while the term is not active it never springs."""

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


DEFAULT_TRAPS: tuple[Trap, ...] = (NotFinite(), LineSearchFailed(), Flip())
"""What no fit should run into, and what costs next to nothing to look for."""


def check(fit: Fit, traps: Sequence[Trap], before: Snapshot, after: Snapshot) -> Trapped | None:
    """What the traps say of one iteration; None if nothing."""
    said = [(trap, trap.why(fit, before, after)) for trap in traps]
    sprung = tuple((trap, reason) for trap, reason in said if reason is not None)
    if not sprung:
        return None
    earlier = (s for s in fit.history.ancestors(after.id) if s.id != after.id)
    good = next((s.id for s in earlier if not not_finite(s, trials=False)), None)
    return Trapped(after.id, sprung, good)


def run_with_traps(session: Session, traps: Sequence[Trap], interrupt: Interrupt | None = None) -> Trapped | None:
    """Run until a trap springs; None when the fit is done or ``interrupt`` says so (see ``session.done``)."""
    while True:
        before = session.current
        after = session.step_iteration(interrupt)
        if after is before:
            return None
        if trapped := check(session.fit, traps, before, after):
            return trapped


def not_finite(snapshot: Snapshot, *, trials: bool = True) -> list[str]:
    """Names of all that is NaN or Inf in a snapshot.

    Args:
        trials: Look at the points that the line search tried as well; it may have turned away from a bad one.
    """
    evaluation, solver = snapshot.evaluation, snapshot.solver
    found = [] if math.isfinite(evaluation.total) else ["loss"]
    found += [f"term {name}" for name, term in evaluation.terms.items() if not math.isfinite(term.raw)]
    found += [f"gradient of {name}" for name, norm in evaluation.gradient_norm.items() if not math.isfinite(norm)]
    found += [name for name, value in snapshot.variables.items() if not bool(torch.isfinite(value).all())]
    if trials:
        numbered = enumerate(solver.trials, 1)
        found += [f"trial {n}" for n, t in numbered if not (math.isfinite(t.value) and math.isfinite(t.slope))]
    return found


def _check_bound(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"{name} is {value}; a finite number of at least 0 is needed")
