"""One HTML page about a batch: the clips ranked by what is wrong with them, each with the command that opens it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from optim.batch.summary import STATES, Line
from optim.diagnostics.causes.table import RULES
from optim.reporting.page import FIGURES
from optim.reporting.rendering import render

SHOWN = ("joints_all", "joints_occluded", "acceleration", "foot_skate_mm", "mesh_penetration_mean_cm")
"""Figures of ``optim.evaluate`` that have a column on the page. The CSV file has all of them."""


@dataclass(frozen=True)
class Row:
    """A clip on the page."""

    name: str
    state: str
    message: str
    faults: list[dict[str, Any]]
    figures: list[str]
    command: str


def batch_page(lines: Sequence[Line], *, title: str) -> str:
    """The whole document.

    Args:
        lines: The clips, in the order in which they are shown.
        title: Title of the page.
    """
    names = [name for name in SHOWN if any(_last(line, name) for line in lines)]
    states = Counter[str](line.record.state for line in lines)
    causes = Counter(rule for line in lines for rule in {str(cause.get("rule", "")) for cause in line.faults})
    helps = {rule.name: rule.help for rule in RULES}
    values = {
        "title": title,
        "about": ", ".join(f"{states[state]} {state}" for state in reversed(STATES) if states[state]),
        "causes": [(rule, count, helps.get(rule, "")) for rule, count in causes.most_common()],
        "names": [FIGURES[name] for name in names],
        "rows": [_row(line, names) for line in lines],
    }
    return render("batch.html", values) + "\n"


def _row(line: Line, names: Sequence[str]) -> Row:
    faults = [
        {
            "level": str(cause.get("level")),
            "rule": str(cause.get("rule", "")),
            "text": str(cause.get("text", "")),
            "advice": str(cause.get("advice", "")),
            "evidence": "; ".join(map(str, cause.get("evidence") or ())),
        }
        for cause in line.faults
    ]
    return Row(
        line.job.name,
        line.record.state,
        line.record.message,
        faults,
        [_last(line, name) for name in names],
        line.command,
    )


def _last(line: Line, name: str) -> str:
    """Mean of a figure over the parts of a clip, in the last stage that has it. Empty if none has."""
    stages = dict.fromkeys(str(row["stage"]) for row in line.record.figures)
    for stage in reversed(stages):
        values = [float(row[name]) for row in line.record.figures if row["stage"] == stage and name in row]
        known = [value for value in values if value == value]
        if known:
            return f"{mean(known):.2f}"
    return ""
