"""What came of all clips of a batch, as a table: CSV, Parquet, and the causes found in each clip."""

from __future__ import annotations

import csv
import logging
import math
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optim.batch.jobs import Job
from optim.batch.records import RESULTS, Record, known, recording_of, run_of
from optim.common.errors import InputError
from optim.common.versions import program
from optim.common.writing import replacing
from optim.evaluation.tables import figures_of

LEADING = ("clip", "part", "stage", "state", "message", "seconds", "frames", "fps", "evaluations", "cause", "causes")
"""Columns before the figures: the worst cause, and the number of causes that are not in order."""
TEXTS = ("clip", "part", "stage", "state", "message", "cause")
STATES = ("failed", "stopped", "waiting", "finished")
"""States of a fit, from the one that needs the most attention."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Line:
    """What came of one clip."""

    job: Job
    record: Record
    run: dict[str, Any]
    """Content of its ``run.json``; empty if there is none."""

    @property
    def faults(self) -> list[dict[str, Any]]:
        """Causes that are not in order, the likeliest first, as ``run.json`` holds them."""
        found = self.run.get("why")
        kept = found if isinstance(found, list) else []
        return [cause for cause in kept if isinstance(cause, dict) and cause.get("level") in ("bad", "warn")]

    @property
    def command(self) -> str:
        """Command that opens the clip in the window. Empty if there is nothing to see."""
        shown = recording_of(self.job) or self.job.folder / RESULTS
        return shlex.join([*program(), "open", str(shown)]) if shown.exists() else ""


def lines_of(jobs: Sequence[Job]) -> list[Line]:
    """What came of the jobs, those with the most serious faults first.

    A clip without results comes before all others. Among those with results, the number of causes that are bad decides,
    and then the number of those to be aware of.
    """
    lines = [Line(job, known(job), dict(run_of(job))) for job in jobs]
    return sorted(lines, key=lambda line: (*_urgency(line), line.job.name))


def _urgency(line: Line) -> tuple[int, int, int]:
    levels = Counter(cause["level"] for cause in line.faults)
    return STATES.index(line.record.state), -levels["bad"], -levels["warn"]


def rows_of(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """One row for each clip, sub-sequence and stage; a clip without figures has one row. All rows have all columns."""
    figures = figures_of([row for line in lines for row in line.record.figures])
    rows = []
    for line in lines:
        faults = line.faults
        about = {
            "clip": line.job.name,
            "state": line.record.state,
            "message": line.record.message,
            "seconds": round(line.record.seconds, 2),
            **{name: line.run.get(name) for name in ("frames", "fps", "evaluations")},
            "cause": str(faults[0].get("rule", "")) if faults else "",
            "causes": len(faults),
        }
        for row in line.record.figures or ({"clip": "", "stage": ""},):
            rows.append(
                {name: about.get(name) for name in LEADING}
                | {"part": row["clip"], "stage": row["stage"]}
                | {name: _number(row.get(name)) for name in figures}
            )
    return rows


def write_csv(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Write the rows with a header. Cells without a value are empty."""
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    return path


def write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> Path:
    """Write the same rows as Parquet, with texts as strings and all other columns as 64-bit floats.

    Raises:
        InputError: pyarrow is not installed, or the file cannot be written.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise InputError(f"{path.name} needs pyarrow; pip install 'humorscope[parquet]'") from None
    columns = {
        name: pa.array([row[name] for row in rows], pa.string() if name in TEXTS else pa.float64()) for name in rows[0]
    }
    with replacing(path) as beside:
        parquet.write_table(pa.table(columns), beside)
    return path


def _number(value: Any) -> float | None:
    """A figure; None where there is none."""
    if value in (None, ""):
        return None
    number = float(value)
    return number if math.isfinite(number) else None
