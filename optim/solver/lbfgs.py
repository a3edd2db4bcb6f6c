"""L-BFGS with a strong-Wolfe line search as explicit state: ``init``, ``begin``, ``step``.

Knows no variables, terms or schedule: it minimises a function of one flat vector. It computes what
``torch.optim.LBFGS`` computes: one call of torch's ``step(closure)`` corresponds to ``begin`` followed by ``step``
until ``state.stop`` is set. The value at the point reached is kept, so the evaluation that torch repeats at the start
of every call is saved. States, trials and curvature pairs are immutable values; successive states share their pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from scipy.linalg.blas import get_blas_funcs
from torch import Tensor

from optim.solver.solver import (
    STOP_CHANGE,
    STOP_EVALUATIONS,
    STOP_GRADIENT,
    STOP_ITERATIONS,
    STOP_MOVE,
    STOP_SLOPE,
    Evaluate,
    Point,
    State,
    begun,
)

SUFFICIENT_DECREASE = 1e-4
"""Constant c1 of the Wolfe conditions (Armijo)."""
CURVATURE = 0.9
"""Constant c2 of the Wolfe conditions."""
MIN_CURVATURE = 1e-10
"""A curvature pair enters the memory only if sᵀy exceeds this."""


@dataclass(frozen=True)
class Trial:
    """One point tried along the search direction."""

    step_length: float
    value: float
    slope: float
    armijo: bool
    """Whether the value satisfies the condition of sufficient decrease."""
    wolfe: bool
    """Whether the slope satisfies the strong curvature condition."""
    search: str
    """Phase of the line search: ``bracket`` or ``zoom``."""

    @property
    def finite(self) -> bool:
        """Whether value and slope are finite."""
        return math.isfinite(self.value) and math.isfinite(self.slope)


@dataclass(frozen=True, eq=False)
class Pair:
    """Curvature between two iterates: the step s (n,) and the gradients before and after it (n,).

    The states hold these gradients anyway. Their difference y is cached for the latest pairs only. A state that is kept
    therefore costs three vectors: point, gradient and step.
    """

    s: Tensor
    before: Tensor
    after: Tensor
    rho: float
    """1 / sᵀy."""

    @cached_property
    def memory(self) -> tuple[tuple[int, int], ...]:
        """Address and size [bytes] of the storage of each vector.

        It is cached because every iteration asks a hundred pairs for it.
        """
        storages = [tensor.untyped_storage() for tensor in (self.s, self.before, self.after)]
        return tuple((storage.data_ptr(), storage.nbytes()) for storage in storages)

    def __getstate__(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def y(self) -> Tensor:
        """Change of the gradient (n,)."""
        return torch.from_numpy(_change(self))

    @cached_property
    def step(self) -> np.ndarray:
        """``s`` as an array for the BLAS, on the same memory. A BLAS call on short vectors takes a quarter of torch's
        time."""
        return self.s.numpy()


@lru_cache(maxsize=128)  # more than the usual history of 100, because every iteration drops one pair from it
def _change(pair: Pair) -> np.ndarray:
    return (pair.after - pair.before).numpy()


@dataclass(frozen=True)
class Options:
    """Options of L-BFGS, with the defaults of torch. ``max_evaluations`` None means ``max_iterations · 5 // 4``."""

    max_iterations: int = 20
    max_evaluations: int | None = None
    learning_rate: float = 1.0
    history: int = 100
    tolerance_gradient: float = 1e-7
    tolerance_change: float = 1e-9

    @property
    def evaluation_budget(self) -> int:
        """Largest number of evaluations in a step, the known one at its start included."""
        return self.max_iterations * 5 // 4 if self.max_evaluations is None else self.max_evaluations


@dataclass(frozen=True)
class LbfgsState(State):
    """Everything that the next iteration depends on, and what the last iteration did."""

    pairs: tuple[Pair, ...] = ()
    scale: float = 1.0
    """sᵀy / yᵀ M y of the newest pair. The initial inverse Hessian is this times the diagonal preconditioner M."""
    preconditioner: Tensor | None = None
    """(n,) diagonal preconditioner M. None means the identity, as in torch."""
    trials: tuple[Trial, ...] = ()
    """Trials of the last line search, in order."""

    @property
    def tried(self) -> tuple[Trial, ...]:
        return self.trials

    @property
    def promised(self) -> float:
        return 0.5 * -self.slope * self.trials[0].step_length if self.trials else 0.0


