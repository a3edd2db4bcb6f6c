"""``python -m optim.commands.bench.images FOLDER``: fits before made-up cameras under several presets, as one table.

With ``--data`` it fits clips one by one as ``bench.fits`` does, 45 frames of each, into the same kind of files. The
table has a row for each preset and protocol: what stage 3 makes of the result of stage 2, over the clips that all have.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from optim.commands.bench import fits
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.evaluation.protocols import PICTURED, Row
from optim.evaluation.tables import read_rows
from optim.schedule.presets import PRESETS

STAGES = ("stage2", "stage3")
BOTH = {
    "joints_all": "joints, mean [cm]",
    "joints_root_aligned": "root aligned, mean [cm]",
    "foot_skate_mm": "foot skate [mm/frame]",
    "acceleration": "acceleration [m/s²]",
}
"""Figure → head of the column with its mean after stage 2 and after stage 3."""
HEADS = (
    "preset",
    *BOTH.values(),
    "joints, median [cm]",
    "root aligned, median [cm]",
    "tilt of the floor, median; 90 %",
    "in the floor [cm]",
    "evaluations; seconds",
)


def table(folder: Path) -> str:
    """The fits of all files ``PROTOCOL-PRESET.csv`` in a folder, as a table in Markdown for each protocol of images.

    Raises:
        InputError: The folder has no such file.
    """
    texts = []
    for protocol in PICTURED:
        files = {preset: folder / f"{protocol}-{preset}.csv" for preset in PRESETS}
        rows = {preset: read_rows(path) for preset, path in files.items() if path.is_file()}
        if rows:
            texts.append("\n".join(_lines(protocol, rows)))
    if not texts:
        raise InputError(f"{folder}: no file PROTOCOL-PRESET.csv of images; fit clips first with --data FOLDER")
    return "\n\n".join(texts)


def _lines(protocol: str, rows: dict[str, list[Row]]) -> Iterator[str]:
    """The table of one protocol. The truth has an acceleration only."""
    finished = [{row["clip"] for row in of_preset if row["stage"] == STAGES[1]} for of_preset in rows.values()]
    shared = set.intersection(*finished)
    yield f"Protocol {protocol}, {len(shared)} clips:\n"
    yield f"| {' | '.join(HEADS)} |"
    yield "|---" * len(HEADS) + "|"
    if not shared:
        return
    for preset, of_preset in rows.items():
        before, after = ([r for r in of_preset if r["stage"] == stage and r["clip"] in shared] for stage in STAGES)
        yield _line(preset, before, after)
    of_shared = [row for row in next(iter(rows.values())) if row["clip"] in shared]
    truth = statistics.mean(_values(of_shared, "acceleration_of_truth"))
    cells = ["truth", *(f"{truth:.2f}" if name == "acceleration" else "" for name in BOTH), *("" for _ in range(5))]
    yield f"| {' | '.join(cells)} |"


def _line(preset: str, before: Sequence[Row], after: Sequence[Row]) -> str:
    """A row of the table: figures of the same clips after stages 2 and 3."""

    def change(name: str, middle: str) -> str:
        values = (getattr(statistics, middle)(_values(rows, name)) for rows in (before, after))
        return " → ".join(f"{value:.2f}" for value in values)

    tilts = sorted(_values(after, "floor_tilt_deg"))
    worst = tilts[round(0.9 * (len(tilts) - 1))]
    cost = [statistics.mean(_values(after, name)) for name in ("evaluations", "processor_s")]
    cells = (
        f"`{preset}`",
        *(change(name, "mean") for name in BOTH),
        change("joints_all", "median"),
        change("joints_root_aligned", "median"),
        f"{statistics.median(tilts):.1f}°; {worst:.1f}°",
        change("mesh_penetration_mean_cm", "mean").split(" → ")[1],
        f"{cost[0]:.0f}; {cost[1]:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _values(rows: Sequence[Row], name: str) -> list[float]:
    return [float(row[name]) for row in rows if row[name] not in ("", "nan")]


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    return fits.parser_of(
        "python -m optim.commands.bench.images",
        __doc__,
        protocols=tuple(PICTURED),
        usual=tuple(PICTURED),
        presets=("fast",),
        clips=24,
        frames=45,
    )


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and print; returns the exit status."""
    return fits.run(build_parser().parse_args(arguments), table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
