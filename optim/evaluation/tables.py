"""Metrics of many fits as rows of a CSV file, and their means as a table with a column for each stage."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from optim.common.errors import InputError
from optim.evaluation.protocols import Row
from optim.reading.files import guarded, read_text
from optim.results.results import STAGES

NAMES = {"stage1": "stage 1", "stage2": "VPoser-t", "stage3_init": "roll-out", "stage3": "HuMoR"}
"""Stage → name in the paper of the method that ends with it. The roll-out is the beginning of stage 3."""
WORDS = ("clip", "stage")
"""Columns of the rows of an evaluation that are words."""
NO_FIGURES = ("clip", "stage", "seconds_of_batch")
"""Columns that are not metrics."""


def table(rows: Sequence[Row]) -> str:
    """Text table of the mean of every metric over the clips, by stage, and the ratio of stage 3 to stage 2."""
    stages = [stage for stage in STAGES if any(row["stage"] == stage for row in rows)]
    clips = len({row["clip"] for row in rows})
    lines = [f"{clips} clip{'s' if clips > 1 else ''}".ljust(26) + "".join(f"{NAMES[s]:>10}" for s in stages)]
    lines[0] += "     3 / 2" if {"stage2", "stage3"} <= set(stages) else ""
    for name in figures_of(rows):
        means = {stage: mean_of(rows, stage, name) for stage in stages}
        if all(math.isnan(value) for value in means.values()):
            continue
        line = name.ljust(26) + "".join(f"{means[s]:10.3f}" if not math.isnan(means[s]) else " " * 10 for s in stages)
        before = means.get("stage2", math.nan)
        ratio = means["stage3"] / before if "stage3" in means and before else math.nan
        lines.append(line + (f"{ratio:10.3f}" if not math.isnan(ratio) else ""))
    return "\n".join(lines)


def figures_of(rows: Sequence[Row]) -> list[str]:
    """Names of the metrics in any of the rows, in the order of the columns."""
    return [name for name in dict.fromkeys(key for row in rows for key in row) if name not in NO_FIGURES]


def mean_of(rows: Sequence[Row], stage: str, name: str) -> float:
    """Mean of a metric over the clips that have it. NaN if no clip has it."""
    values = [float(row[name]) for row in rows if row["stage"] == stage and row.get(name) not in (None, "")]
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def read_rows(path: Path, *, words: Sequence[str] = WORDS) -> list[Row]:
    """Rows that earlier runs wrote. The list is empty if there is no file.

    Args:
        words: Columns that every row must have and that are no figures.

    Raises:
        InputError: The file cannot be read, or a row has more or fewer values than its header.
    """
    if not path.exists():
        return []
    advice = "delete it or give another --csv"
    text = read_text(path, what="a table of figures")
    with guarded(path, problem="no table", advice=advice, also=(csv.Error,)):
        rows = [dict(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
    for number, row in enumerate(rows, start=2):
        figures = [value for name, value in row.items() if name not in words]
        if not set(words) <= set(row) or None in row or not all(_is_figure(value) for value in figures):
            raise InputError(f"{path}, line {number}: no row of figures with {', '.join(words)}; {advice}")
    return rows


def _is_figure(value: str | None) -> bool:
    """Whether a text is a number or empty."""
    try:
        return value is not None and (value == "" or not math.isnan(float(value)) or value == "nan")
    except ValueError:
        return False


def append_rows(path: Path, rows: Sequence[Row], *, words: Sequence[str] = WORDS) -> None:
    """Append rows to a CSV file. A new file gets a header.

    Args:
        words: As for ``read_rows``.

    Raises:
        InputError: The existing file has other columns.
    """
    names = list(rows[0])
    known = read_rows(path, words=words)
    if known and list(known[0]) != names:
        raise InputError(f"{path}: its columns are not those of this evaluation; delete it or give another --csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names)
        if not known:
            writer.writeheader()
        writer.writerows(rows)
