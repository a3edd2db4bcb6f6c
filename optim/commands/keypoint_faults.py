"""``python -m optim.keypoint_faults``: how many faults of detectors are found, and what doubting them does for a fit.

Made-up cameras see windows of motion capture. Without a fault no keypoint may be doubted; with a fault in each window
the share of wrong keypoints that are doubted is counted. ``--fits N`` also fits N windows with each fault, with and
without the doubts, under the preset ``fast``. The tables are written between two marks of docs/lab/keypoints.md.
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
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.progress import Progress
from optim.evaluation.keypoint_faults import (
    FAULTS,
    Errors,
    Found,
    count_of_doubts,
    fitted,
    judged,
    noisy,
    pictured_without_noise,
    windows,
    with_fault,
)
from optim.evaluation.protocols import Extract
from optim.loading.models import load_body

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lab" / "keypoints.md"
NOISES = (0.0, 2.0, 4.0)
"""Standard deviations [px] of the keypoints' coordinates."""
USUAL_NOISE = 3.0
"""That of the pictures with a fault."""


def found_table(pictures: Sequence[np.ndarray], told: Progress) -> str:
    """Markdown tables of the false alarms and of the faults that are found."""
    parts = ["| noise [px] | keypoints | doubted | pictures with a doubt |", "|---|---|---|---|"]
    for noise in NOISES:
        rng = np.random.default_rng(0)
        clean = [noisy(points, noise, rng) for points in pictures]
        doubted = [count_of_doubts(points) for points in clean]
        count = sum(int((points[..., 2] > 0).sum()) for points in clean)
        parts.append(f"| {noise:g} | {count:,} | {sum(doubted)} | {np.count_nonzero(doubted)} of {len(clean)} |")
        told.show(1 + NOISES.index(noise), f"noise {noise:g}")
    heads = (
        "fault",
        "wrong keypoints",
        "of them doubted",
        "wrong at full weight afterwards",
        "right keypoints doubted",
    )
    parts += ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for number, fault in enumerate(FAULTS):
        rng, total = np.random.default_rng(1), Found(0, 0, 0, 0, 0)
        for points in pictures:
            clean_one = noisy(points, USUAL_NOISE, rng)
            total += judged(clean_one, with_fault(clean_one, fault, rng))
        found, left = (100 * count / max(total.wrong, 1) for count in (total.found, total.left))
        harmed = 100 * total.doubted / max(total.right, 1)
        parts.append(f"| {fault} | {total.wrong:,} | {found:.0f} % | {left:.0f} % | {harmed:.2f} % |")
        told.show(len(NOISES) + 1 + number, fault)
    return "\n".join(parts)


def fits_table(found: Sequence[Errors]) -> str:
    """Markdown table of the mean errors for each fault."""
    stages = sorted(found[0].by_stage)
    heads = [f"stage {stage}, {how}" for stage in stages for how in ("no fault", "all trusted", "doubted")]
    parts = ["| fault | fits | " + " | ".join(heads) + " |", "|---" * (2 + len(heads)) + "|"]
    for fault in dict.fromkeys(one.fault for one in found):
        here = [one for one in found if one.fault == fault]
        means = [np.mean([one.by_stage[stage][way] for one in here]) for stage in stages for way in range(3)]
        parts.append(f"| {fault} | {len(here)} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")
    return "\n".join(parts)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m optim.keypoint_faults", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of AMASS-format .npz clips with an index.json")
    parser.add_argument("--split", default="val", choices=("train", "val", "demo"))
    parser.add_argument("--frames", type=int, default=60, help="frames of a window")
    parser.add_argument("--most", type=int, metavar="N", help="take N windows, evenly among all (all)")
    parser.add_argument("--fits", type=int, default=0, metavar="N", help="fit N windows with each fault (0)")
    parser.add_argument("--only-fits", action="store_true", help="leave the table of what is found as it is")
    parser.add_argument("--num-iters", type=int, nargs=3, help="outer steps of the three stages of these fits")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE.md")
    add_model_flags(parser)
    return parser


def evenly(extracts: Sequence[Extract], count: int) -> list[Extract]:
    """``count`` of the windows, evenly among all."""
    return [extracts[int(place)] for place in np.linspace(0, len(extracts) - 1, count)]


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the tables; returns the exit status."""
    options = build_parser().parse_args(arguments)
    threads.use(1)
    body = load_body(options.smpl)
    extracts = list(windows(options.data, body, split=options.split, frames=options.frames))
    if not extracts:
        raise InputError(f"{options.data}: no clip of {options.frames} frames or more in the split {options.split}")
    chosen = evenly(extracts, min(options.most or len(extracts), len(extracts)))
    told = Progress(len(NOISES) + len(FAULTS) + options.fits * len(FAULTS), unit="steps", every=0.0)
    if not options.only_fits:
        pictures = [pictured_without_noise(extract, body, number) for number, extract in enumerate(chosen)]
        _write(options, "found", found_table(pictures, told))
    if options.fits:
        models = models_of(options)
        rows = []
        for number, extract in enumerate(evenly(extracts, options.fits)):
            for errors in fitted(extract, models, tuple(FAULTS), seed=number, num_iters=options.num_iters):
                rows.append(errors)
                told.show(len(NOISES) + len(FAULTS) + len(rows), f"{errors.fault} {extract.name}")
                _write(options, "fits", fits_table(rows))
    return 0


def _write(options: argparse.Namespace, what: str, table: str) -> None:
    begin, end = (f"<!-- keypoint_faults {options.split} {what}: {word} -->" for word in ("begin", "end"))
    write_between_marks(options.page, table, marks=(begin, end))


if __name__ == "__main__":
    sys.exit(main())
