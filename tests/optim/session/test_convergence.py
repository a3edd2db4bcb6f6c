"""The estimate of what is still to gain: exact for a geometric fall, silent at first, and 0 once nothing is gained."""

from __future__ import annotations

import pytest

from optim.session.convergence import FEWEST, still_to_gain


@pytest.mark.parametrize("ratio", [0.5, 0.8, 0.9, 0.99])
@pytest.mark.parametrize("bottom", [-3.0, 0.0, 2.0])
def test_it_is_exact_where_the_distance_falls_by_a_constant_factor(ratio, bottom):
    losses = [bottom + ratio**k for k in range(21)]
    assert still_to_gain(losses) == pytest.approx(losses[-1] - bottom, rel=1e-6)


def test_nothing_is_said_after_few_iterations():
    assert still_to_gain([1.0 / k for k in range(1, FEWEST + 1)]) is None
    assert still_to_gain([1.0 / k for k in range(1, FEWEST + 2)]) is not None


def test_no_gain_means_nothing_left():
    assert still_to_gain([2.0] * 21) == 0.0


def test_a_steady_fall_is_far_from_its_end():
    losses = [20.0 - k for k in range(21)]
    assert still_to_gain(losses) > 10 * (losses[10] - losses[20])