Search = Generator[Tensor, Point, LbfgsState]


def init(start: Point, *, options: Options | None = None, preconditioner: Tensor | None = None) -> LbfgsState:
    """State before the first iteration, with an empty memory.

    Args:
        start: The point to start from, evaluated already.
        preconditioner: (n,) > 0: diagonal preconditioner M, an estimate of the diagonal of the inverse Hessian. The
            iterations are those of a plain L-BFGS on x / √M.
    """
    return begin(LbfgsState(point=start, preconditioner=preconditioner), options=options)


def begin(state: LbfgsState, *, options: Options | None = None) -> LbfgsState:
    """Begin a step: reset the budget of iterations and evaluations. The memory stays."""
    return replace(begun(state, tolerance_gradient=(options or Options()).tolerance_gradient), trials=())


def restart(
    state: State, point: Point, *, keep_memory: bool = False, preconditioner: Tensor | None = None
) -> LbfgsState:
    """Continue the same step under another objective, or after another solver, whose memory is of no use here.

    The curvature of another loss may mislead the search, so the memory is cleared unless ``keep_memory`` is set.
    docs/optimiser.md has measurements of both.

    Args:
        point: The point to continue from, evaluated under the new objective.
        preconditioner: (n,) diagonal preconditioner of the new objective. It is ignored if the memory is kept.
    """
    spent = state.stop if state.stop in (STOP_ITERATIONS, STOP_EVALUATIONS) else None
    if type(state) is not LbfgsState:
        done, asked = state.iterations_in_step, state.evaluations_in_step
        state = LbfgsState(state.point, iterations_in_step=done, evaluations_in_step=asked)
        keep_memory = False
    state = replace(state, point=point, trials=(), step_length=0.0, stop=spent, stalled=False)
    return state if keep_memory else replace(state, pairs=(), scale=1.0, preconditioner=preconditioner, iterations=0)


def step(state: LbfgsState, evaluate: Evaluate, *, options: Options | None = None) -> LbfgsState:
    """State after one iteration: direction, line search, update of the memory.

    Raises:
        ValueError: The step has ended already; call ``begin`` first.
    """
    search = iteration(state, options=options)
    try:
        x = next(search)
        while True:
            x = search.send(evaluate(x))
    except StopIteration as finished:
        updated: LbfgsState = finished.value
        return updated


def iteration(state: LbfgsState, *, options: Options | None = None) -> Search:
    """One iteration as a generator: it yields points to evaluate, takes a ``Point`` back, and returns the new state.

    The caller may pause between two evaluations for any time.

    Raises:
        ValueError: The step has ended already; call ``begin`` first.
    """
    if state.stop is not None:
        raise ValueError(f"this step has ended ({state.stop}); call begin() before the next iteration")
    options = options or Options()
    here = state.point
    move = direction(state)
    if state.iterations == 0:
        steepness = here.gradient if state.preconditioner is None else here.gradient * state.preconditioner.sqrt()
        length = min(1.0, 1.0 / float(steepness.abs().sum())) * options.learning_rate
    else:
        length = options.learning_rate
    after: LbfgsState = yield from along(state, move, length, options)
    return after


def along(state: LbfgsState, move: Tensor, length: float, options: Options) -> Search:
    """The rest of an iteration for a search direction (n,): line search and update of the memory.

    Args:
        length: First step length to try, in multiples of the direction.
    """
    here = state.point
    slope = float(here.gradient.dot(move))
    state = replace(
        state,
        iterations=state.iterations + 1,
        iterations_in_step=state.iterations_in_step + 1,
        slope=slope,
        step_length=0.0,
        trials=(),
    )
    if slope > -options.tolerance_change:
        return replace(state, stop=STOP_SLOPE, stalled=state.iterations_in_step == 1)
    budget = options.evaluation_budget - state.evaluations_in_step
    there, length, trials = yield from strong_wolfe(
        here, move, length, slope, max_trials=budget, tolerance=options.tolerance_change
    )
    state = replace(
        state,
        step_length=length,
        trials=trials,
        evaluations_in_step=state.evaluations_in_step + len(trials),
    )
    return _arrive(state, there, move, options)


