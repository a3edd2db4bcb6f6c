"""Predictions held against re-fits: signs above the noise floor, and sizes within a factor of two."""

from __future__ import annotations

import pytest

from optim.commands.bench.effects import Compared, compared, refitted
from optim.commands.bench.live import settled
from optim.config.settings import parse
from optim.loading.problem import load_session
from optim.sensitivity.predict import STEP, all_effects
from optim.session.session import Session

FIGURES = ("truth_cm", "observed_cm", "mean_acceleration")
WEIGHTS = ("joints3d", "motion_prior", "joint_consistency")
SETTLE, REFIT = 40, 40
"""Numbers of iterations before the predictions at most, and of each re-fit."""
ALMOST, WITHIN = 0.8, 0.7
"""Least shares of right signs, and of sizes within a factor of two, among the effects above the noise floor."""


def above_noise(session: Session) -> list[Compared]:
    """Predicted and found change of every figure by every weight, where the found one is above the noise floor."""
    predicted = {effect.figure: effect for effect in all_effects(session, FIGURES)}
    control = refitted(session, WEIGHTS[0], 1.0, iterations=REFIT)
    rows = [row for weight in WEIGHTS for row in compared(session, predicted, control, weight, STEP, iterations=REFIT)]
    return [row for row in rows if abs(row.found) > predicted[row.figure].floor]


@pytest.mark.slow
@pytest.mark.parametrize("clip", [pytest.param("default_walk_turn", marks=pytest.mark.exhaustive), "dance"])
def test_predictions_come_true(clip):
    """On ``dance`` the prior knows the motion badly, and its weight matters most."""
    session = settled(load_session(parse(["--data", clip, "--amass-seq-len", "25"])), iterations=SETTLE)
    rows = above_noise(session)
    told = "\n".join(row.row for row in rows)
    assert any(row.weight == "motion_prior" for row in rows), f"no effect of the prior is above the noise:\n{told}"
    assert sum(row.right for row in rows) >= ALMOST * len(rows), told
    assert sum(row.close for row in rows) >= WITHIN * len(rows), told
