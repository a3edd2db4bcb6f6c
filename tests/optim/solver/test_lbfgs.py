"""Our L-BFGS against torch's, and the promises of explicit state."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from optim.solver import lbfgs


def rosenbrock(x: Tensor) -> Tensor:
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def ripples(x: Tensor) -> Tensor:
    """Not convex: line searches have to zoom."""
    return (x**2).sum() + 3.0 * torch.sin(5.0 * x).sum() + (x[0] * x[1]).cos()


def objective(function, log: list[float]):
    def evaluate(x: Tensor) -> lbfgs.Point:
        leaf = x.detach().requires_grad_()
        value = function(leaf)
        (gradient,) = torch.autograd.grad(value, leaf)
        log.append(value.item())
        return lbfgs.Point(x, value.item(), gradient)

    return evaluate


def torch_run(function, x0: Tensor, *, calls: int, max_iter: int):
    x = x0.clone().requires_grad_()
    solver = torch.optim.LBFGS([x], lr=1, max_iter=max_iter, line_search_fn="strong_wolfe")
    values: list[float] = []

    def closure() -> Tensor:
        solver.zero_grad()
        value = function(x)
        value.backward()
        values.append(value.item())
        return value

    points = []
    for _ in range(calls):
        solver.step(closure)
        points.append(x.detach().clone())
    return points, values


def own_run(function, x0: Tensor, *, calls: int, max_iter: int):
    values: list[float] = []
    evaluate = objective(function, values)
    options = lbfgs.Options(max_iterations=max_iter)
    state = lbfgs.init(evaluate(x0), options=options)
    points, states = [], [state]
    for _ in range(calls):
        state = lbfgs.begin(state, options=options)
        while state.stop is None:
            state = lbfgs.step(state, evaluate, options=options)
            states.append(state)
        points.append(state.point.x)
    return points, values, states


@pytest.mark.parametrize("function", [rosenbrock, ripples])
@pytest.mark.parametrize(("calls", "max_iter"), [(1, 20), (3, 20), (6, 3), (4, 2), (8, 1), (2, 120)])
def test_same_iterates_as_torch(function, calls, max_iter):
    x0 = torch.linspace(-1.5, 1.2, 10, dtype=torch.float64)
    theirs, their_values = torch_run(function, x0, calls=calls, max_iter=max_iter)
    ours, our_values, _ = own_run(function, x0, calls=calls, max_iter=max_iter)
    for a, b in zip(theirs, ours, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
    repeated = len(their_values) - len(our_values)
    assert repeated == calls - 1, "all that is saved is the evaluation at the start of each further call"


def test_float32_follows_torch():
    x0 = torch.linspace(-1.5, 1.2, 10)
    theirs, _ = torch_run(rosenbrock, x0, calls=1, max_iter=10)
    ours, _, _ = own_run(rosenbrock, x0, calls=1, max_iter=10)
    torch.testing.assert_close(theirs[0], ours[0], rtol=1e-3, atol=1e-4)


def test_states_are_values():
    """Going on from an old state gives the same bits, and leaves that state untouched."""
    x0 = torch.linspace(-1.5, 1.2, 10)
    _, _, states = own_run(rosenbrock, x0, calls=1, max_iter=20)
    kept = states[7]
    before = (kept.point.x.clone(), kept.point.gradient.clone(), [pair.s.clone() for pair in kept.pairs])
    evaluate = objective(rosenbrock, [])
    again = kept
    for state in states[8:]:
        again = lbfgs.step(again, evaluate)
        assert torch.equal(again.point.x, state.point.x)
        assert again.trials == state.trials
    assert torch.equal(kept.point.x, before[0]) and torch.equal(kept.point.gradient, before[1])
    assert all(torch.equal(pair.s, s) for pair, s in zip(kept.pairs, before[2], strict=True))
    assert states[9].pairs[0] is states[8].pairs[0], "successive states share their pairs"


def test_trials_tell_what_happened():
    x0 = torch.linspace(-1.5, 1.2, 10, dtype=torch.float64)
    values: list[float] = []
    _, values, states = own_run(ripples, x0, calls=1, max_iter=20)
    assert [t.value for state in states for t in state.trials] == values[1:]
    searches = {t.search for state in states for t in state.trials}
    assert searches == {"bracket", "zoom"}
    for old, new in zip(states, [state for state in states[1:] if state.trials], strict=False):
        taken = [t for t in new.trials if t.step_length == new.step_length]
        assert taken[-1].value == new.point.value
        assert taken[-1].armijo
        torch.testing.assert_close(new.point.x, old.point.x + new.step_length * lbfgs.direction(old))


def test_an_iteration_can_wait_between_evaluations():
    x0 = torch.linspace(-1.5, 1.2, 10)
    evaluate = objective(rosenbrock, [])
    start = lbfgs.init(evaluate(x0))
    whole = lbfgs.step(start, evaluate)
    search = lbfgs.iteration(start)
    x = next(search)
    with pytest.raises(StopIteration) as finished:
        while True:
            x = search.send(evaluate(x))
    assert torch.equal(finished.value.value.point.x, whole.point.x)


def test_stops_at_the_minimum_and_says_why():
    evaluate = objective(lambda x: (x**2).sum(), [])
    state = lbfgs.init(evaluate(torch.zeros(3)))
    assert state.stop == lbfgs.STOP_GRADIENT and state.stalled
    with pytest.raises(ValueError, match="begin"):
        lbfgs.step(state, evaluate)


def test_a_stalled_step_would_only_repeat_itself():
    """Once ``stalled``, further steps of torch move nothing."""
    x0 = torch.linspace(-1.5, 1.2, 10)
    _, _, states = own_run(rosenbrock, x0, calls=40, max_iter=20)
    stalled = [state for state in states if state.stalled]
    assert stalled, "float32 runs into its own resolution"
    assert torch.equal(stalled[0].point.x, states[-1].point.x)


def test_a_step_into_nan_is_taken_back():
    def cliff(x: Tensor) -> Tensor:
        return x.sum() * float("nan") if x.abs().max() > 1.0 else ((x - 0.9) ** 2).sum() * 40.0

    evaluate = objective(cliff, [])
    options = lbfgs.Options(max_iterations=20)
    state = replace(lbfgs.init(evaluate(torch.full((3,), -0.9)), options=options), iterations=1)
    while state.stop is None:
        state = lbfgs.step(state, evaluate, options=options)
    assert torch.isfinite(state.point.x).all()
    assert state.point.value < 1e-3
