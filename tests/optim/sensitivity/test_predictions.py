"""Predictions held against re-fits on two clips: signs above the noise floor, and sizes within a factor of two."""

from __future__ import annotations

import pytest

from optim.config.settings import parse
from optim.diagnostics.tuned import tuned_figures
from optim.loading.problem import load_session
from optim.sensitivity.predict import STEP, effects
from optim.session.edits import RestartSolver, SetWeight
from optim.session.session import Session

SHORT = ["--preset", "direct", "--num-iters", "5", "10", "10", "--amass-seq-len", "40"]
FIGURES = ("truth_cm", "observed_cm", "mean_acceleration")
WEIGHTS = ("joints3d", "motion_prior", "init_motion_prior", "joint_consistency", "shape_prior")
SETTLE, REFIT = 100, 80
"""Numbers of iterations before the predictions, and of each re-fit."""
ALMOST, WITHIN = 0.8, 0.6
"""Least shares of right signs, and of sizes within a factor of two, among the effects above the noise floor."""


def refitted(session: Session, weight: str, factor: float) -> dict[str, float]:
    """The figures after a re-fit with one weight times a factor."""
    other = session.apart()
    other.apply(SetWeight(weight, factor * other.current.weights[weight]))
    for _ in range(REFIT):
        if other.current.solver.stalled:
            other.apply(RestartSolver())
        other.step_on()
    return tuned_figures(other.fit, encoded=session.fit.stage2_trajectory)


def compared(session: Session) -> list[tuple[str, str, float, float]]:
    """Figure, weight, predicted and found change for every effect above the noise floor."""
    predicted = {figure: effects(session, figure) for figure in FIGURES}
    control = refitted(session, WEIGHTS[0], 1.0)
    rows = []
    for weight in WEIGHTS:
        tried = refitted(session, weight, STEP)
        for figure, found in predicted.items():
            change = tried[figure] - control[figure]
            if abs(change) > found.floor:
                rows.append((figure, weight, found.changes[weight], change))
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("clip", [pytest.param("default_walk_turn", marks=pytest.mark.exhaustive), "dance"])
def test_predictions_come_true(clip):
    session = load_session(parse(["--data", clip, *SHORT]))
    session.run()
    for _ in range(SETTLE):
        if session.current.solver.stalled:
            session.apply(RestartSolver())
        session.step_on()
    rows = compared(session)
    told = "\n".join(f"{figure} {weight}: predicted {a:+.4f}, found {b:+.4f}" for figure, weight, a, b in rows)
    assert rows, "no effect is above the noise"
    right = [a * b > 0 for _, _, a, b in rows]
    gains = [b / a for _, _, a, b in rows if a]
    assert sum(right) >= ALMOST * len(right), told
    assert sum(0.5 <= gain <= 2.0 for gain in gains) >= WITHIN * len(gains), told
