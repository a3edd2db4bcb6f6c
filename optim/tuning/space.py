"""What a search may change: weights, solvers, presets, and the rule that ends a phase early. Needs no torch.

A parameter is written ``NAME[@STAGE][=VALUES]``: ``contact_vel``, ``pose_prior@2=1e-5:1e-2``,
``preset=direct,humorscope``.
A point is a mapping from the names of parameters to values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optim.common.errors import InputError
from optim.schedule.phase_edits import with_flat_rule, with_solver, with_weight
from optim.schedule.phases import Phase
from optim.schedule.presets import PRESETS
from optim.schedule.solvers import solvers_of
from optim.schedule.weights import WEIGHTS, check_weight

Point = Mapping[str, float | str]
"""Name of a parameter → its value."""
WIDTH = 30.0
"""Default range of a number: its present value divided by this up to its present value times this."""
PRESET, SOLVER, FLAT_GAIN = "preset", "solver", "flat_gain"
_FLAT_RANGE = (1e-5, 1e-2)
_WRITTEN = re.compile(r"(?P<name>\w+)(@(?P<stage>[123]))?(=(?P<values>.+))?")


@dataclass(frozen=True)
class Parameter:
    """One number or choice that a search may change."""

    name: str
    """As in the study: ``contact_vel``, or ``pose_prior@2`` for a stage other than the third."""
    of: str
    """Name of a weight, or ``PRESET``, ``SOLVER`` or ``FLAT_GAIN``."""
    stage: int
    """The first stage that it changes. A trial cannot begin behind the end of the stage before."""
    low: float = 0.0
    high: float = 0.0
    """Bounds of a number, which is searched on a logarithmic scale."""
    choices: tuple[str, ...] = ()
    """The values of a choice, among them the present one; empty for a number."""

    @property
    def text(self) -> str:
        """The parameter as it can be written on the command line."""
        values = ",".join(self.choices) if self.choices else f"{self.low:.6g}:{self.high:.6g}"
        return f"{self.name}={values}"

    def nearest(self, value: float | str) -> float | str:
        """The value that is nearest to a given one among those that are searched."""
        return value if self.choices else min(max(float(value), self.low), self.high)

    @property
    def is_weight(self) -> bool:
        """Whether it is the weight of a term."""
        return self.of in WEIGHTS


def name_of(of: str, stage: int) -> str:
    """Name of a parameter in a study and on the command line; weights are those of stage 3 unless they name another."""
    if of in (PRESET, FLAT_GAIN) or (of in WEIGHTS and stage == 3):
        return of
    return f"{of}@{stage}"


def parameters(texts: Sequence[str], phases: tuple[Phase, ...]) -> tuple[Parameter, ...]:
    """The parameters that a user has written.

    Args:
        phases: The schedule whose values are the middle of default ranges.

    Raises:
        InputError: A parameter is unknown, written twice or not as it must be, or its range is empty.
    """
    found = [_parameter(text, phases) for text in texts]
    if not found:
        raise InputError("--search: nothing to search; name at least one weight, such as motion_prior")
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"--search {twice}: given twice")
    return tuple(found)


def present(searched: Sequence[Parameter], phases: tuple[Phase, ...]) -> dict[str, float | str]:
    """The point of a schedule itself, with which every other one is compared."""
    return {one.name: _present(one.of, one.stage, phases) for one in searched}


def applied(phases: tuple[Phase, ...], searched: Sequence[Parameter], point: Point) -> tuple[Phase, ...]:
    """The schedule with the values of a point, but for ``PRESET``, which needs another schedule to begin with.

    A phase that the schedule gives a weight of 0 on purpose keeps it, as in ``with_weight``.
    """
    for one in searched:
        value = point[one.name]
        here = [index for index, phase in enumerate(phases) if phase.stage == one.stage]
        if one.is_weight:
            phases = with_weight(phases, one.of, float(value), stage=one.stage)
        elif one.of == SOLVER:
            for index in here:
                phases = with_solver(phases, index, str(value))
        elif one.of == FLAT_GAIN:
            for index, phase in enumerate(phases):
                phases = with_flat_rule(phases, index, float(value), phase.flat_iterations)
    return phases


def _parameter(text: str, phases: tuple[Phase, ...]) -> Parameter:
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise InputError(f"--search {text}: write NAME, NAME@STAGE, NAME=LOW:HIGH or NAME=CHOICE,CHOICE")
    of, values = found["name"], found["values"]
    if of not in (*WEIGHTS, PRESET, SOLVER, FLAT_GAIN):
        others = ", ".join((*WEIGHTS, PRESET, SOLVER, FLAT_GAIN))
        raise InputError(f"--search {text}: {of} is unknown; there are {others}")
    stage = int(found["stage"] or (1 if of in (PRESET, FLAT_GAIN) else 3))
    name = of if found["stage"] is None else name_of(of, stage)
    if stage not in {phase.stage for phase in phases}:
        raise InputError(f"--search {text}: the schedule has no stage {stage}")
    if of in (PRESET, SOLVER):
        known = tuple(PRESETS) if of == PRESET else solvers_of(stage)
        now = str(_present(of, stage, phases))
        chosen = _choices(text, values, known)
        return Parameter(name, of, stage, choices=chosen if now in chosen else (now, *chosen))
    if values is not None:
        low, high = _range(text, values)
    elif of == FLAT_GAIN:
        low, high = _FLAT_RANGE
    else:
        middle = float(_present(of, stage, phases))
        if not middle:
            raise InputError(f"--search {text}: its weight in stage {stage} is 0; give a range, as {of}=0.01:1")
        low, high = middle / WIDTH, middle * WIDTH
    if of in WEIGHTS:
        check_weight(of, high)
    return Parameter(name, of, stage, low, high)


def _choices(text: str, values: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    chosen = known if values is None else tuple(value.strip() for value in values.split(","))
    wrong = next((value for value in chosen if value not in known), None)
    if wrong is not None or len(set(chosen)) != len(chosen):
        raise InputError(f"--search {text}: give different ones of {', '.join(known)}, separated by commas")
    return chosen


def _range(text: str, values: str) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in values.split(":"))
    except ValueError:
        raise InputError(f"--search {text}: give two numbers, as 0.1:10") from None
    if not 0 < low < high < math.inf:
        raise InputError(f"--search {text}: the range must go from a number above 0 to a larger one")
    return low, high


def _present(of: str, stage: int, phases: tuple[Phase, ...]) -> float | str:
    here = [phase for phase in phases if phase.stage == stage]
    if of == PRESET:
        return here[-1].preset.name
    if of == SOLVER:
        return here[-1].solver
    if of == FLAT_GAIN:
        return here[-1].flat_gain
    return max(phase.weight(of) for phase in here)
