"""Our L-BFGS against torch's, evaluation for evaluation, on many functions, and against itself in other units."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from optim.solver import lbfgs
from tests.optim.solver.test_lbfgs import objective

Function = Callable[[Tensor], Tensor]
COMPARED = 25
"""Number of evaluations that are compared; later ones differ by rounding, which these functions amplify."""

TRIALS = 9
"""Number of trials of a line search that are compared."""


def rough(seed: int) -> tuple[Function, Tensor]:
    """A function with valleys, ripples, kinks and badly scaled variables, and a point to start from."""
    random = torch.Generator().manual_seed(seed)
    size = int(torch.randint(3, 60, (1,), generator=random))
    scale = 10.0 ** (torch.rand(size, generator=random, dtype=torch.float64) * 2 - 1)
    mix = torch.randn(size, size, generator=random, dtype=torch.float64) / size**0.5
    kinks, ripples, valley = (seed % 2) * 2.0, (seed % 3) * 1.5, (seed % 5) * 3.0

    def function(x: Tensor) -> Tensor:
        y = mix @ (scale * x)
        value = (y**2).sum() + ripples * torch.sin(4.0 * y).sum() + kinks * y.abs().sum()
        return value + valley * ((y[1:] - y[:-1] ** 2) ** 2).sum()

    return function, torch.randn(size, generator=random, dtype=torch.float64)


def torch_values(function: Function, x0: Tensor, *, history: int) -> list[float]:
    x, values = x0.clone().requires_grad_(), []
    solver = torch.optim.LBFGS([x], lr=1, max_iter=60, history_size=history, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        value = function(x)
        value.backward()
        values.append(value.item())
        return value

    solver.step(closure)
    return values


def own_values(function: Function, x0: Tensor, *, history: int, preconditioner: Tensor | None = None) -> list[float]:
    values: list[float] = []
    evaluate = objective(function, values)
    options = lbfgs.Options(max_iterations=60, history=history)
    state = lbfgs.init(evaluate(x0), options=options, preconditioner=preconditioner)
    while state.stop is None:
        state = lbfgs.step(state, evaluate, options=options)
    return values


def assert_same(ours: list[float], theirs: list[float]) -> None:
    count = min(COMPARED, len(theirs))
    assert len(ours) >= count and count > 3
    torch.testing.assert_close(torch.tensor(ours[:count]), torch.tensor(theirs[:count]), rtol=2e-5, atol=1e-9)


@pytest.mark.parametrize("history", [100, 4])
@pytest.mark.parametrize("seed", range(16))
def test_every_evaluation_is_that_of_torch(seed, history):
    function, x0 = rough(seed)
    assert_same(own_values(function, x0, history=history), torch_values(function, x0, history=history))


@pytest.mark.parametrize("seed", range(8))
def test_a_preconditioner_is_a_change_of_units(seed):
    """With M the iterations are those of a plain L-BFGS on x / √M."""
    function, x0 = rough(seed)
    unit = 10.0 ** (torch.rand(len(x0), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.5)
    plain = own_values(lambda u: function(unit * u), x0 / unit, history=100)
    assert_same(own_values(function, x0, history=100, preconditioner=unit**2), plain)


def wavy(seed: int) -> tuple[Callable[[float], tuple[float, float]], float]:
    """A function of the step length with its derivative, falling at 0, and a first step length to try."""
    random = torch.Generator().manual_seed(seed)
    a, b, c, k, shift, length = torch.rand(6, generator=random, dtype=torch.float64).tolist()
    fall, bend, wave = -(10.0 ** (3 * a - 2)), 10.0 ** (4 * b - 3), 10.0 ** (3 * c - 2)
    pitch, phase = 10.0 ** (2 * k - 0.5), 6.28 * shift
    fall -= max(0.0, wave * pitch * math.cos(phase))  # The wave alone may rise at 0.

    def function(t: float) -> tuple[float, float]:
        value = fall * t + bend * t**2 + wave * (math.sin(pitch * t + phase) - math.sin(phase))
        return value, fall + 2 * bend * t + wave * pitch * math.cos(pitch * t + phase)

    return function, 10.0 ** (3 * length - 2)


def test_every_trial_of_a_line_search_is_that_of_torch():
    """Along 1,000 functions of one step length, with wide and with narrow room for the zoom."""
    from torch.optim.lbfgs import _strong_wolfe

    zero, one = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    for seed in range(1000):
        function, length = wavy(seed)
        move, tolerance = one * (1.0, 1e-3)[seed % 2], (1e-9, 1e-5)[seed // 2 % 2]
        tried: list[float] = []

        def theirs(_x: object, t: float, _d: object, function=function, move=move, tried=tried):
            tried.append(float(t))
            value, slope = function(float(t))
            return value, slope / move

        value, slope = function(0.0)
        start = lbfgs.Point(zero, value, slope / move)
        _strong_wolfe(theirs, [zero], length, move, value, slope / move, slope, tolerance_change=tolerance)
        search = lbfgs.strong_wolfe(start, move, length, slope, max_trials=25, tolerance=tolerance)
        x = next(search)
        try:
            while True:
                there = function(float(x / move))
                x = search.send(lbfgs.Point(x, there[0], there[1] / move))
        except StopIteration as finished:
            _, _, trials = finished.value
        ours = [trial.step_length for trial in trials]
        # Later trials lie so close together that rounding decides between them.
        assert min(len(ours), TRIALS) == min(len(tried), TRIALS), seed
        assert ours[:TRIALS] == pytest.approx(tried[:TRIALS], rel=1e-6), seed
