"""``python -m optim.landmark_offsets``: where BlazePose marks a body, against the points of the body model.

The networks look at made-up photographs of motion capture. From those of the split ``train`` the shares of bones are
fitted that ``optim.keypoints.offsets`` moves the landmarks by; those of ``val`` say what it gains. The table is written
between two marks of docs/lab/keypoints.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import assets
from optim.commands.weight_rule import write_between_marks
from optim.common import threads
from optim.common.exit_status import with_exit_status
from optim.evaluation.landmark_offsets import errors_cm, fitted_shares, landmarks
from optim.loading.models import load_body

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lab" / "keypoints.md"
MARKS = ("<!-- landmark_offsets: begin -->", "<!-- landmark_offsets: end -->")


def table(shares: Mapping[str, Sequence[float]], errors: Mapping[str, tuple[float, float]]) -> str:
    """Markdown table of the shares and the errors of each keypoint."""
    parts = ["| keypoint | fitted shares | as found [cm] | moved [cm] |", "|---|---|---|---|"]
    for name, values in shares.items():
        told = ", ".join(f"{value:.3f}" for value in values)
        parts.append(f"| {name.replace('_', ' ')} | {told} | {errors[name][0]:.1f} | {errors[name][1]:.1f} |")
    return "\n".join(parts)


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the table; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m optim.landmark_offsets", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of AMASS-format .npz clips with an index.json")
    parser.add_argument("--pictures", type=int, nargs=2, default=(160, 100), metavar="N", help="of train and of val")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE.md")
    parser.add_argument("--smpl", type=Path, default=assets.BODY_FOLDER)
    options = parser.parse_args(arguments)
    threads.use(1)
    body = load_body(options.smpl)
    fitted, tried = (
        landmarks(options.data, body, split=split, count=count)
        for split, count in zip(("train", "val"), options.pictures, strict=True)
    )
    write_between_marks(options.page, table(fitted_shares(fitted), errors_cm(tried)), marks=MARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
