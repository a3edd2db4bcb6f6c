"""Predictions held against re-fits on two clips: signs above the noise floor, and sizes within a factor of two."""

from __future__ import annotations

import pytest

from optim.commands.bench.effects import Compared, compared, refitted
from optim.config.settings import parse
from optim.loading.problem import load_session
from optim.sensitivity.predict import STEP, effects
from optim.session.edits import RestartSolver
from optim.session.session import Session

SHORT = ["--preset", "direct", "--num-iters", "5", "10", "10", "--amass-seq-len", "40"]
FIGURES = ("truth_cm", "observed_cm", "mean_acceleration")
WEIGHTS = ("joints3d", "motion_prior", "init_motion_prior", "joint_consistency", "shape_prior")
SETTLE, REFIT = 100, 80
"""Numbers of iterations before the predictions, and of each re-fit."""
ALMOST, WITHIN = 0.8, 0.6
"""Least shares of right signs, and of sizes within a factor of two, among the effects above the noise floor."""


def above_noise(session: Session) -> list[Compared]:
    """Predicted and found change of every figure by every weight, where the found one is above the noise floor."""
    predicted = {figure: effects(session, figure) for figure in FIGURES}
    control = refitted(session, WEIGHTS[0], 1.0, iterations=REFIT)
    rows = [row for weight in WEIGHTS for row in compared(session, predicted, control, weight, STEP, iterations=REFIT)]
    return [row for row in rows if abs(row.found) > predicted[row.figure].floor]


@pytest.mark.slow
@pytest.mark.parametrize("clip", [pytest.param("default_walk_turn", marks=pytest.mark.exhaustive), "dance"])
def test_predictions_come_true(clip):
    session = load_session(parse(["--data", clip, *SHORT]))
    session.run()
    for _ in range(SETTLE):
        if session.current.solver.stalled:
            session.apply(RestartSolver())
        session.step_on()
    rows = above_noise(session)
    told = "\n".join(row.row for row in rows)
    assert rows, "no effect is above the noise"
    assert sum(row.right for row in rows) >= ALMOST * len(rows), told
    assert sum(row.close for row in rows) >= WITHIN * len(rows), told
