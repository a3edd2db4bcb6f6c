"""What every solver of this package offers: the same functions over an explicit state, and what they ask and answer.

A solver is a module with ``Options``, ``init``, ``begin``, ``restart`` and ``iteration`` (see ``Solver``). An iteration
is a generator. It yields a point x (n,) where it wants value and gradient and gets a ``Point`` back, or ``ModelAt(x)``
where it wants a quadratic model of the loss and gets a ``Model`` back. Between two answers the caller may pause for any
time. A state is an immutable value: it can be kept, recorded, and continued from any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from torch import Tensor

STOP_GRADIENT = "gradient below tolerance"
STOP_SLOPE = "slope below tolerance"
STOP_ITERATIONS = "iterations spent"
STOP_EVALUATIONS = "evaluations spent"
STOP_MOVE = "step below tolerance"
STOP_CHANGE = "change of the loss below tolerance"


@dataclass(frozen=True)
class Point:
    """Result of the objective at ``x`` (n,): value, gradient (n,), and anything else that the caller wants to keep."""

    x: Tensor
    value: float
    gradient: Tensor
    extra: Any = None


@dataclass(frozen=True, eq=False)
class ModelAt:
    """Request for a ``Model`` of the loss at ``x`` (n,)."""

    x: Tensor


class Model(Protocol):
    """A quadratic model of the loss around a point, without its gradient."""

    def step(self, gradient: Tensor, damping: float) -> Tensor:
        """The step (n,) to the minimum of the model with this gradient (n,) and damped curvature.

        Raises:
            ArithmeticError: There is no such minimum, for example because a number is not finite.
        """
        ...

    def curvature(self, step: Tensor) -> float:
        """Second derivative of the undamped model along a step (n,): stepᵀ H step."""
        ...


class Tried(Protocol):
    """A point that an iteration tried."""

    @property
    def value(self) -> float: ...

    @property
    def finite(self) -> bool:
        """Whether all its numbers are finite."""
        ...


@dataclass(frozen=True)
class State:
    """What the states of all solvers have: where the solver is, and what its last iteration did."""

    point: Point
    iterations: int = 0
    """Number of iterations since ``init``."""
    iterations_in_step: int = 0
    """Number of iterations since ``begin``."""
    evaluations_in_step: int = 1
    """Number of evaluations since ``begin``, counted as in torch: the start counts although its value is known."""
    step_length: float = 0.0
    """Step length that the last iteration took, in multiples of its direction; 0 if it did not move."""
    slope: float = 0.0
    """Directional derivative at the start of the last iteration, along its first direction."""
    stop: str | None = None
    """Reason why the current step has ended. None while it goes on."""
    stalled: bool = False
    """Whether further steps are of no use: they would repeat this one, or the solver has converged."""

    @property
    def tried(self) -> tuple[Tried, ...]:
        """The points that the last iteration tried, in order."""
        return ()

    @property
    def promised(self) -> float:
        """The decrease of the loss that the first point of the last iteration promised."""
        return 0.0


S = TypeVar("S", bound=State)


def begun(state: S, *, tolerance_gradient: float) -> S:
    """The state at the beginning of a step: with new budgets, and at its end already where the gradient is small."""
    optimal = bool(state.point.gradient.abs().max() <= tolerance_gradient)
    stop = STOP_GRADIENT if optimal else None
    return replace(state, iterations_in_step=0, evaluations_in_step=1, stop=stop, stalled=optimal)


Evaluate = Callable[[Tensor], Point]
Search = Generator[Tensor | ModelAt, Any, State]
"""One iteration: it yields requests, takes their answers (``Point`` or ``Model``), and returns the new state."""


class Solver(Protocol):
    """The functions of a solver's module. ``options`` are made by its ``Options``; None means the defaults."""

    @property
    def Options(self) -> Callable[..., Any]:
        """Class of the options; each has ``max_iterations``, the number of iterations in a step."""
        ...

    def init(self, start: Point, *, options: Any = None, preconditioner: Tensor | None = None) -> State:
        """State before the first iteration, without a memory. ``start`` has been evaluated already."""
        ...

    def begin(self, state: Any, *, options: Any = None) -> State:
        """Begin a step: reset the budget of iterations and evaluations. The memory stays."""
        ...

    def restart(
        self, state: State, point: Point, *, keep_memory: bool = False, preconditioner: Tensor | None = None
    ) -> State:
        """Continue the same step under another objective, from the state of any solver."""
        ...

    def iteration(self, state: Any, *, options: Any = None) -> Search:
        """One iteration as a generator.

        Raises:
            ValueError: The step has ended already; call ``begin`` first.
        """
        ...
