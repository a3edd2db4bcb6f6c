"""The numbers of a bench as Markdown tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """One case that was timed."""

    what: str
    median_ms: float
    least_ms: float
    floors: float
    """Time in multiples of the lower limit of one roll-out of 59 steps."""


@dataclass(frozen=True)
class Reach:
    """One requirement on the speed."""

    what: str
    measured: float
    unit: str
    limit: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass(frozen=True)
class Result:
    """All results of a benchmark."""

    machine: str
    load_before: str
    load_after: str
    threads: int
    rounds: int
    costs: tuple[Cost, ...]
    reaches: tuple[Reach, ...]
    notes: tuple[str, ...] = ()


def as_text(result: Result) -> str:
    """Two tables: the time of each case, and the requirements."""
    how = "1 thread, processor time" if result.threads == 1 else f"{result.threads} threads, wall time"
    lines = [
        f"{result.machine}; {how}, median of {result.rounds} rounds.",
        f"Before: {result.load_before}. After: {result.load_after}.",
        "",
        "| what | median [ms] | least [ms] | × floor |",
        "|---|---|---|---|",
        *(f"| {c.what} | {c.median_ms:.2f} | {c.least_ms:.2f} | {c.floors:.2f} |" for c in result.costs),
        "",
        "| asked for | measured | limit | reached |",
        "|---|---|---|---|",
        *(_reach_row(reach) for reach in result.reaches),
    ]
    return "\n".join((*lines, *(("", *result.notes) if result.notes else ())))


def _reach_row(reach: Reach) -> str:
    sign = "≥" if reach.at_least else "≤"
    word = "yes" if reach.reached else "no"
    return f"| {reach.what} | {reach.measured:.3g} {reach.unit} | {sign} {reach.limit:g} {reach.unit} | {word} |"
