"""``humorscope export RUN --to gltf,bvh``: write the motions of a run in other formats.

RUN is ``results_out/CLIP``, ``final_results``, a folder with such folders, or a recorded run. docs/frames.md has the
axes and units of every format.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.config.formats import BONES, FORMATS, formats_of
from optim.results.results import STAGES
from optim.results.runs import load_results
from optim.results.saving.exports import export


def run(options: argparse.Namespace) -> list[Path]:
    """Write the files that the options ask for, and return them."""
    formats = formats_of(options.to)
    results = load_results(options.results, body_path=options.smpl)
    names = [result.name for result in results]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{options.results}: several clips are called {twice[0]}; export them one by one")
    run = options.results
    folder = options.out or (run if run.is_dir() else run.parent) / "export"
    return export(
        results, formats, folder, stage=options.stage, frame=options.frame, bones=options.bones, scale=options.scale
    )


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="humorscope export", description=__doc__)
    parser.add_argument("results", type=Path, metavar="RUN")
    parser.add_argument("--to", nargs="+", required=True, metavar="FORMAT", help=f"one or more of {','.join(FORMATS)}")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write to (export in the run's folder)")
    parser.add_argument("--stage", choices=STAGES, help="stage to export (the last one reached)")
    parser.add_argument("--frame", type=int, default=0, metavar="N", help="frame for obj; negative: from the end (0)")
    parser.add_argument("--bones", choices=BONES, default=BONES[0], help="names of the bones in gltf and bvh (smpl)")
    parser.add_argument(
        "--scale", type=float, default=1.0, metavar="N", help="units of length in one metre in gltf and bvh (1)"
    )
    parser.add_argument("--smpl", type=Path, metavar="FILE|DIR", help="body model, if meta.txt's is not there")
    return parser


@with_exit_status
def main(arguments: list[str] | None = None) -> int:
    """Export and name the files; returns the exit status."""
    options = build_parser().parse_args(arguments)
    for path in run(options):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
