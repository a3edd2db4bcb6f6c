"""Write losses and diagnostics as CSV with commas, decimal points and one header row. Column names give the units.

``losses`` has one row per L-BFGS iteration: iteration, phase, stage, step (from 0, within the phase), total, and every
term weighted and, as ``NAME_raw``, unweighted (units: docs/frames.md). A cell is empty if its term is not active.
``diagnostics`` has one row per frame, in the world with z up and the floor at z = 0.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from optim.common.writing import replacing
from optim.results.figures import per_frame
from optim.results.results import LossRow
from optim.results.saving.take import Take


def write_tables(take: Take, folder: Path) -> list[Path]:
    """Write ``STEM_diagnostics.csv`` and, if the losses are known, ``CLIP_losses.csv``. Returns their paths."""
    paths = [folder / f"{take.stem}_diagnostics.csv"]
    columns = per_frame(take.result, take.stage)
    with replacing(paths[0]) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "seconds", *columns])
        for frame, row in enumerate(zip(*columns.values(), strict=True)):
            writer.writerow([frame, f"{frame / take.fps:.6f}", *(_cell(float(value)) for value in row)])
    if take.result.losses:
        paths.append(write_losses(take.result.losses, folder / f"{take.result.name}_losses.csv"))
    return paths


def write_losses(rows: Sequence[LossRow], path: Path) -> Path:
    """Write rows of ``optim.results.results.loss_row``. Every term that is active in any row has a column."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names, restval="")
        writer.writeheader()
        writer.writerows({k: f"{v:.9g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    return path


def _cell(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
