"""``humorscope evaluate``: the paper's metrics of many fits, stage 2 (VPoser-t) against stage 3 (HuMoR).

With a folder (``results_out``, or a folder of runs) it evaluates the fits in it. With ``--data`` and ``--protocol`` it
degrades clips of motion capture and fits them itself. The metrics of every batch are written to the CSV file at once; a
run that was stopped continues after the last batch when it is started again. A CSV file belongs to one protocol and one
preset. With ``--csv`` alone it prints the table of an earlier evaluation. ``optim.diagnostics.metrics`` defines the
metrics.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import assets
from optim.common import threads
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.logs import start_logging
from optim.common.progress import clock
from optim.evaluation.protocols import PROTOCOLS, Models, Row, choose_extracts, fit_batch, preset_of
from optim.evaluation.results import rows_of
from optim.evaluation.tables import append_rows, figures_of, read_rows, table
from optim.loading.models import load_body, load_init_state_prior, load_motion_prior
from optim.priors.pose_prior import load_pose_prior
from optim.schedule.solvers import SOLVERS

MODEL_FLAGS = {
    "--vposer": assets.POSE_PRIOR_FOLDER,
    "--humor": assets.MOTION_PRIOR_FILE,
    "--init-motion-prior": assets.INIT_STATE_PRIOR_FILE,
}


def evaluate_folder(folder: Path, *, csv_path: Path | None, body_path: Path | None) -> list[Row]:
    """Metrics of all results below a folder, also written to the CSV file.

    Raises:
        InputError: No result could be read.
    """
    rows = rows_of(folder, body_path=body_path)
    names = ["clip", "stage", *figures_of(rows)]
    if csv_path is not None:
        csv_path.unlink(missing_ok=True)
        append_rows(csv_path, [{name: row.get(name, "") for name in names} for row in rows])
    return rows


def evaluate_protocol(options: argparse.Namespace) -> list[Row]:
    """Fit every batch that is not in the CSV file yet; returns all rows."""
    body = load_body(options.smpl or assets.BODY_FOLDER)
    models = Models(
        body,
        load_pose_prior(options.vposer),
        load_motion_prior(options.humor),
        load_init_state_prior(options.init_motion_prior),
    )
    split = None if options.split == "all" else options.split
    extracts = choose_extracts(
        options.data, body, count=options.clips, frames=options.frames, split=split, match=options.match
    )
    preset = options.preset or preset_of(options.protocol)
    done = {row["clip"] for row in read_rows(options.csv)}
    left = [e for e in extracts if e.name not in done]
    began = time.monotonic()
    for start in range(0, len(left), options.batch):
        batch = left[start : start + options.batch]
        how = {name: getattr(options, name) for name in ("protocol", "seed", "num_iters", "solvers")}
        append_rows(options.csv, fit_batch(batch, models, preset=preset, **how))
        finished = start + len(batch)
        remaining = (time.monotonic() - began) / finished * (len(left) - finished)
        print(f"{finished}/{len(left)} clips, {clock(remaining)} left", file=sys.stderr, flush=True)
    wanted = {e.name for e in extracts}
    return [row for row in read_rows(options.csv) if row["clip"] in wanted]


def run(options: argparse.Namespace) -> list[Row]:
    """Run the evaluation that the options ask for, or read the rows of an earlier one."""
    if options.folder is None and options.data is None and options.csv is not None and options.csv.is_file():
        return read_rows(options.csv)
    if (options.folder is None) == (options.data is None):
        raise InputError("give a folder of results, or --data FOLDER of clips to fit; not both")
    if options.folder is not None:
        return evaluate_folder(options.folder, csv_path=options.csv, body_path=options.smpl)
    if options.csv is None:
        raise InputError("--csv is missing; give the file to which the metrics of the clips are written")
    return evaluate_protocol(options)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="humorscope evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="results to evaluate")
    parser.add_argument("--csv", type=Path, help="metrics per clip and stage; with --data, an old file is continued")
    parser.add_argument("--smpl", type=Path, metavar="FILE|DIR", help="body model (the one that results name)")
    group = parser.add_argument_group("options to fit clips first")
    group.add_argument("--data", type=Path, metavar="FOLDER", help="AMASS-format .npz clips")
    group.add_argument("--protocol", choices=sorted(PROTOCOLS), default="noisy")
    group.add_argument("--clips", type=int, default=24)
    group.add_argument("--frames", type=int, default=60)
    group.add_argument("--batch", type=int, default=8, help="clips fitted together")
    group.add_argument("--split", default="val", choices=("train", "val", "demo", "all"))
    group.add_argument(
        "--match", nargs="+", default=(), metavar="WORD", help="only clips whose path has one of the words"
    )
    group.add_argument("--preset", help="(that of a fit of the same data)")
    group.add_argument("--num-iters", type=int, nargs=3, help="outer steps of the three stages")
    group.add_argument("--solvers", nargs=3, choices=SOLVERS, help="solvers of the three stages (those of the preset)")
    group.add_argument("--seed", type=int, default=0)
    group.add_argument("--threads", type=int, default=1)
    for flag, default in MODEL_FLAGS.items():
        group.add_argument(flag, type=Path, default=default)
    return parser


@with_exit_status
def main(arguments: list[str] | None = None) -> int:
    """Evaluate and print the table; returns the exit status."""
    options = build_parser().parse_args(arguments)
    start_logging()
    threads.use(options.threads)
    try:
        print(table(run(options)))
    except KeyboardInterrupt:
        goes_on = f"; the same command goes on from {options.csv}" if options.data is not None else ""
        print(f"stopped{goes_on}", file=sys.stderr)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
