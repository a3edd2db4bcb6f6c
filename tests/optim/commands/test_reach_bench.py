"""How soon a fit is as low as one with the public rules."""

from __future__ import annotations

import pytest

from optim.commands.bench.reach import public_end, public_loss, reached
from tests import fakes


def test_the_end_of_a_public_fit_is_reached_by_another_preset():
    problem = fakes.problem(frames=6)
    end = public_end(problem, steps=(1, 1, 1))
    target, weights = end.current.evaluation.total, end.current.weights
    assert public_loss(end, weights) == pytest.approx(target, rel=1e-5)
    found = reached(problem, "direct", weights, target, steps=(1, 2, 5))
    assert found is not None and found.loss <= target and found.evaluations > 2 and found.wall > 0 < found.seconds
    assert reached(problem, "direct", weights, -1e9, steps=(1, 1, 1)) is None
