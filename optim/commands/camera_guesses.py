"""``python -m optim.camera_guesses``: hold guessed floors and focal lengths against made-up cameras.

Stages 1 and 2 of clips of motion capture before made-up cameras are fitted, and the floor is guessed from them; a focal
length is estimated from one person and from several. The tables say how large the errors are and how often they are
within what is stated. They are written between two marks of docs/lab/cameras.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from optim.commands.model_flags import add_model_flags, models_of
from optim.commands.weight_rule import write_between_marks
from optim.common import threads
from optim.common.exit_status import with_exit_status
from optim.common.progress import Progress
from optim.evaluation.camera_guesses import floor_rows, focal_row
from optim.evaluation.protocols import PICTURED, Row, choose_extracts

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lab" / "cameras.md"
MARKS = ("<!-- camera_guesses: begin -->", "<!-- camera_guesses: end -->")
FLOOR = {"pitch": "°", "roll": "°", "height": " cm"}
"""Angle or height of a guessed floor → its unit."""
HEAD = "| made-up cameras | | error, median | 90 % | stated, median | within 1 σ | within 2 σ |"
RULE = "|---|---|---|---|---|---|---|"


def line(name: str, figure: str, error: np.ndarray, stated: np.ndarray, unit: str) -> str:
    """One row of a table: errors (N,), what is stated (N,), and how often the errors are within it."""
    away = np.abs(error)
    parts = [f"{value:.1f}{unit}" for value in (np.median(away), np.quantile(away, 0.9), np.median(stated))]
    parts += [f"{100 * np.mean(away <= times * stated):.0f} %" for times in (1.0, 2.0)]
    return f"| {name} | {figure} | " + " | ".join(parts) + " |"


def floor_table(rows: Sequence[Row]) -> str:
    """Markdown table of guessed floors: pitch, roll and height for each protocol."""
    lines = [HEAD, RULE]
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        here = [row for row in rows if row["protocol"] == protocol]
        for figure, unit in FLOOR.items():
            error, stated = (np.array([float(row[f"{figure}_{word}"]) for row in here]) for word in ("error", "stated"))
            lines.append(line(f"{protocol}, {len(here)} clips", figure, error, stated, unit))
        tilt = np.array([float(row["tilt_error"]) for row in here])
        errors = f"{np.median(tilt):.1f}° | {np.quantile(tilt, 0.9):.1f}°"
        lines.append(f"| {protocol}, {len(here)} clips | tilt | {errors} | | | |")
    return "\n".join(lines)


def focal_table(found: dict[str, list[Row]]) -> str:
    """Markdown table of estimated focal lengths in percent, and of the usual one, for each kind of picture."""
    lines = [HEAD, RULE]
    for name, rows in found.items():
        known = [row for row in rows if np.isfinite(float(row["focal_error"]))]
        columns = ("focal_error", "focal_stated", "guess_error")
        error, stated, guess = (100.0 * np.array([float(row[column]) for row in known]) for column in columns)
        lines.append(line(f"{name}, {len(known)} of {len(rows)} clips", "focal length", error, stated, " %"))
        lines.append(f"| {name} | the usual one | {np.median(np.abs(guess)):.1f} % | | | | |")
    return "\n".join(lines)


def run(options: argparse.Namespace) -> str:
    """Fit and guess; returns the tables."""
    models = models_of(options)
    split = None if options.split == "all" else options.split
    extracts = choose_extracts(options.data, models.body, count=options.clips, frames=options.frames, split=split)
    told = Progress(len(extracts) * len(PICTURED), unit="clips", every=0.0)
    floors: list[Row] = []
    focals: dict[str, list[Row]] = {}
    for protocol, views in PICTURED.items():
        for start in range(0, len(extracts), options.batch):
            batch = extracts[start : start + options.batch]
            how = {name: getattr(options, name) for name in ("seed", "num_iters", "keep")}
            floors += floor_rows(batch, models, protocol=protocol, **how)
            told.show(len(floors), protocol)
        for count, people in ((0, "one person"), (options.beside, f"{options.beside + 1} people")):
            for index, extract in enumerate(extracts):
                others = [extracts[(index + 1 + 7 * number) % len(extracts)] for number in range(count)]
                row = focal_row(extract, others, models.body, views, seed=options.seed)
                focals.setdefault(f"{protocol}, {people}", []).append(row)
    return f"{floor_table(floors)}\n\n{focal_table(focals)}"


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m optim.camera_guesses", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of AMASS-format .npz clips with an index.json")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE.md")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="folder for the free motions, which are not fitted twice"
    )
    parser.add_argument("--split", default="val", choices=("train", "val", "all"))
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--frames", type=int, default=45)
    parser.add_argument("--batch", type=int, default=10, help="clips fitted together")
    parser.add_argument("--beside", type=int, default=3, help="number of other people on the floor")
    parser.add_argument("--num-iters", type=int, nargs=2, default=(12, 25), help="outer steps of stages 1 and 2")
    parser.add_argument("--seed", type=int, default=0)
    add_model_flags(parser)
    return parser


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the tables; returns the exit status."""
    options = build_parser().parse_args(arguments)
    threads.use(1)
    write_between_marks(options.page, run(options), marks=MARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
