"""``python -m optim.export RESULTS --to gltf,bvh``: write the motions of results folders in other formats.

RESULTS is ``results_out/CLIP``, ``final_results``, or a folder that holds such; what every format is in (axes, units)
stands in docs/frames.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from optim.errors import InputError
from optim.loading.results import find_results, read_result
from optim.results import STAGES
from optim.saving.exports import export
from optim.saving.formats import FORMATS, formats_of


def run(options: argparse.Namespace) -> list[Path]:
    """Write what the options ask for; clips of the same name in different folders get their folder's name before it."""
    formats = formats_of(options.to)
    written: list[Path] = []
    folders = find_results(options.results)
    for folder in folders:
        result = read_result(folder, body_path=options.smpl)
        twice = sum(other.name == folder.name for other in folders) > 1
        out = options.out / folder.parent.relative_to(options.results) if twice else options.out
        written += export(result, formats, out, stage=options.stage, frame=options.frame)
    return written


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m optim.export", description=__doc__)
    parser.add_argument("results", type=Path, metavar="RESULTS")
    parser.add_argument("--to", nargs="+", required=True, metavar="FORMAT", help=f"of {','.join(FORMATS)}")
    parser.add_argument("--out", type=Path, default=Path("export"), metavar="DIR", help="(export)")
    parser.add_argument("--stage", choices=STAGES, help="(the last one reached)")
    parser.add_argument("--frame", type=int, default=0, metavar="N", help="for obj; negative: from the end (0)")
    parser.add_argument("--smpl", type=Path, metavar="FILE|DIR", help="body, where meta.txt names none that is here")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Export and name the files; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        for path in run(options):
            print(path)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
