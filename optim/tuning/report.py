"""What a search has found, as text: the front, and how the trial to take compares on clips that no trial has seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from optim.common.writing import write_text
from optim.config.writing import configuration
from optim.schedule.phases import Phase
from optim.schedule.stage3_variants import DEFECT
from optim.schedule.terms import Triple
from optim.schedule.weights import default_weights
from optim.tuning.choosing import baseline, front, gain, taken
from optim.tuning.figures import FIGURES
from optim.tuning.space import FLAT_GAIN, PRESET, SOLVER, Parameter, Point
from optim.tuning.study import Description, Trial

Rows = Mapping[str, Mapping[str, float]]
"""Name of a clip → its figures."""


def summary(trials: Sequence[Trial], description: Description) -> str:
    """The trials so far, counted, and those on the front as a table; the trial to take is marked."""
    states = [trial.state for trial in trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    chosen = taken(trials, description.objectives)
    rows = sorted(front(trials, description.objectives), key=lambda trial: trial.values)
    first = baseline(trials)
    names = [parameter.partition("=")[0] for parameter in description.parameters]
    table = [["trial", *map(titled, description.objectives), *names]]
    for trial in [*([first] if first else []), *(trial for trial in rows if trial is not first)]:
        mark = " (present weights)" if trial is first else " (taken)" if trial is chosen else ""
        values = [f"{value:.4g}" for value in trial.values]
        table.append([f"{trial.number}{mark}", *values, *(_shown(trial.point[name]) for name in names)])
    return f"{len(trials)} trials: {counts}\n{_aligned(table)}"


def titled(figure: str) -> str:
    """Label and unit of a figure."""
    known = FIGURES[figure]
    return f"{known.label} [{known.unit}]" if known.unit else known.label


def comparison(before: Rows, after: Rows, *, objectives: Sequence[str]) -> str:
    """How every figure differs over clips, as a table: means, mean difference, clips that are better."""
    table = [["figure", "present", "taken", "difference", "better on"]]
    others = [name for name in FIGURES if name not in objectives]
    for name in (*objectives, *others):
        found = gain(name, before, after)
        if found is None:
            continue
        change = f"{found.after - found.before:+.3g}"
        change += "" if math.isnan(found.error) else f" ± {found.error:.2g}"
        mark = " *" if name in objectives else ""
        counted = f"{found.better} of {found.clips}"
        table.append([f"{titled(name)}{mark}", f"{found.before:.4g}", f"{found.after:.4g}", change, counted])
    return _aligned(table)


def weights_of(phases: Sequence[Phase], searched: Sequence[Parameter], point: Point, data: str) -> dict[str, Triple]:
    """Every weight in stages 1, 2, 3 under a point; a weight that joins late counts as in the phase that has it.

    Args:
        data: Name in ``DATA_TYPES``.
    """
    names = dict.fromkeys(default_weights(data, own=False, nodes=False) | default_weights(data, own=True, nodes=False))
    names |= dict.fromkeys(name for phase in phases for name in phase.weights if name != DEFECT)
    found = {name: [_most(phases, name, stage) for stage in (1, 2, 3)] for name in names}
    for one in searched:
        if one.is_weight:
            found.setdefault(one.of, [0.0, 0.0, 0.0])[one.stage - 1] = float(point[one.name])
    return {name: (first, second, third) for name, (first, second, third) in found.items()}


def save_configuration(
    path: Path, phases: Sequence[Phase], searched: Sequence[Parameter], trial: Trial, *, data: str
) -> None:
    """Write the point of a trial as a configuration.

    Raises:
        InputError: The file cannot be written.
    """
    also: dict[str, Sequence[object]] = {}
    solvers = {phase.stage: str(phase.solver) for phase in phases}
    for one in searched:
        value = trial.point[one.name]
        if one.of == PRESET:
            also["--preset"] = (value,)
        elif one.of == FLAT_GAIN:
            also["--flat-gain"] = (repr(float(value)),)
        elif one.of == SOLVER:
            solvers[one.stage] = str(value)
            also["--solvers"] = [solvers[stage] for stage in (1, 2, 3)]
    remarks = [f"trial {trial.number} of a search over {', '.join(one.text for one in searched)}"]
    if "--preset" not in also:
        remarks.append(f"found under --preset {phases[-1].preset.name}")
    write_text(path, configuration(weights_of(phases, searched, trial.point, data), also=also, remarks=remarks))


def _most(phases: Sequence[Phase], name: str, stage: int) -> float:
    given = (0.0 if phase.is_joining(name) else phase.weight(name) for phase in phases if phase.stage == stage)
    return max(given, default=0.0)


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def _aligned(table: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )
