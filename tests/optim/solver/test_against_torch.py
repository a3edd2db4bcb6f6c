"""Our L-BFGS against torch's, evaluation for evaluation, on many functions, and against itself in other units."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from optim.solver import lbfgs

Function = Callable[[Tensor], Tensor]
COMPARED = 25
"""Number of evaluations that are compared; later ones differ by rounding, which these functions amplify."""


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

    def evaluate(x: Tensor) -> lbfgs.Point:
        leaf = x.detach().requires_grad_()
        value = function(leaf)
        (gradient,) = torch.autograd.grad(value, leaf)
        values.append(value.item())
        return lbfgs.Point(x, value.item(), gradient)

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
