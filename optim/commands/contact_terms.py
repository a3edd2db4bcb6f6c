"""``python -m optim.contact_terms``: the contact terms side by side on motion capture, to choose their weights.

For every protocol, clip and way the figures of ``optim.evaluation.contact_terms`` are added to the CSV file. The ways
are the public terms, the terms of planted joints with their default weights, and those with each set of weights that
``--try`` gives. What is in the file is not measured again, so that weights and clips can be added later. The means of
all that is in it are written as tables between two marks of docs/lab/contacts.md, one pair for each split; a CSV file
belongs to one split.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from optim.commands.model_flags import add_model_flags, models_of
from optim.commands.weight_rule import write_between_marks
from optim.common import threads
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.progress import Progress
from optim.evaluation.contact_terms import BEFORE, PROTOCOLS, TRUTH, Candidates, measure
from optim.evaluation.protocols import Row, choose_extracts
from optim.evaluation.tables import append_rows, read_rows
from optim.schedule.presets import PRESETS, Preset
from optim.schedule.solvers import SOLVERS
from optim.schedule.terms import Triple

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lab" / "contacts.md"
PUBLIC: Literal["public"] = "public"
PLANTED: Literal["planted"] = "planted"
TRIED = ("planted_vel", "planted_height", "floor_penetration")
"""Weights that ``--try`` gives, in this order."""
WORDS = ("clip", "protocol", "way")
"""Columns of the CSV file that are no figures."""
COLUMNS = {
    "joints": "joints [cm]",
    "aligned": "root-aligned [cm]",
    "hidden": "hidden [cm]",
    "planted_mm": "planted feet [mm/frame]",
    "sole_cm": "sole error, planted [cm]",
    "depth_cm": "lowest vertex, depth [cm]",
    "float_cm": "lowest vertex, height [cm]",
    "recall": "contact recall",
    "precision": "contact precision",
    "acceleration": "acceleration [m/s²]",
    "evaluations": "evaluations of stage 3",
    "seconds": "stage 3 [s]",
}
"""Figure → head of its column in the tables."""


def candidates(preset: str, tries: Sequence[Sequence[float]]) -> Candidates:
    """The ways to measure: the public terms, and planted joints with default weights and with those that are tried."""
    public, planted = replace(PRESETS[preset], contacts=PUBLIC), replace(PRESETS[preset], contacts=PLANTED)
    found: dict[str, tuple[Preset, dict[str, Triple]]] = {PUBLIC: (public, {}), PLANTED: (planted, {})}
    for values in tries:
        weights = {name: (0.0, 0.0, value) for name, value in zip(TRIED, values, strict=True)}
        found[", ".join(f"{value:g}" for value in values)] = planted, weights
    return found


def checked_tries(given: Sequence[Sequence[str]]) -> dict[str, list[list[float]]]:
    """Protocol → the weights that ``--try`` gives for it.

    Raises:
        InputError: A protocol is unknown or a weight is no number.
    """
    found: dict[str, list[list[float]]] = {protocol: [] for protocol in PROTOCOLS}
    for protocol, *values in given:
        if protocol not in found:
            raise InputError(f"--try {protocol}: there are the protocols {', '.join(PROTOCOLS)}")
        try:
            found[protocol].append([float(value) for value in values])
        except ValueError:
            raise InputError(f"--try {protocol} {' '.join(values)}: give three numbers") from None
    return found


def tables(rows: Sequence[Row]) -> str:
    """One Markdown table of means for each protocol, with a row for the truth, stage 2 and every way."""
    parts: list[str] = []
    for protocol in dict.fromkeys(str(row["protocol"]) for row in rows):
        here = [row for row in rows if row["protocol"] == protocol]
        clips = {row["clip"] for row in here}
        ways = dict.fromkeys([TRUTH, BEFORE, *(str(row["way"]) for row in here)])
        parts += ["", f"`{protocol}`, {len(clips)} clips:", ""][not parts :]
        parts += ["| way | clips | " + " | ".join(COLUMNS.values()) + " |", "|---" * (2 + len(COLUMNS)) + "|"]
        for way in ways:
            of_way = [row for row in here if row["way"] == way]
            means = (_mean([float(row[name]) for row in of_way if row[name] != ""]) for name in COLUMNS)
            parts.append(f"| {way} | {len(of_way)} | " + " | ".join(means) + " |")
    return "\n".join(parts)


def _mean(values: Sequence[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    return f"{sum(known) / len(known):.2f}" if known else ""


def run(options: argparse.Namespace) -> list[Row]:
    """Measure what is not in the CSV file yet; returns all of its rows."""
    models = models_of(options)
    extracts = choose_extracts(
        options.data,
        models.body,
        count=options.clips,
        frames=options.frames,
        split=options.split,
        match=options.match,
    )
    told = Progress(len(extracts) * len(options.protocols), unit="clips", every=0.0)
    for index, protocol in enumerate(options.protocols):
        ways = candidates(options.preset, options.tries[protocol])
        for number, extract in enumerate(extracts, 1 + index * len(extracts)):
            done = {row["way"] for row in read_rows(options.csv, words=WORDS) if _key(row) == (extract.name, protocol)}
            left = {name: way for name, way in ways.items() if name not in done}
            if left:
                how = {name: getattr(options, name) for name in ("seed", "num_iters", "solvers", "flat_gain")}
                for row in measure(extract, models, left, protocol=protocol, **how):
                    if row["way"] not in done:
                        append_rows(options.csv, [row], words=WORDS)
            told.show(number, f"{protocol} {extract.name}")
    return read_rows(options.csv, words=WORDS)


def _key(row: Row) -> tuple[float | str, float | str]:
    return row["clip"], row["protocol"]


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m optim.contact_terms", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of AMASS-format .npz clips with an index.json")
    parser.add_argument("--csv", type=Path, required=True, help="figures per clip and way; an old file is continued")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE.md")
    parser.add_argument("--split", default="train", choices=("train", "val", "demo"))
    parser.add_argument(
        "--match", nargs="+", default=(), metavar="WORD", help="only clips whose path has one of the words"
    )
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument(
        "--try", dest="tries", nargs=4, action="append", default=[], metavar=("PROTOCOL", "VEL", "HEIGHT", "DEPTH"),
        help="weights of planted_vel, planted_height and floor_penetration in stage 3 to try with a protocol",
    )  # fmt: skip
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--preset", choices=PRESETS, default="fast")
    parser.add_argument("--solvers", nargs=3, choices=SOLVERS, help="solvers of the three stages (those of the preset)")
    parser.add_argument("--num-iters", type=int, nargs=3, help="outer steps of the three stages")
    parser.add_argument("--flat-gain", type=float, default=1e-3, help="see the option of the same name of a fit")
    parser.add_argument("--seed", type=int, default=0)
    add_model_flags(parser)
    return parser


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the tables; returns the exit status."""
    options = build_parser().parse_args(arguments)
    options.tries = checked_tries(options.tries)
    threads.use(1)
    rows = run(options)
    begin, end = (f"<!-- contact_terms {options.split}: {word} -->" for word in ("begin", "end"))
    write_between_marks(options.page, tables(rows), marks=(begin, end))
    return 0


if __name__ == "__main__":
    sys.exit(main())
