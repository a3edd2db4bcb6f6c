"""Which trials of a search are worth looking at: the front, the one to take, and how two of them differ by clip."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optim.tuning.figures import FIGURES
from optim.tuning.study import Trial


def split(names: Sequence[str], *, share: float, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divide clips into those of the search and those that are held out, by chance.

    Args:
        share: Share of the clips that is held out. At least one clip is searched, and one is held out if there are two.
    """
    count = min(len(names) - 1, max(1, round(share * len(names)))) if share > 0 and len(names) > 1 else 0
    out = set(random.Random(seed).sample(sorted(names), count))
    return tuple(n for n in names if n not in out), tuple(n for n in names if n in out)


def dominates(one: Sequence[float], other: Sequence[float], objectives: Sequence[str]) -> bool:
    """Whether a trial is nowhere worse than another one, and somewhere better."""
    a, b = _costs(one, objectives), _costs(other, objectives)
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def front(trials: Sequence[Trial], objectives: Sequence[str]) -> list[Trial]:
    """The Pareto front: the complete trials that no other one dominates. With one objective, the best ones."""
    complete = [trial for trial in trials if trial.values]
    return [t for t in complete if not any(dominates(other.values, t.values, objectives) for other in complete)]


def baseline(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the present weights; None if none is complete."""
    return next((trial for trial in trials if trial.present and trial.values), None)


def taken(trials: Sequence[Trial], objectives: Sequence[str]) -> Trial | None:
    """The trial to take: the one on the front that is nearest to the best value of every objective.

    Trials that are better than the one with the present weights in every respect go before others.
    Each objective counts in the range that it has on the front. None if no trial is complete.
    """
    best = front(trials, objectives)
    first = baseline(trials)
    if first is not None:
        best = [trial for trial in best if dominates(trial.values, first.values, objectives)] or best
    if not best:
        return None
    costs = {trial.number: _costs(trial.values, objectives) for trial in best}
    low = [min(column) for column in zip(*costs.values(), strict=True)]
    high = [max(column) for column in zip(*costs.values(), strict=True)]

    def distance(trial: Trial) -> float:
        values = zip(costs[trial.number], low, high, strict=True)
        return math.hypot(*((cost - least) / ((most - least) or 1.0) for cost, least, most in values))

    return min(best, key=distance)


@dataclass(frozen=True)
class Gain:
    """How one figure differs under two points, over the same clips."""

    before: float
    after: float
    error: float
    """Standard error of the mean difference over the clips; NaN for a single clip."""
    better: int
    """Number of clips on which the second point is better."""
    clips: int


def gain(
    figure: str, before: Mapping[str, Mapping[str, float]], after: Mapping[str, Mapping[str, float]]
) -> Gain | None:
    """Compare a figure of the clips under two points. None if no clip has it under both."""
    both = [
        (row[figure], after[name][figure])
        for name, row in before.items()
        if figure in row and figure in after.get(name, {})
    ]
    if not both:
        return None
    changes = [new - old for old, new in both]
    count, middle = len(both), sum(changes) / len(both)
    spread = math.sqrt(sum((change - middle) ** 2 for change in changes) / (count - 1)) if count > 1 else math.nan
    sign = -1.0 if FIGURES[figure].larger_is_better else 1.0
    return Gain(
        before=sum(old for old, _ in both) / count,
        after=sum(new for _, new in both) / count,
        error=spread / math.sqrt(count),
        better=sum(sign * change < 0 for change in changes),
        clips=count,
    )


def _costs(values: Sequence[float], objectives: Sequence[str]) -> tuple[float, ...]:
    """Values of which smaller ones are better."""
    pairs = zip(values, objectives, strict=True)
    return tuple(-value if FIGURES[name].larger_is_better else value for value, name in pairs)
