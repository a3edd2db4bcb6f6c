"""Levenberg–Marquardt on sums of squares: it converges, keeps its state as a value, and rejects worse steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from optim.solver import lbfgs, levenberg_marquardt
from optim.solver.banded import bordered_band
from optim.solver.levenberg_marquardt import (
    FASTEST,
    FIRST_DAMPING,
    MOST_DAMPING,
    STOP_CONVERGED,
    LevenbergMarquardtState,
    Options,
)
from optim.solver.solver import STOP_ITERATIONS, ModelAt, Point
from tests.optim.solver.test_modelled_lbfgs import Fixed

START = torch.tensor([-1.2, 1.0], dtype=torch.float64)


def residuals(x: Tensor) -> Tensor:
    """Rosenbrock's function as residuals; the minimum 0 is at (1, 1)."""
    return torch.stack((1.0 - x[0], 10.0 * (x[1] - x[0] ** 2)))


def point(x: Tensor) -> Point:
    leaf = x.detach().requires_grad_()
    value = 0.5 * residuals(leaf).square().sum()
    (gradient,) = torch.autograd.grad(value, leaf)
    return Point(x, value.item(), gradient)


@dataclass(frozen=True)
class Dense:
    """The Gauss–Newton model of the residuals at a point."""

    x: Tensor

    @property
    def matrix(self) -> Tensor:
        jacobian = torch.autograd.functional.jacobian(residuals, self.x)
        return jacobian.T @ jacobian

    def step(self, gradient: Tensor, damping: float) -> Tensor:
        return -torch.linalg.solve(self.matrix + damping * torch.diag(self.matrix.diag()), gradient)

    def curvature(self, step: Tensor) -> float:
        return float(step @ self.matrix @ step)


def iterate(state: LevenbergMarquardtState, evaluate=point, *, model=Dense, **options) -> LevenbergMarquardtState:
    search = levenberg_marquardt.iteration(state, options=Options(**options))
    try:
        request = next(search)
        while True:
            answer = model(request.x) if isinstance(request, ModelAt) else evaluate(request)
            request = search.send(answer)
    except StopIteration as finished:
        return finished.value


def run(state: LevenbergMarquardtState, iterations: int, **options) -> LevenbergMarquardtState:
    for _ in range(iterations):
        if state.stalled:
            break
        if state.stop is not None:
            state = levenberg_marquardt.begin(state)
        state = iterate(state, **options)
    return state


def test_it_reaches_the_minimum_of_rosenbrocks_function():
    state = run(levenberg_marquardt.init(point(START)), 40, tolerance_gain=0.0)
    np.testing.assert_allclose(state.point.x, [1.0, 1.0], atol=1e-6)
    assert state.stalled and state.iterations < 40


def test_every_step_that_is_taken_lowers_the_loss_and_the_trials_tell_how():
    state, loss = levenberg_marquardt.init(point(START)), point(START).value
    rejected = 0
    for _ in range(12):
        state = iterate(state, max_iterations=100)
        *others, last = state.trials
        rejected += len(others)
        assert last.accepted and not any(trial.accepted for trial in others)
        assert state.point.value == last.value < loss
        assert last.gain == pytest.approx((loss - last.value) / last.promised)
        assert all(
            before.damping < after.damping for before, after in zip(state.trials, state.trials[1:], strict=False)
        )
        loss = last.value
    assert rejected, "the valley is curved, so some steps are too long"


def test_a_quadratic_loss_falls_by_what_was_promised_and_the_damping_shrinks_fastest():
    hessian = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)

    def evaluate(x: Tensor) -> Point:
        return Point(x, float(0.5 * x @ hessian @ x), hessian @ x)

    state = iterate(levenberg_marquardt.init(evaluate(START)), evaluate, model=lambda x: Fixed(hessian))
    assert [trial.gain for trial in state.trials] == [pytest.approx(1.0)]
    assert state.damping == pytest.approx(FASTEST * FIRST_DAMPING)


def test_only_small_gains_in_a_row_end_a_search():
    begun = replace(levenberg_marquardt.init(point(START)), small_gains=1)
    assert iterate(begun).small_gains == 0
    first = iterate(begun, tolerance_gain=1e9, patience=3)
    assert first.stop is None and first.small_gains == 2
    last = iterate(first, tolerance_gain=1e9, patience=3)
    assert last.stop == STOP_CONVERGED and last.stalled


def test_the_same_state_gives_the_same_step_bit_for_bit():
    state = run(levenberg_marquardt.init(point(START)), 4)
    first, second = iterate(state), iterate(state)
    assert torch.equal(first.point.x, second.point.x) and first.trials == second.trials
    assert first.damping == second.damping


def test_a_point_that_is_not_finite_is_rejected():
    begun = levenberg_marquardt.init(point(START))
    asked = []

    def evaluate(x: Tensor) -> Point:
        asked.append(x)
        return replace(point(x), value=math.nan) if len(asked) < 3 else point(x)

    state = iterate(begun, evaluate)
    assert [trial.accepted for trial in state.trials] == [False, False, True]
    assert not state.trials[0].finite and state.trials[2].finite
    assert state.slope == pytest.approx(float(begun.point.gradient @ (asked[0] - begun.point.x)))


def test_a_search_without_a_better_point_stays_and_says_so():
    begun = levenberg_marquardt.init(point(START))
    state = iterate(begun, lambda x: replace(point(x), value=1e9), max_trials=5)
    assert state.point is begun.point and state.step_length == 0.0
    assert state.stop == levenberg_marquardt.STOP_NO_STEP and state.stalled
    assert len(state.trials) == 5 and state.promised > 0


