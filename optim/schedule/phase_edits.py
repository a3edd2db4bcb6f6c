"""Edits of a schedule. Each function returns the phases with another weight, steps, frames or solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from optim.common.errors import InputError
from optim.schedule.phases import Phase, check_flat
from optim.schedule.solvers import checked_solver
from optim.schedule.stage3_variants import DEFECT
from optim.schedule.weights import check_weight


def with_weight(
    phases: tuple[Phase, ...], name: str, value: float, *, stage: int, current: int | None = None
) -> tuple[Phase, ...]:
    """The same schedule with one weight changed in every phase of a stage.

    A phase in which the schedule gives the term the weight 0, although other phases of the stage use it, keeps the
    weight 0 unless it is the ``current`` phase (an index). Two kinds of weights change in proportion to the first phase
    that has them, or to the current one: ``shooting_gap``, which grows from phase to phase, and those of the phases for
    hidden joints, in which the smoothing has a share of its weight.

    Raises:
        InputError: The name or the stage is unknown, or the value is negative or not finite.
    """
    check_weight(name, value)
    of_stage = [phase for phase in phases if phase.stage == stage]
    if not of_stage:
        known = sorted({phase.stage for phase in phases})
        raise InputError(f"no phase of stage {stage} in this schedule; its stages are {known}")
    in_use = any(phase.weight(name) > 0 for phase in of_stage)
    here = phases[current] if current is not None and phases[current].stage == stage else None
    base = next((phase.weight(name) for phase in (here, *of_stage) if phase and phase.weight(name)), 0.0)
    return tuple(
        replace(phase, weights={**phase.weights, name: float(value) * _share(phase, name, base)})
        if phase.stage == stage and (i == current or not in_use or phase.weight(name) > 0)
        else phase
        for i, phase in enumerate(phases)
    )


def _share(phase: Phase, name: str, base: float) -> float:
    """Share of a value that a phase gets whose weight changes in proportion to ``base``; 1 for other phases."""
    weight = phase.weight(name)
    in_proportion = name == DEFECT or phase.for_hidden
    return weight / base if in_proportion and base and weight != base else 1.0


def with_weights(phases: tuple[Phase, ...], weights: Mapping[int, Mapping[str, float]]) -> tuple[Phase, ...]:
    """The same schedule with other weights in some phases: index of a phase → name of a weight → value.

    Raises:
        InputError: There is no such phase, a name is unknown, or a value is negative or not finite.
    """
    edited = list(phases)
    for index, values in weights.items():
        phase = _at(phases, index)
        for name, value in values.items():
            check_weight(name, value)
        edited[index] = replace(phase, weights={**phase.weights, **{n: float(v) for n, v in values.items()}})
    return tuple(edited)


def with_steps(phases: tuple[Phase, ...], index: int, steps: int) -> tuple[Phase, ...]:
    """The same schedule with another number of steps in one phase; 0 leaves it out.

    Raises:
        InputError: There is no such phase, or the number is below 0 or not whole.
    """
    phase = _at(phases, index)
    if steps != int(steps) or steps < 0:
        raise InputError(f"{phase.name}: {steps} steps; give a whole number of at least 0")
    return (*phases[:index], replace(phase, steps=int(steps)), *phases[index + 1 :])


def with_frames(phases: tuple[Phase, ...], index: int, frames: int | None, *, of: int) -> tuple[Phase, ...]:
    """The same schedule with another number of frames rolled out and observed in one phase of stage 3.

    Args:
        frames: Number of frames, counted from the first; None means all.
        of: Total number of frames.

    Raises:
        InputError: There is no such phase, it is not of stage 3, or the number is not between 2 and ``of``.
    """
    phase = _at(phases, index)
    if phase.stage != 3:
        raise InputError(f"{phase.name} observes all frames; only phases of stage 3 roll out fewer")
    if frames is not None and not 2 <= frames <= of:
        raise InputError(f"{phase.name}: {frames} frames; give 2 to {of}, or None for all")
    return (*phases[:index], replace(phase, frames=None if frames == of else frames), *phases[index + 1 :])


def with_solver(phases: tuple[Phase, ...], index: int, solver: str) -> tuple[Phase, ...]:
    """The same schedule with another solver in one phase.

    Raises:
        InputError: There is no such phase, or no such solver for its stage.
    """
    phase = _at(phases, index)
    return (*phases[:index], replace(phase, solver=checked_solver(solver, phase.stage)), *phases[index + 1 :])


def with_flat_rule(phases: tuple[Phase, ...], index: int, gain: float, iterations: int) -> tuple[Phase, ...]:
    """The same schedule with another rule that ends one phase early (see ``Phase.flat_gain``).

    Raises:
        InputError: There is no such phase, or the numbers make no rule.
    """
    phase = _at(phases, index)
    check_flat(gain, iterations)
    return (*phases[:index], replace(phase, flat_gain=gain, flat_iterations=iterations), *phases[index + 1 :])


def _at(phases: tuple[Phase, ...], index: int) -> Phase:
    if not 0 <= index < len(phases):
        known = ", ".join(f"{i} ({phase.name})" for i, phase in enumerate(phases))
        raise InputError(f"no phase {index} in this schedule; there are {known}")
    return phases[index]
