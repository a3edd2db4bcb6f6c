"""The points that an iteration tried, the loss of past iterations under other weights, and the pull of each term."""

from __future__ import annotations

import numpy as np

from optim.diagnostics.gradients import term_gradients
from optim.session.causes import ITERATION
from optim.session.history import Snapshot
from optim.session.rescoring import rescored_path
from optim.solver import lbfgs
from optim.solver.lbfgs import LbfgsState
from optim.solver.levenberg_marquardt import LEAST_GAIN, LevenbergMarquardtState
from viewer.protocol.findings import DampedSteps, LineSearch, RescoredCurve, TermPull
from viewer.worker.build_view import ViewBuilder


def line_search(builder: ViewBuilder, snapshot: Snapshot) -> LineSearch | DampedSteps | None:
    """The points tried on the way to a snapshot; None if an edit or the start of a phase made the snapshot."""
    solver = snapshot.solver
    if snapshot.cause != ITERATION or snapshot.parent is None or not (solver.tried or solver.slope):
        return None
    start = float(builder.session.history[snapshot.parent].solver.point.value)
    if isinstance(solver, LevenbergMarquardtState):
        return _damped_steps(solver, start)
    assert isinstance(solver, LbfgsState)
    return _line_search(solver, start, snapshot)


def _damped_steps(solver: LevenbergMarquardtState, start: float) -> DampedSteps:
    trials = solver.trials
    return DampedSteps(
        start=start,
        dampings=np.array([trial.damping for trial in trials]),
        values=np.array([trial.value for trial in trials]),
        promised=np.array([trial.promised for trial in trials]),
        gains=np.array([trial.gain for trial in trials]),
        accepted=np.array([trial.accepted for trial in trials], bool),
        damping=solver.damping,
        stop=solver.stop,
        stalled=solver.stalled,
        iterations=solver.iterations_in_step,
        evaluations=solver.evaluations_in_step,
        gradient=float(solver.point.gradient.abs().max()),
        least_gain=LEAST_GAIN,
    )


def _line_search(solver: LbfgsState, start: float, snapshot: Snapshot) -> LineSearch:
    trials = solver.trials
    phase = snapshot.schedule[snapshot.phase]
    options = lbfgs.Options(max_iterations=phase.iterations)
    return LineSearch(
        start=start,
        slope=solver.slope,
        lengths=np.array([trial.step_length for trial in trials]),
        values=np.array([trial.value for trial in trials]),
        slopes=np.array([trial.slope for trial in trials]),
        armijo=np.array([trial.armijo for trial in trials], bool),
        curvature=np.array([trial.wolfe for trial in trials], bool),
        kinds=tuple(trial.search for trial in trials),
        taken=solver.step_length,
        pairs=len(solver.pairs),
        most_pairs=options.history,
        scale=solver.scale,
        stop=solver.stop,
        stalled=solver.stalled,
        iterations=solver.iterations_in_step,
        evaluations=solver.evaluations_in_step,
        budget=options.evaluation_budget,
        gradient=float(solver.point.gradient.abs().max()),
        c1=lbfgs.SUFFICIENT_DECREASE,
        c2=lbfgs.CURVATURE,
    )


def rescored(builder: ViewBuilder, snapshot: Snapshot, *, current: int) -> RescoredCurve:
    """The loss of the iterations of a snapshot's phase up to it, under the weights of that phase at ``current``."""
    history = builder.session.history
    weights = history[current].schedule[snapshot.phase].weights
    path = rescored_path(history, snapshot.id, weights=weights)
    return RescoredCurve(
        ids=np.array([number for number, _ in path]),
        total=np.array([found.total for _, found in path]),
        missing=tuple(sorted({term for _, found in path for term in found.missing})),
    )


def term_pull(builder: ViewBuilder, snapshot: Snapshot) -> TermPull:
    """Gradient norm of every row of the weights table; terms of one row are added as if they were orthogonal."""
    found, rows = term_gradients(builder.session.fit, snapshot), builder.members.rows
    squares = {name: np.full(len(rows), np.nan) for name in found.norm}
    for index, term in enumerate(found.terms):
        row = builder.members.row(term)
        for name, norms in found.norm.items():
            if row is not None:
                squares[name][row] = np.nan_to_num(squares[name][row]) + float(norms[index]) ** 2
    return TermPull(norm={name: np.sqrt(values) for name, values in squares.items()})