def test_the_largest_damping_is_tried_once():
    begun = replace(levenberg_marquardt.init(point(START)), damping=MOST_DAMPING / 10)
    state = iterate(begun, lambda x: replace(point(x), value=1e9))
    dampings = [trial.damping for trial in state.trials]
    assert dampings[-1] == MOST_DAMPING and len(set(dampings)) == len(dampings) < Options().max_trials


def test_a_step_has_its_number_of_iterations():
    state = levenberg_marquardt.init(point(START))
    state = iterate(iterate(state, max_iterations=2), max_iterations=2)
    assert state.stop is not None and not state.stalled
    with pytest.raises(ValueError, match="begin"):
        iterate(state)
    assert levenberg_marquardt.begin(state).stop is None


def test_it_takes_over_from_the_other_solver_and_back():
    other = lbfgs.step(lbfgs.init(point(START)), point)
    taken = levenberg_marquardt.restart(other, other.point, keep_memory=True)
    assert taken.damping == levenberg_marquardt.FIRST_DAMPING
    assert taken.iterations_in_step == other.iterations_in_step
    state = iterate(taken)
    back = lbfgs.restart(state, state.point, keep_memory=True)
    assert back.pairs == () and back.iterations_in_step == state.iterations_in_step == 2


def test_an_edit_keeps_the_damping_only_with_the_memory():
    state = run(levenberg_marquardt.init(point(START)), 3)
    assert state.damping != levenberg_marquardt.FIRST_DAMPING
    assert levenberg_marquardt.restart(state, state.point, keep_memory=True).damping == state.damping
    again = levenberg_marquardt.restart(state, state.point)
    assert again.damping == levenberg_marquardt.FIRST_DAMPING and again.iterations == 0 < state.iterations


def test_an_edit_revives_a_search_but_adds_no_iterations_to_its_step():
    state = iterate(levenberg_marquardt.init(point(START)), max_iterations=1)
    assert state.stop == STOP_ITERATIONS == levenberg_marquardt.restart(state, state.point).stop
    stuck = replace(state, stop=levenberg_marquardt.STOP_NO_STEP, stalled=True)
    again = levenberg_marquardt.restart(stuck, state.point)
    assert again.stop is None and not again.stalled


# The matrix


def spread(order: np.ndarray, moving: np.ndarray, seed: int = 0):
    """A bordered band of 4 blocks of 3 and a border of 2, and the same matrix in full."""
    rng = np.random.RandomState(seed)
    full = np.zeros((14, 14))
    blocks = []
    for a, b in ((0, 0), (1, 1), (2, 2), (3, 3), (0, 1), (2, 1), (3, 2)):
        value = rng.randn(1, 3, 3)
        rows, columns = order[a] * 3, order[b] * 3
        if a == b:
            value = value + value.transpose(0, 2, 1) + 20 * np.eye(3)
        blocks.append((np.array([rows]), np.array([columns]), value))
        full[rows : rows + 3, columns : columns + 3] += value[0]
        if a != b:
            full[columns : columns + 3, rows : rows + 3] += value[0].T
    border, corner = rng.randn(12, 2), np.diag([30.0, 40.0])
    full[:12, 12:], full[12:, :12], full[12:, 12:] = border, border.T, corner
    return bordered_band(blocks, border, corner, moving), full


@pytest.mark.parametrize("moving", [np.arange(14), np.array([13, 0, 2, 5, 7, 11])])
@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_a_step_solves_the_damped_system_of_what_moves(moving, damping):
    matrix, full = spread(np.arange(4), moving)
    gradient = torch.randn(len(moving), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    part = full[np.ix_(moving, moving)]
    expected = -np.linalg.solve(part + damping * np.diag(np.diag(part)), gradient.numpy())
    step = matrix.step(gradient, damping)
    np.testing.assert_allclose(step, expected, rtol=1e-9)
    assert matrix.curvature(step) == pytest.approx(float(expected @ part @ expected), rel=1e-9)


def test_the_width_of_the_band_follows_from_the_blocks():
    assert len(spread(np.arange(4), np.arange(14))[0].band) == 6
    assert len(spread(np.array([0, 2, 3, 1]), np.arange(14))[0].band) == 9


def test_an_unknown_without_curvature_does_not_disturb_the_others():
    matrix, _ = spread(np.arange(4), np.arange(14))
    others, _ = spread(np.arange(4), np.arange(13))
    gradient = torch.randn(14, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradient[13] = 0.0
    flat = replace(matrix, border=matrix.border * [1.0, 0.0], corner=np.diag([30.0, 0.0]))
    step = flat.step(gradient, 0.3)
    np.testing.assert_allclose(step[:13], others.step(gradient[:13], 0.3), rtol=1e-9)
    assert step[13] == 0.0


def test_a_matrix_without_a_minimum_is_refused():
    matrix, _ = spread(np.arange(4), np.arange(14))
    gradient = torch.ones(14, dtype=torch.float64)
    for factor in (-1.0, np.nan):
        with pytest.raises(ArithmeticError, match="no minimum"):
            replace(matrix, band=factor * matrix.band).step(gradient, 0.0)


def test_without_a_model_nothing_moves():
    begun = levenberg_marquardt.init(point(START))
    search = levenberg_marquardt.iteration(begun)
    assert isinstance(next(search), ModelAt)
    with pytest.raises(StopIteration) as finished:
        search.send(None)
    assert finished.value.value.stop == levenberg_marquardt.STOP_NO_STEP
