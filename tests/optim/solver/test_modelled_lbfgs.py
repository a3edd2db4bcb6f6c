"""L-BFGS on a model: its directions, when the model is made anew, and the promises of explicit state."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from optim.solver import lbfgs, modelled_lbfgs
from optim.solver.modelled_lbfgs import KEPT, ModelledState, Options
from optim.solver.solver import STOP_EVALUATIONS, STOP_ITERATIONS, ModelAt, Point
from tests.optim.solver.test_against_torch import rough
from tests.optim.solver.test_lbfgs import objective

Models = Callable[[Tensor], object]


class Fixed:
    """A model with the same Hessian everywhere."""

    def __init__(self, hessian: Tensor) -> None:
        self.hessian = hessian

    def step(self, gradient: Tensor, damping: float) -> Tensor:
        damped = self.hessian + damping * self.hessian.diagonal().diag()
        return -torch.linalg.solve(damped, gradient)

    def curvature(self, step: Tensor) -> float:
        return float(step @ self.hessian @ step)


def stepped(
    state: ModelledState, evaluate: Callable[[Tensor], Point], models: Models, options: Options
) -> tuple[ModelledState, list[Tensor]]:
    """The state after one iteration, and the points at which models were asked for."""
    search, asked = modelled_lbfgs.iteration(state, options=options), []
    try:
        request = next(search)
        while True:
            if isinstance(request, ModelAt):
                asked.append(request.x)
                request = search.send(models(request.x))
            else:
                request = search.send(evaluate(request))
    except StopIteration as finished:
        return finished.value, asked


def all_states(seed: int, options: Options, *, models: Models | None = None) -> list[ModelledState]:
    """The states of a whole step on a function with valleys, ripples and kinks."""
    function, x0 = rough(seed)
    evaluate = objective(function, [])
    hessian = torch.diag(1.0 + torch.arange(len(x0), dtype=x0.dtype) % 3)
    states = [modelled_lbfgs.init(evaluate(x0), options=options)]
    while states[-1].stop is None:
        states.append(stepped(states[-1], evaluate, models or (lambda x: Fixed(hessian)), options)[0])
    return states


@pytest.mark.parametrize("seed", range(6))
def test_with_a_diagonal_model_the_directions_are_those_of_the_diagonal_preconditioner(seed):
    diagonal = 0.5 + torch.rand(len(rough(seed)[1]), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    options = Options(max_iterations=12, max_evaluations=200, first_damping=0.0, damping=0.0)
    model = Fixed(diagonal.reciprocal().diag())
    states = all_states(seed, options, models=lambda x: model)
    assert len(states) > 4
    for state in states[1:]:
        if state.made is None:
            continue
        newest = state.pairs[-1]
        scale = 1.0 / (newest.rho * float((newest.y * diagonal) @ newest.y))
        plain = lbfgs.LbfgsState(state.point, pairs=state.pairs, scale=scale, preconditioner=diagonal)
        torch.testing.assert_close(modelled_lbfgs.direction(state, model), lbfgs.direction(plain), rtol=1e-7, atol=1e-9)


def test_an_exact_model_needs_one_step():
    root = torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hessian = root.T @ root + torch.eye(6, dtype=torch.float64)

    def evaluate(x: Tensor) -> Point:
        return Point(x, float(0.5 * x @ hessian @ x), hessian @ x)

    options = Options(max_iterations=5, first_damping=0.0)
    state = modelled_lbfgs.init(evaluate(torch.ones(6, dtype=torch.float64)), options=options)
    state, _ = stepped(state, evaluate, lambda x: Fixed(hessian), options)
    assert float(state.point.x.abs().max()) < 1e-9 and state.step_length == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_never_rises_and_the_model_is_asked_for_where_it_was_made(seed):
    options = Options(max_iterations=40, max_evaluations=400, lasts=4)
    function, x0 = rough(seed)
    evaluate, hessian = objective(function, []), torch.eye(len(x0), dtype=x0.dtype)
    state = modelled_lbfgs.init(evaluate(x0), options=options)
    places = []
    while state.stop is None:
        before = state
        state, asked = stepped(state, evaluate, lambda x: Fixed(hessian), options)
        assert state.point.value <= before.point.value
        (place,) = asked
        new = before.made is None or place is not before.made.x
        assert not new or torch.equal(place, before.point.x)
        places += [place] if new else []
        assert state.made is None or state.made.x is place
    assert len(places) > 1


def test_a_model_lasts_longer_each_time_and_ends_early_where_searches_are_shortened():
    options = Options(max_iterations=100, lasts=3, patience=2)
    point = Point(torch.zeros(2), 1.0, torch.ones(2))
    state = modelled_lbfgs.init(point, options=options)
    first = modelled_lbfgs._made(state, options)
    assert (first.damping, first.lasts) == (options.first_damping, 3)
    served = replace(first, x=torch.ones(2), iterations=2)
    assert modelled_lbfgs._made(replace(state, made=served), options) is served
    worn = modelled_lbfgs._made(replace(state, made=replace(served, iterations=3)), options)
    assert (worn.damping, worn.lasts, worn.iterations) == (options.damping, 6, 0) and worn.x is point.x
    bad = modelled_lbfgs._made(replace(state, made=replace(served, shortened=2)), options)
    assert bad.x is point.x and bad.damping == options.first_damping
    for shortened, damping in ((1, options.damping), (2, options.first_damping)):  # of 4
        half = replace(first, iterations=4, shortened=shortened)
        assert modelled_lbfgs._made(replace(state, made=half), options).damping == damping


@pytest.mark.parametrize(("length", "shortened"), [(0.2, 1), (0.5, 0), (1.0, 0)])
def test_a_search_counts_as_shortened_by_its_step_length(length, shortened):
    state = modelled_lbfgs.init(Point(torch.zeros(2), 1.0, torch.ones(2)))
    before = replace(state, made=modelled_lbfgs.Made(torch.zeros(2), 0.1, 15, iterations=4))
    made = modelled_lbfgs._judged(before, replace(before, step_length=length), Options()).made
    assert made is not None and (made.iterations, made.shortened) == (5, shortened)


def test_any_state_goes_on_in_the_same_way_again():
    """Also after it was pickled, and with models that are made anew."""
    options = Options(max_iterations=15, max_evaluations=200, lasts=4)
    function, x0 = rough(3)
    evaluate = objective(function, [])

    def models(x: Tensor) -> Fixed:
        return Fixed((1.0 + x.abs()).diag())

    states = all_states(3, options, models=models)
    for before, after in zip(states[:-1], states[1:], strict=True):
        for start in (before, pickle.loads(pickle.dumps(before))):
            again, _ = stepped(start, evaluate, models, options)
            assert torch.equal(again.point.x, after.point.x) and again.trials == after.trials


def test_where_nothing_is_gained_model_and_memory_begin_anew_once():
    """A model that leads uphill for every gradient but the first: the search fails, then begins again."""
    start = Point(torch.zeros(3), 0.0, torch.ones(3))
    options = Options(max_iterations=10)

    def evaluate(x: Tensor) -> Point:
        return Point(x, float(x.abs().sum()) + 1.0, torch.ones(3))

    state = modelled_lbfgs.init(start, options=options)
    used = replace(state, made=modelled_lbfgs.Made(torch.ones(3), 0.1, 15, iterations=2), iterations=2)
    after, _ = stepped(used, evaluate, lambda x: Fixed(torch.eye(3)), options)
    assert after.stop is None and after.made is None and not after.stalled
    last, _ = stepped(after, evaluate, lambda x: Fixed(torch.eye(3)), options)
    assert last.stop is not None


@pytest.mark.parametrize(("done", "stop"), [(2, None), (9, STOP_ITERATIONS)])
@pytest.mark.parametrize("curvature", [1.0, -1.0])
def test_a_search_that_fails_ends_a_step_only_where_it_was_the_last_one(done, stop, curvature):
    """It fails because the loss is higher everywhere, or because the model has no minimum and leads uphill.

    Memory is cleared also where the model is new, but pairs of another objective were kept.
    """
    start, options = Point(torch.zeros(3), 0.0, torch.ones(3)), Options(max_iterations=10, max_evaluations=200)
    pair = lbfgs.Pair(torch.ones(3), torch.zeros(3), torch.ones(3), 1.0 / 3.0)
    kept = replace(modelled_lbfgs.init(start, options=options), iterations=done, iterations_in_step=done)
    if curvature > 0:
        kept = replace(kept, pairs=(pair,))
    else:
        kept = replace(kept, made=modelled_lbfgs.Made(torch.zeros(3), 0.1, 15, iterations=2))

    def evaluate(x: Tensor) -> Point:
        return Point(x, float(x.abs().sum()) + 1.0, torch.ones(3))

    after, _ = stepped(kept, evaluate, lambda x: Fixed(curvature * torch.eye(3)), options)
    assert after.stop == stop and after.pairs == () and after.made is None and after.step_length == 0.0
    spent, _ = stepped(replace(kept, evaluations_in_step=199), evaluate, lambda x: Fixed(torch.eye(3)), options)
    assert spent.stop == (stop or STOP_EVALUATIONS)


class Bottomless(Fixed):
    """A model without a minimum."""

    def step(self, gradient: Tensor, damping: float) -> Tensor:
        raise ArithmeticError


@pytest.mark.parametrize("model", [None, Bottomless(torch.eye(1))])
def test_without_a_model_it_is_plain_lbfgs(model):
    function, x0 = rough(2)
    evaluate, options = objective(function, []), Options(max_iterations=10)
    diagonal = torch.full_like(x0, 0.3)
    for preconditioner in (None, diagonal):
        state = modelled_lbfgs.init(evaluate(x0), options=options, preconditioner=preconditioner)
        plain = lbfgs.init(evaluate(x0), options=options, preconditioner=preconditioner)
        while plain.stop is None:
            plain = lbfgs.step(plain, evaluate, options=options)
            state, asked = stepped(state, evaluate, lambda x: model, options)
            assert torch.equal(plain.point.x, state.point.x)
            assert bool(asked) == (preconditioner is None)
        assert state.stop == plain.stop


def test_another_objective_clears_model_and_memory():
    options = Options(max_iterations=15)
    state = next(state for state in all_states(1, options) if len(state.pairs) > 1)
    state = replace(state, pairs=KEPT * state.pairs)
    assert len(state.pairs) > KEPT
    point = replace(state.point, value=5.0)
    again = modelled_lbfgs.restart(state, point)
    assert again.made is None and again.pairs == () and again.point is point
    kept = modelled_lbfgs.restart(state, point, keep_memory=True)
    assert kept.made is None and kept.pairs == state.pairs[-KEPT:]
    dampings = [modelled_lbfgs._made(one, options).damping for one in (again, kept)]
    assert dampings == [options.first_damping, options.damping]
    plain = lbfgs.restart(state, point)
    assert isinstance(modelled_lbfgs.restart(plain, point), ModelledState)
