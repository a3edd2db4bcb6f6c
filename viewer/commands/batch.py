"""``humorscope batch DIR --out OUT``: the same fit for every clip of a folder, and a summary of all of them.

Any flag of a fit can be given, as for ``run_viewer.py --headless``; no videos are made. Each clip gets a folder in OUT.
Clips that are finished are skipped when the command is run again, and a clip that was interrupted goes on where its
recording ends. A clip that fails does not stop the others. OUT then holds ``summary.csv``, ``summary.parquet`` (with
``humorscope[parquet]``) and ``batch.html``, which ranks the clips by what is wrong with them.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from optim.batch.cluster import Cluster
from optim.batch.jobs import Job, chosen, jobs_of, shard_of
from optim.batch.page import batch_page
from optim.batch.pool import Pool
from optim.batch.progress import ProgressTable
from optim.batch.records import Record, finished, keep, known, measured
from optim.batch.summary import Line, lines_of, rows_of, write_csv, write_parquet
from optim.common import threads
from optim.common.errors import InputError
from optim.common.exit_status import STOPPED, tell_error, with_exit_status
from optim.common.writing import write_text
from optim.priors.fast.cache import start_compiling
from viewer.commands.fit import fit_clip

EVERY = 1.0
"""Seconds between two looks at the progress."""
log = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the flags that are not those of a fit."""
    parser = argparse.ArgumentParser(
        prog="humorscope batch", usage="humorscope batch DIR --out OUT [flags] [flags of a fit]", description=__doc__,
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="folder for the results; an earlier one is continued")
    parser.add_argument("--clips", nargs="+", default=[], metavar="NAME", help="only these; * and ? stand for others")
    parser.add_argument("--workers", type=int, metavar="N", help="number of processes (one for each processor)")
    parser.add_argument("--shard", metavar="I/N", help="every N-th clip from the I-th, for the tasks of a SLURM array")
    parser.add_argument("--ray", metavar="ADDRESS", help="fit on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT")
    parser.add_argument("--again", action="store_true", help="fit clips anew that were fitted with other settings")
    return parser


@with_exit_status
def main(arguments: Sequence[str]) -> int:
    """Fit the clips and write the summary; returns 0 if all are finished, 1 if any failed, 130 if stopped."""
    words = list(arguments)
    if {"-h", "--help"} & set(words):
        build_parser().print_help()
        return 0
    if not words or words[0].startswith("-"):
        raise InputError("give the folder of clips first: humorscope batch DIR --out OUT")
    options, flags = build_parser().parse_known_args(words[1:])
    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers {options.workers}: at least 1")
    jobs = jobs_of(Path(words[0]), options.out, flags)
    for notice in dict.fromkeys(text for job in jobs if job.settings for text in job.settings.notices):
        log.warning("%s", notice)
    wanted = shard_of(chosen(jobs, options.clips), options.shard)
    left = [job for job in wanted if job.settings is not None and not finished(job, again=options.again)]
    for job in wanted:
        if job.settings is None:
            keep(job, Record("failed", job.problem))
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
            signal.signal(getattr(signal, name), signal.default_int_handler)
    stopped = _fit(left, options, of=len(wanted))
    _complete([job for job in wanted if job not in left])
    lines = lines_of(chosen(jobs, options.clips))
    _write_summary(lines, options.out)
    failed = [line for line in lines if line.job in wanted and line.record.state == "failed"]
    if failed:
        tell_error(f"{len(failed)} of {len(wanted)} clips failed; {options.out / 'summary.csv'} says why")
    return STOPPED if stopped else 1 if failed else 0


def _fit(jobs: Sequence[Job], options: argparse.Namespace, *, of: int) -> bool:
    """Fit the jobs; returns whether that was stopped by Ctrl-C or a signal."""
    if not jobs:
        return False
    count = min(options.workers or threads.processors(), len(jobs))
    if options.ray is None and (compiler := start_compiling()) is not None:
        log.warning("compiling the roll-out for this machine, once")
        compiler.wait()
    engine = Pool(fit_clip, workers=count) if options.ray is None else Cluster(fit_clip, address=options.ray)
    where = f"processes: {count}" if options.ray is None else f"cluster: {options.ray}"
    table = ProgressTable(len(jobs), skipped=of - len(jobs), where=where)
    began = time.monotonic()
    try:
        for outcome in engine.outcomes(jobs, every=EVERY):
            if outcome is not None:
                table.done(*outcome)
            table.show([job for job in jobs if job.name in set(engine.running)])
    except KeyboardInterrupt:
        table.end()
        print("stopping; clips in work write their results so far", file=sys.stderr)
        return True
    finally:
        engine.close()
    table.end()
    seconds = time.monotonic() - began
    print(f"clips: {len(jobs)}, {seconds:.0f} s, {60 * len(jobs) / seconds:.2f} a minute", flush=True)
    return False


def _complete(jobs: Sequence[Job]) -> None:
    """Compute the figures of finished clips for which an earlier run has not kept them."""
    for job in jobs:
        record = known(job)
        if record.state == "finished" and not record.figures:
            keep(job, measured(job))


def _write_summary(lines: Sequence[Line], out: Path) -> None:
    rows = rows_of(lines)
    paths = [write_csv(rows, out / "summary.csv")]
    try:
        paths.append(write_parquet(rows, out / "summary.parquet"))
    except InputError as error:
        log.warning("%s", error)
    paths.append(out / "batch.html")
    write_text(paths[-1], batch_page(lines, title=f"Batch {out.resolve().name}"))
    for path in paths:
        print(f"summary: {path}", flush=True)
