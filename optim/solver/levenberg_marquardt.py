"""Levenberg–Marquardt as explicit state: ``init``, ``begin``, ``iteration`` (see ``solver``).

It minimises a function of one flat vector whose curvature the caller models, for example by Gauss and Newton. A step
solves ``(H + λ diag H) s = −g``. It is taken if the loss itself falls; then the damping λ shrinks, otherwise it grows.
Knows no residuals, variables or schedule.
Sources: Marquardt 1963; for the rule of the damping Madsen, Nielsen and Tingleff, "Methods for Non-Linear Least
Squares Problems", 2004.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from optim.solver.solver import STOP_GRADIENT, STOP_ITERATIONS, Model, ModelAt, Point, Search, State, begun

FIRST_DAMPING = 1e-3
"""Damping of the first iteration, as a share of the diagonal of the curvature."""
LEAST_DAMPING, MOST_DAMPING = 1e-9, 1e9
LEAST_GAIN = 1e-4
"""Share of the promised decrease that the loss must fall by for a step to be taken."""
FASTEST = 0.1
"""Smallest factor by which one iteration changes the damping."""
STOP_CONVERGED = "gains below tolerance"
STOP_NO_STEP = "no damping found a better point"


@dataclass(frozen=True)
class Trial:
    """One step that was tried."""

    damping: float
    value: float
    """Value of the loss there."""
    promised: float
    """Decrease of the loss that the model promised."""
    gain: float
    """Gain ratio: decrease of the loss divided by the promised one."""
    accepted: bool

    @property
    def finite(self) -> bool:
        """Whether the loss is finite there."""
        return math.isfinite(self.value)


@dataclass(frozen=True)
class Options:
    """Options of Levenberg–Marquardt."""

    max_iterations: int = 20
    max_trials: int = 12
    """Largest number of steps that are tried in one iteration."""
    tolerance_gradient: float = 1e-7
    tolerance_gain: float = 1e-4
    """Share of the loss; an iteration that gains less, ``patience`` times in a row, ends the search."""
    patience: int = 2


@dataclass(frozen=True)
class LevenbergMarquardtState(State):
    """Everything that the next iteration depends on, and what the last iteration did."""

    damping: float = FIRST_DAMPING
    """Damping of the next iteration's first trial."""
    small_gains: int = 0
    """Number of the latest iterations in a row whose gain was below the tolerance."""
    trials: tuple[Trial, ...] = ()
    """Steps that the last iteration tried, in order."""

    @property
    def tried(self) -> tuple[Trial, ...]:
        return self.trials

    @property
    def promised(self) -> float:
        return self.trials[0].promised if self.trials else 0.0


def init(
    start: Point, *, options: Options | None = None, preconditioner: Tensor | None = None
) -> LevenbergMarquardtState:
    """State before the first iteration. The model brings its own scale, so a preconditioner is not used."""
    return begin(LevenbergMarquardtState(start), options=options)


def begin(state: LevenbergMarquardtState, *, options: Options | None = None) -> LevenbergMarquardtState:
    """Begin a step: reset the budget of iterations. The damping stays."""
    return replace(begun(state, tolerance_gradient=(options or Options()).tolerance_gradient), trials=())


def restart(
    state: State, point: Point, *, keep_memory: bool = False, preconditioner: Tensor | None = None
) -> LevenbergMarquardtState:
    """Continue the same step under another objective, or after another solver.

    Args:
        point: The point to continue from, evaluated under the new objective.
        keep_memory: Keep the damping; otherwise it begins anew.
    """
    kept = state.damping if keep_memory and isinstance(state, LevenbergMarquardtState) else FIRST_DAMPING
    return LevenbergMarquardtState(
        point,
        iterations=state.iterations if keep_memory else 0,
        iterations_in_step=state.iterations_in_step,
        evaluations_in_step=state.evaluations_in_step,
        stop=state.stop if state.stop == STOP_ITERATIONS else None,
        damping=kept,
    )


def iteration(state: LevenbergMarquardtState, *, options: Options | None = None) -> Search:
    """One iteration as a generator: a model of the loss, then steps with growing damping until one is better.

    Raises:
        ValueError: The step has ended already; call ``begin`` first.
    """
    if state.stop is not None:
        raise ValueError(f"this step has ended ({state.stop}); call begin() before the next iteration")
    options = options or Options()
    here, damping, growth = state.point, state.damping, 2.0
    model = yield ModelAt(here.x)
    trials: list[Trial] = []
    reached, slope = here, 0.0
    for _ in range(options.max_trials):
        step = _step(model, here, damping)
        if step is not None:
            along = float(here.gradient.double().dot(step.double()))
            slope = slope or along
            promised = -along - 0.5 * model.curvature(step)
            there = yield here.x + step
            gain = (here.value - there.value) / promised if promised > 0 else 0.0
            accepted = gain > LEAST_GAIN  # false for NaN too
            trials.append(Trial(damping, there.value, promised, gain, accepted))
            if accepted:
                damping = max(damping * max(FASTEST, 1.0 - (2.0 * gain - 1.0) ** 3), LEAST_DAMPING)
                reached = there
                break
        if damping >= MOST_DAMPING:
            break
        damping, growth = min(damping * growth, MOST_DAMPING), 2.0 * growth
    return _arrive(
        replace(
            state,
            iterations=state.iterations + 1,
            iterations_in_step=state.iterations_in_step + 1,
            evaluations_in_step=state.evaluations_in_step + len(trials),
            step_length=0.0 if reached is here else 1.0,
            slope=slope,
            damping=damping,
            trials=tuple(trials),
        ),
        reached,
        options,
    )


def _step(model: Model | None, here: Point, damping: float) -> Tensor | None:
    """The step of the damped model; None where there is none."""
    try:
        return None if model is None else model.step(here.gradient, damping)
    except ArithmeticError:
        return None


def _arrive(state: LevenbergMarquardtState, there: Point, options: Options) -> LevenbergMarquardtState:
    """State at the point reached, and whether the step goes on."""
    gained = state.point.value - there.value
    small = state.small_gains + 1 if gained < options.tolerance_gain * abs(there.value) else 0
    stop, stalled = None, True
    if state.step_length == 0.0:
        stop = STOP_NO_STEP
    elif there.gradient.abs().max() <= options.tolerance_gradient:
        stop = STOP_GRADIENT
    elif small >= options.patience:
        stop = STOP_CONVERGED
    else:
        stalled = False
        if state.iterations_in_step == options.max_iterations:
            stop = STOP_ITERATIONS
    return replace(state, point=there, small_gains=small, stop=stop, stalled=stalled)
