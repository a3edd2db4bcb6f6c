"""Write a page that compares two runs: what was set differently, loss terms, figures, and differences per frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from optim.common.errors import InputError
from optim.config.options import OF_ONE_RUN
from optim.diagnostics.comparison import (
    BETWEEN,
    Differences,
    Track,
    begins_at,
    compare,
    plan_texts,
    set_apart,
    settings_texts,
    terms_apart,
    upright,
)
from optim.diagnostics.quantities import QUANTITIES
from optim.reporting.charts import line_chart
from optim.reporting.page import FIGURES, Table
from optim.reporting.rendering import render
from optim.results.figures import stage_metrics
from optim.results.results import FitResult, LossRow

_PLACE = ("iteration", "phase", "stage", "step", "total")


@dataclass(frozen=True)
class Pair:
    """What differs between the results of one clip in two runs."""

    name: str
    about: str
    largest: Sequence[str]
    charts: Sequence[Markup]
    terms: Table
    figures: Table


def comparison_page(first: Sequence[FitResult], second: Sequence[FitResult], *, names: tuple[str, str]) -> str:
    """The whole document as HTML.

    Args:
        first: All results of a run.
        second: All results of the other run.
        names: Names of the two runs.

    Raises:
        InputError: The two runs have no clip in common.
    """
    pairs, alone = pair_up(first, second)
    texts = [settings_of(result) for result in pairs[0]]
    rows = [[*row] for row in set_apart(*texts)]
    values = {
        "title": f"{names[0]} and {names[1]}",
        "names": names,
        "alone": alone,
        "settings": Table(["set differently", "A", "B"], rows) if rows else None,
        "pairs": [_pair(*pair) for pair in pairs],
    }
    return render("comparison.html", values) + "\n"


def pair_up(
    first: Sequence[FitResult], second: Sequence[FitResult]
) -> tuple[list[tuple[FitResult, FitResult]], list[str]]:
    """Results of the same clip in two runs, and the names of those that only one run has.

    Runs with one result each are compared whatever their clips are called.

    Raises:
        InputError: The two runs have no clip in common.
    """
    if len(first) == len(second) == 1:
        return [(first[0], second[0])], []
    ours, theirs = ({result.name: result for result in results} for results in (first, second))
    both = [name for name in ours if name in theirs]
    if not both:
        lists = [", ".join(list(names)[:4]) for names in (ours, theirs)]
        raise InputError(f"the two runs have no clip in common: one has {lists[0]}, the other {lists[1]}; give two runs"
                         " of the same clip, or one results folder of each")  # fmt: skip
    alone = [name for name in {**ours, **theirs} if name not in both]
    return [(ours[name], theirs[name]) for name in both], alone


def differences(first: FitResult, second: FitResult) -> Differences:
    """Differences of the last stages of two results."""
    texts = [settings_of(result) for result in (first, second)]
    tracks = [_track(result) for result in (first, second)]
    moved = begins_at(*texts)
    return compare(tracks[0], Track(tracks[1].joints, tracks[1].root, tracks[1].start + moved))


def _track(result: FitResult) -> Track:
    motion = result.motion()
    track = Track(motion.joints[0].numpy(), motion.root_orient[0].numpy(), _start(result))
    if result.observed_floor is None:
        return track
    normal = result.observed_floor[:3].numpy()
    return upright(track, -normal if normal[1] > 0 else normal)  # the camera's y points down


def _start(result: FitResult) -> int:
    seen = None if result.observations is None else result.observations.seq_interval
    return 0 if seen is None else int(seen[0, 0])


def settings_of(result: FitResult) -> dict[str, str]:
    """Settings and schedule of a run as texts that can be compared."""
    given = result.info.get("settings", {})
    texts = settings_texts({name: value for name, value in given.items() if name not in OF_ONE_RUN})
    return texts | plan_texts(_phases(result.losses))


def _phases(rows: Sequence[LossRow]) -> list[tuple[str, int, dict[str, float]]]:
    """Name, number of steps begun, and weights at the end of each phase that was fitted."""
    last = {str(row["phase"]): row for row in rows}
    return [
        (name, int(row["step"]) + 1, {term: weight for term in _terms(row) if (weight := _weight(row, term))})
        for name, row in last.items()
    ]


def _terms(row: LossRow) -> list[str]:
    return [name for name in row if f"{name}_raw" in row]


def _weight(row: LossRow, term: str) -> float:
    raw = float(row[f"{term}_raw"])
    return float(row[term]) / raw if abs(raw) > 1e-12 else 0.0


def weighted_at_end(result: FitResult) -> Mapping[str, float]:
    """Name of each loss term, and ``total`` → weighted value in the last iteration; empty if losses were not kept."""
    if not result.losses:
        return {}
    row = result.losses[-1]
    return {"total": float(row["total"])} | {name: float(row[name]) for name in _terms(row)}


def _pair(first: FitResult, second: FitResult) -> Pair:
    found = differences(first, second)
    charts = []
    for name in BETWEEN if len(found.frames) else ():
        quantity = QUANTITIES[name]
        title = f"{quantity.label.capitalize()} [{quantity.unit}]"
        curve = (found.frames.astype(float), found.values[name])
        charts.append(line_chart({quantity.label: curve}, title=title, x_label="frame", size=(500, 220)))
    rows = terms_apart(weighted_at_end(first), weighted_at_end(second))
    terms = [[row.name.replace("_", " "), *map(_number, row[1:]), _number(row.difference)] for row in rows]
    return Pair(
        name=first.name if first.name == second.name else f"{first.name} and {second.name}",
        about=f"Compared: {found.about}. A: {first.last_stage}, B: {second.last_stage}.",
        largest=[found.text(name) for name in BETWEEN],
        charts=charts,
        terms=Table(["weighted loss at the end", "A", "B", "B − A"], terms),
        figures=_figures(first, second),
    )


def _figures(first: FitResult, second: FitResult) -> Table:
    ours, theirs = (stage_metrics(result)[result.last_stage] for result in (first, second))
    rows = []
    for name, (label, unit) in FIGURES.items():
        values = [of.get(name, np.nan) for of in (ours, theirs)]
        if np.isfinite(values).any():
            rows.append([f"{label} [{unit}]" if unit else label, *map(_number, values), _number(values[1] - values[0])])
    return Table(["figures of the last stage", "A", "B", "B − A"], rows)


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "–"