def direction(state: LbfgsState) -> Tensor:
    """Quasi-Newton direction (n,) by the two-loop recursion. Source: Nocedal and Wright, algorithm 7.4."""
    d = state.point.gradient.neg()
    if not state.pairs:
        return d if state.preconditioner is None else d.mul_(state.preconditioner)
    moving = d.numpy()
    dot, add_to = get_blas_funcs(("dot", "axpy"), dtype=moving.dtype)
    steps, changes, weights = [pair.step for pair in state.pairs], [_change(pair) for pair in state.pairs], []
    for pair, s, y in zip(reversed(state.pairs), reversed(steps), reversed(changes), strict=True):
        weight = dot(s, moving) * pair.rho
        add_to(y, moving, a=-weight)
        weights.append(weight)
    d.mul_(state.scale)
    if state.preconditioner is not None:
        d.mul_(state.preconditioner)
    for pair, s, y, weight in zip(state.pairs, steps, changes, reversed(weights), strict=True):
        add_to(s, moving, a=weight - dot(y, moving) * pair.rho)
    return d


def _arrive(state: LbfgsState, there: Point, move: Tensor, options: Options) -> LbfgsState:
    """State at the new point: add the curvature pair of the move, and decide whether the step goes on."""
    here = state.point
    s = move * state.step_length
    y = there.gradient - here.gradient
    curvature = float(y.dot(s))
    learnt = curvature > MIN_CURVATURE
    stop = None
    if state.iterations_in_step == options.max_iterations:
        stop = STOP_ITERATIONS
    elif state.evaluations_in_step >= options.evaluation_budget:
        stop = STOP_EVALUATIONS
    elif there.gradient.abs().max() <= options.tolerance_gradient:
        stop = STOP_GRADIENT
    elif s.abs().max() <= options.tolerance_change:
        stop = STOP_MOVE
    elif abs(there.value - here.value) < options.tolerance_change:
        stop = STOP_CHANGE
    unmoved = state.step_length == 0.0 and state.iterations_in_step == 1
    state = replace(state, point=there, stop=stop, stalled=stop is not None and unmoved)
    if not learnt:
        return state
    pair = Pair(s, here.gradient, there.gradient, 1.0 / curvature)
    pairs = (*state.pairs, pair)[-options.history :]
    weighted = y if state.preconditioner is None else y * state.preconditioner
    return replace(state, pairs=pairs, scale=curvature / float(y.dot(weighted)))


def strong_wolfe(
    here: Point, move: Tensor, length: float, slope: float, *, max_trials: int, tolerance: float
) -> Generator[Tensor, Point, tuple[Point, float, tuple[Trial, ...]]]:
    """Line search along ``here.x + t · move``: bracket a minimum, then zoom in by cubic interpolation.

    Args:
        here: The point to search from.
        move: (n,) search direction.
        length: First step length to try.
        slope: Directional derivative at ``here``; it is negative.
        max_trials: Budget of trials, for growing and shrinking the bracket together.
        tolerance: Smallest change of an entry of x that is still searched.

    Returns:
        The point taken, its step length (0 if no better point was found) and all trials.

    Source: Nocedal and Wright, algorithms 3.5 and 3.6, with the safeguards of minFunc that torch uses.
    """
    trials: list[Trial] = []

    def probe(length: float, search: str) -> Generator[Tensor, Point, _End]:
        point = yield torch.add(here.x, move, alpha=length)
        slope_there = float(point.gradient.dot(move))
        armijo = point.value <= here.value + SUFFICIENT_DECREASE * length * slope
        flat = abs(slope_there) <= -CURVATURE * slope
        trials.append(Trial(length, point.value, slope_there, armijo, flat, search))
        return _End(trials[-1], point)

    start = _End(Trial(0.0, here.value, slope, True, False, "start"), here)
    low, high = yield from _bracket(start, length, max_trials, probe)
    if high is not None:
        narrowest = tolerance / float(move.abs().max())
        low = yield from _zoom(low, high, max_trials - len(trials) + 1, narrowest, probe)
    return low.point, low.trial.step_length, tuple(trials)


