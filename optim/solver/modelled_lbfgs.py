"""L-BFGS whose initial inverse Hessian is the inverse of a quadratic model of the loss, made anew now and then.

The model has the large differences of curvature between the variables, which a plain L-BFGS has to learn pair by pair;
the pairs add what the model leaves out. The model itself is no part of the state: it follows from the point where it
was made, so the state holds that point only, and whoever answers requests may keep the model.
Everything else is ``lbfgs``. A state with a diagonal preconditioner, for a loss without a model, is plain ``lbfgs``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, fields, replace

from torch import Tensor

from optim.solver import lbfgs
from optim.solver.lbfgs import LbfgsState
from optim.solver.solver import STOP_EVALUATIONS, STOP_ITERATIONS, Model, ModelAt, Point, Search, State

KEPT = 10
"""Number of curvature pairs that stay when the objective changes. Each costs an answer of the new model, and more of
them did not lead to the minimum any sooner (docs/optimiser.md)."""


@dataclass(frozen=True)
class Options(lbfgs.Options):
    """Options of L-BFGS, and when the model is made anew."""

    first_damping: float = 1.0
    """Damping of the first model, whose point may be far from the minimum."""
    damping: float = 0.1
    """Damping of later models, where the line searches before them were not shortened, and of one after an edit."""
    lasts: int = 20
    """Number of iterations after which the first model is made anew; a later one lasts twice as long as the last."""
    short: float = 0.3
    """Step length below which a line search counts as shortened."""
    patience: int = 3
    """Number of shortened line searches after which a model is made anew early."""


@dataclass(frozen=True)
class Made:
    """Where and how the model was made, and how well it served since."""

    x: Tensor  # (n,)
    damping: float
    lasts: int
    """Number of iterations after which it is made anew."""
    iterations: int = 0
    """Number of iterations since."""
    shortened: int = 0
    """Number of them whose line search was shortened."""


@dataclass(frozen=True)
class ModelledState(LbfgsState):
    """The state of L-BFGS, and the point that the model follows from; None before the first iteration."""

    made: Made | None = None


def init(start: Point, *, options: Options | None = None, preconditioner: Tensor | None = None) -> ModelledState:
    """State before the first iteration, with an empty memory; ``preconditioner`` where there is no model."""
    state = ModelledState(point=start, preconditioner=preconditioner)
    begun = lbfgs.begin(state, options=options)
    assert isinstance(begun, ModelledState)
    return begun


begin = lbfgs.begin


def restart(
    state: State, point: Point, *, keep_memory: bool = False, preconditioner: Tensor | None = None
) -> ModelledState:
    """Continue the same step under another objective: its model is made at the point, and the memory is cleared.

    With ``keep_memory`` the latest ``KEPT`` curvature pairs of the other objective stay.
    """
    pairs = state.pairs[-KEPT:] if keep_memory and isinstance(state, LbfgsState) else ()
    plain = lbfgs.restart(state, point, preconditioner=preconditioner)
    known = {field.name: getattr(plain, field.name) for field in fields(LbfgsState)}
    return ModelledState(**{**known, "pairs": pairs})


def iteration(state: ModelledState, *, options: Options | None = None) -> Search:
    """One iteration as a generator. It asks for the model first, and for points after it.

    If ``None`` comes in place of the model, or it has no minimum, or the state has a diagonal preconditioner, the
    iteration is ``lbfgs``'s.

    Raises:
        ValueError: The step has ended already; call ``begin`` first.
    """
    options, move = options or Options(), None
    if state.stop is None and state.preconditioner is None:
        state = replace(state, made=_made(state, options))
        assert state.made is not None
        model = yield ModelAt(state.made.x)
        with suppress(ArithmeticError):
            move = None if model is None else direction(state, model)
    if move is None:
        plain = yield from lbfgs.iteration(state, options=options)
        return plain
    after = yield from lbfgs.along(state, move, options.learning_rate, options)
    assert isinstance(after, ModelledState)
    return _judged(state, after, options)


def direction(state: ModelledState, model: Model) -> Tensor:
    """Quasi-Newton direction (n,) by the two-loop recursion, with the model's answer to every vector kept beside it.

    The model is asked about gradients only: its answer to the y of a pair is the difference of two of them. Between two
    iterations one new answer is needed.
    """
    made = state.made
    assert made is not None

    def answer(gradient: Tensor) -> Tensor:
        return -model.step(gradient, made.damping)

    d = answer(state.point.gradient).clone()
    rest, weights = state.point.gradient.clone(), []
    answers = {id(pair): answer(pair.after) - answer(pair.before) for pair in state.pairs}
    for pair in reversed(state.pairs):
        weight = float(pair.s.dot(rest)) * pair.rho
        rest.add_(pair.y, alpha=-weight)
        d.add_(answers[id(pair)], alpha=-weight)
        weights.append(weight)
    if state.pairs:
        newest = state.pairs[-1]
        d.mul_(1.0 / (newest.rho * float(newest.y.dot(answers[id(newest)]))))
    for pair, weight in zip(state.pairs, reversed(weights), strict=True):
        d.add_(pair.s, alpha=weight - float(pair.y.dot(d)) * pair.rho)
    return d.neg_()


def _made(state: ModelledState, options: Options) -> Made:
    """Where the model of the next iteration is made: where it was, or here if it is due."""
    old = state.made
    if old is None:
        if state.pairs:  # the objective has changed a little, as in an edit
            return Made(state.point.x, options.damping, 2 * options.lasts)
        return Made(state.point.x, options.first_damping, options.lasts)
    if old.iterations < old.lasts and old.shortened < options.patience:
        return old
    damping = options.damping
    if 2 * old.shortened >= old.iterations:
        damping = min(3.0 * old.damping, options.first_damping)
    return Made(state.point.x, damping, 2 * old.lasts)


def _judged(before: ModelledState, after: ModelledState, options: Options) -> ModelledState:
    """The state after an iteration, with the model's record; where nothing was gained, model and memory begin anew."""
    made = before.made
    assert made is not None
    fresh = made.iterations == 0 and not before.pairs
    if after.step_length == 0.0 and not fresh:
        stop = after.stop if after.stop == STOP_EVALUATIONS else None
        if after.iterations_in_step >= options.max_iterations:
            stop = STOP_ITERATIONS
        return replace(after, pairs=(), made=None, stop=stop, stalled=False)
    shortened = made.shortened + (after.step_length < options.short)
    return replace(after, made=replace(made, iterations=made.iterations + 1, shortened=shortened))
