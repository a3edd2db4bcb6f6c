"""``humorscope report RUN [OTHER]``: one self-contained HTML page about a fit, or about what differs in two fits.

RUN is a folder of results (``results_out/CLIP``, ``results_out``, or the folder above) or a recorded run. The page
shows losses, pictures of the stages, the metrics of the paper where there is a ground truth, curves per frame, drift of
the first roll-out, floor, seams, settings and versions. With OTHER, a second run of the same clip, it shows what was
set differently, and the differences in every frame, in every loss term and in the metrics.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from optim.common.exit_status import with_exit_status
from optim.common.writing import write_text
from optim.reporting.comparing import comparison_page
from optim.reporting.page import page
from optim.results.results import FitResult
from optim.results.runs import load_results
from optim.results.saving.humor_results import writable_folder


def run(options: argparse.Namespace) -> Path:
    """Write the page and return its path."""
    results = load_results(options.run, body_path=options.smpl)
    if options.other is not None:
        return _write_comparison(options, results)
    title = results[0].name if len(results) == 1 else str(options.run.resolve().name)
    clips = {str(result.info["clip"]) for result in results if "clip" in result.info}
    if len(clips) == 1 and len(results) > 1:
        title = f"{clips.pop()}, in {sum(not result.seams for result in results)} parts"
    path: Path = options.out or (
        options.run / "report.html" if options.run.is_dir() else options.run.with_suffix(".html")
    )
    writable_folder(path.parent)
    write_text(path, page(results, title=title, pictures=not options.no_pictures))
    return path


def _write_comparison(options: argparse.Namespace, results: list[FitResult]) -> Path:
    others = load_results(options.other, body_path=options.smpl)
    names = options.run.resolve().name, options.other.resolve().name
    if names[0] == names[1]:
        names = str(options.run), str(options.other)
    folder = options.run if options.run.is_dir() else options.run.parent
    path: Path = options.out or folder / f"{options.run.stem}-and-{options.other.stem}.html"
    writable_folder(path.parent)
    path.write_text(comparison_page(results, others, names=names), encoding="utf-8")
    return path


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="humorscope report", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("other", type=Path, nargs="?", metavar="OTHER", help="a second run of the clip")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="file to write, by default in RUN")
    parser.add_argument("--no-pictures", action="store_true", help="leave out the pictures, which must be rendered")
    parser.add_argument("--smpl", type=Path, metavar="FILE|DIR", help="body model, if meta.txt's is not there")
    return parser


@with_exit_status
def main(arguments: list[str] | None = None) -> int:
    """Write the report and name it; returns the exit status."""
    options = build_parser().parse_args(arguments)
    print(run(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