@dataclass(frozen=True)
class _End:
    """One end of a bracket."""

    trial: Trial
    point: Point


Probe = Callable[[float, str], Generator[Tensor, Point, _End]]


def _bracket(
    start: _End, length: float, rounds: int, probe: Probe
) -> Generator[Tensor, Point, tuple[_End, _End | None]]:
    """Grow the step until a minimum lies between two ends.

    Returns (end, None) if a point on the way satisfied the Wolfe conditions.
    """
    before, now = start, (yield from probe(length, "bracket"))
    for done in range(rounds):
        trial = now.trial
        if not trial.armijo or (done > 1 and trial.value >= before.trial.value):
            return before, now
        if trial.wolfe:
            return now, None
        if trial.slope >= 0:
            return before, now
        nearest = trial.step_length + 0.01 * (trial.step_length - before.trial.step_length)
        length = cubic_minimum(before.trial, trial, bounds=(nearest, 10.0 * trial.step_length))
        before, now = now, (yield from probe(length, "bracket"))
    return start, now


def _zoom(first: _End, second: _End, rounds: int, narrowest: float, probe: Probe) -> Generator[Tensor, Point, _End]:
    """Shrink the bracket until a point satisfies the Wolfe conditions, or the budget is spent, or it is narrow enough.

    Returns the end of the bracket with the lower value.
    """
    ends = [first, second]
    low = int(second.trial.value < first.trial.value)
    stuck = False
    for _ in range(rounds):
        a, b = ends[0].trial, ends[1].trial
        if abs(b.step_length - a.step_length) < narrowest:
            break
        length, stuck = _off_the_edge(cubic_minimum(a, b), a.step_length, b.step_length, stuck)
        now = yield from probe(length, "zoom")
        trial, lowest = now.trial, ends[low].trial
        if not trial.armijo or not trial.value < lowest.value:
            ends[1 - low] = now
            low = int(ends[1].trial.value < ends[0].trial.value)
            continue
        outward = ends[1 - low].trial.step_length - lowest.step_length
        if not trial.wolfe and trial.slope * outward >= 0:
            ends[1 - low] = ends[low]
        ends[low] = now
        if trial.wolfe:
            break
    return ends[low]


def _off_the_edge(length: float, a: float, b: float, stuck: bool) -> tuple[float, bool]:
    """Move a trial a tenth of the bracket away from its ends if it is too close for the second time, or outside.

    Returns the step length, and whether the trial was too close and was left there.
    """
    lower, upper = min(a, b), max(a, b)
    margin = 0.1 * (upper - lower)
    if min(upper - length, length - lower) >= margin:
        return length, False
    if not (stuck or length >= upper or length <= lower):
        return length, True
    return (upper - margin if abs(length - upper) < abs(length - lower) else lower + margin), False


def cubic_minimum(a: Trial, b: Trial, *, bounds: tuple[float, float] | None = None) -> float:
    """Step length at the minimum of the cubic through the values and slopes of two trials, kept inside the bounds.

    The default bounds are the two trials. If the cubic has no minimum, the result is the middle of the bounds.

    Source: Nocedal and Wright, equation 3.59.
    """
    if a.step_length > b.step_length:
        a, b = b, a
    lower, upper = bounds or (a.step_length, b.step_length)
    middle, width = 0.5 * (lower + upper), b.step_length - a.step_length
    if width == 0.0:
        return middle
    d1 = a.slope + b.slope + 3.0 * (a.value - b.value) / width
    square = d1 * d1 - a.slope * b.slope
    if not (math.isfinite(square) and square >= 0.0):
        return middle
    d2 = math.sqrt(square)
    curve = b.slope - a.slope + 2.0 * d2
    if curve == 0.0:
        return middle
    return min(max(b.step_length - width * ((b.slope + d2 - d1) / curve), lower), upper)
