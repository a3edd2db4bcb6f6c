"""Change of the preset during a fit: weights, steps, solvers and rules for ending early, from the current phase on.

The rules of a preset (``presets.Preset``) are built into the variables of a fit and cannot change during it.
"""

from __future__ import annotations

from dataclasses import fields, replace

from optim.common.errors import InputError
from optim.schedule.phases import Phase
from optim.schedule.presets import PRESETS, Preset
from optim.schedule.stages import schedule
from optim.schedule.weights import weights_that_need

AS_STARTED = "as started"
"""Name that stands for the schedule that the fit began with."""
_NUMBERS = (
    "name",
    "weights",
    "contacts",
    "contact_refine",
    "freeze_bounds",
    "solver",
    "stage_3_solver",
    "flat_gain",
    "flat_iterations",
)
"""Fields of a preset that only affect weights, steps, solvers and rules for ending early."""
_OF_A_SPLIT = weights_that_need("overlap")
"""Names of weights that depend on whether the clip was split, not on the preset."""


def with_preset(
    phases: tuple[Phase, ...], name: str, *, data: str, started: tuple[Phase, ...], current: int, begun: int
) -> tuple[Phase, ...]:
    """The same phases with a preset's weights, steps, solvers and rules for ending early, from the current phase on.

    Args:
        name: A name in ``presets.PRESETS``, or ``AS_STARTED``.
        data: Data type (``Problem.data_type``).
        started: The schedule that the fit began with.
        current: Index of the phase that runs; phases before it stay unchanged.
        begun: Number of steps of the current phase that have begun; it gets no fewer.

    Raises:
        InputError: There is no preset of that name.
    """
    if name != AS_STARTED and name not in PRESETS:
        raise InputError(f"preset {name!r} is not known; there are {', '.join((AS_STARTED, *PRESETS))}")
    in_parts = any(phase.name.startswith("stage 3 ") for phase in phases)
    wanted = started if name == AS_STARTED else schedule(name, data, tune_init=in_parts)
    by_name, first = {phase.name: phase for phase in wanted}, {phase.name: phase for phase in started}
    edited = list(phases)
    for index, phase in enumerate(phases[current:], current):
        target = by_name.get(phase.name)
        if target is not None:
            overlap = {term: value for term, value in first[phase.name].weights.items() if term in _OF_A_SPLIT}
            steps = max(target.steps, begun) if index == current else target.steps
            frames = target.frames if name == AS_STARTED else phase.frames
            joining = {} if phase.preset.unknown_motion == "ignored" else target.joining
            given = {term: value for term, value in target.weights.items() if not target.is_joining(term)}
            edited[index] = replace(
                phase,
                weights={**overlap, **given, **joining},
                joining=joining,
                steps=steps,
                frames=frames,
                solver=target.solver,
                flat_gain=target.flat_gain,
                flat_iterations=target.flat_iterations,
            )
    return tuple(edited)


def fixed_rules(preset: Preset, other: Preset) -> tuple[str, ...]:
    """Descriptions of the rules in which another preset differs and which a running fit cannot adopt."""
    names = [field.name for field in fields(Preset) if field.name not in _NUMBERS]
    differing = [name for name in names if getattr(preset, name) != getattr(other, name)]
    return tuple(f"{name.replace('_', ' ')}: {getattr(preset, name)}, not {getattr(other, name)}" for name in differing)
