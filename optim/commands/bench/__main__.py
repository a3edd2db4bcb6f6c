"""``python -m optim.bench``: the time of an evaluation, compared with its lower limit, as a table and as JSON.

Everything is measured in one process, in turns: on one thread, and once more on as many as there are processors. A row
is the median of the rounds, a ratio the median of the rounds' ratios. The floor is the decoder's matrix products alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from optim.commands.bench import suite
from optim.commands.bench.report import as_text
from optim.commands.weight_rule import write_between_marks
from optim.common import threads
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status

PAGE = Path(__file__).resolve().parents[3] / "docs" / "lab" / "performance.md"
MARKS = ("<!-- bench: begin -->", "<!-- bench: end -->")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m optim.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rounds; the whole fit from a few steps (30 s)")
    parser.add_argument("--rounds", type=int, help="number of rounds in which everything is run (25; with --quick 5)")
    both = sorted({1, threads.processors()})
    parser.add_argument("--threads", type=int, nargs="+", default=both, metavar="N", help=f"default: {both}")
    parser.add_argument("--no-fit", action="store_true", help="leave out the whole fit")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to this file")
    parser.add_argument("--page", type=Path, metavar="FILE.md", help=f"write the table to this file, as in {PAGE.name}")
    return parser


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write the numbers; returns the exit status."""
    options = _parser().parse_args(arguments)
    rounds = options.rounds or (5 if options.quick else 25)
    if rounds < 1 or min(options.threads) < 1:
        raise InputError(f"--rounds {rounds} --threads {options.threads}: at least 1 is needed")
    results = []
    for count in options.threads:
        results.append(suite.run(count=count, rounds=rounds, fit=not options.no_fit, whole_fit=not options.quick))
        print(as_text(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    if options.page:
        write_between_marks(options.page, "\n\n".join(map(as_text, results)), marks=MARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
