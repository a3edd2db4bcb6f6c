"""``python -m optim.commands.bench.fits FOLDER``: whole fits of the same clips under several presets, as one table.

With ``--data`` it fits clips one by one (``humorscope evaluate`` with ``--batch 1``) and adds them to a CSV file for
each protocol and preset in the folder; the same command goes on where it was stopped. It always prints the table of all
files in the folder: evaluations and processor seconds of stages 1, 2 and 3, the loss after each, and the errors of the
joints after stages 2 and 3.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from optim.commands import evaluate
from optim.commands.bench.measure import load
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.evaluation.protocols import PROTOCOLS, Row
from optim.evaluation.tables import read_rows
from optim.schedule.presets import PRESETS

STAGES = ("stage1", "stage2", "stage3")
HEAD = (
    "| clip | preset | evaluations of the stages | seconds | loss after each | joints [cm] | root aligned [cm] |\n"
    "|---|---|---|---|---|---|---|"
)
MEAN = "mean of {} clips"


def fit(options: argparse.Namespace) -> None:
    """Fit what is not in the files of the folder yet."""
    for protocol in options.protocols:
        for preset in options.presets:
            flags = ["--data", str(options.data), "--protocol", protocol, "--preset", preset, "--batch", "1"]
            flags += ["--clips", str(options.clips), "--frames", str(options.frames)]
            flags += ["--csv", str(options.folder / f"{protocol}-{preset}.csv")]
            evaluate.evaluate_protocol(evaluate.build_parser().parse_args(flags))


def table(folder: Path) -> str:
    """The fits of all files ``PROTOCOL-PRESET.csv`` in a folder, as a table in Markdown for each protocol.

    Raises:
        InputError: The folder has no such file.
    """
    texts = []
    for protocol in PROTOCOLS:
        files = {preset: folder / f"{protocol}-{preset}.csv" for preset in PRESETS}
        fits = {preset: _by_clip(read_rows(path)) for preset, path in files.items() if path.is_file()}
        if fits:
            texts.append("\n".join((f"Protocol {protocol}:\n", HEAD, *_lines(fits))))
    if not texts:
        raise InputError(f"{folder}: no file PROTOCOL-PRESET.csv; fit clips first with --data FOLDER")
    return "\n\n".join(texts)


def _by_clip(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Clip → its rows after stages 1, 2 and 3."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["stage"] in STAGES:
            found.setdefault(str(row["clip"]), []).append(row)
    return found


def _lines(fits: dict[str, dict[str, list[Row]]]) -> Iterator[str]:
    """A line for every fit, and one for the mean of each preset with several clips over those that all of them have."""
    for clip in dict.fromkeys(clip for of_preset in fits.values() for clip in of_preset):
        for preset, of_preset in fits.items():
            if clip in of_preset:
                yield _line(clip, preset, [of_preset[clip]])
    several = {preset: of_preset for preset, of_preset in fits.items() if len(of_preset) > 1}
    first = next(iter(several.values()), {})
    shared = [clip for clip in first if all(clip in of_preset for of_preset in several.values())]
    if len(shared) > 1:
        for preset, of_preset in several.items():
            yield _line(MEAN.format(len(shared)), preset, [of_preset[clip] for clip in shared])


def _line(name: str, preset: str, fits: Sequence[Sequence[Row]]) -> str:
    """One row of the table: the means of some fits."""

    def means(column: str) -> list[float]:
        return [sum(float(rows[stage][column]) for rows in fits) / len(fits) for stage in range(len(fits[0]))]

    def each(values: Sequence[float], digits: int) -> str:
        return " + ".join(f"{value:.{digits}f}" for value in _differences(values))

    evaluations, seconds = means("evaluations"), means("processor_s")
    losses = "; ".join(f"{value:.4g}" for value in means("loss"))
    errors = ("; ".join(f"{value:.2f}" for value in means(name)[1:]) for name in ("joints_all", "joints_root_aligned"))
    cells = (name, preset, each(evaluations, 0), f"{each(seconds, 1)} = {seconds[-1]:.1f}", losses, *errors)
    return f"| {' | '.join(cells)} |"


def _differences(values: Sequence[float]) -> list[float]:
    """What each stage adds to a sum."""
    return [after - before for before, after in zip((0.0, *values), values, strict=False)]


def parser_of(
    program: str,
    about: str | None,
    *,
    protocols: Sequence[str],
    usual: Sequence[str],
    presets: Sequence[str],
    clips: int,
    frames: int,
) -> argparse.ArgumentParser:
    """The command line of a table of fits: the protocols that may be chosen, and what it fits if nothing is said."""
    parser = argparse.ArgumentParser(
        prog=program, description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of the CSV files")
    parser.add_argument("--data", type=Path, metavar="MOCAP", help="AMASS-format .npz clips to fit")
    parser.add_argument("--protocols", nargs="+", choices=sorted(protocols), default=usual)
    parser.add_argument("--presets", nargs="+", choices=sorted(PRESETS), default=presets)
    parser.add_argument("--clips", type=int, default=clips, help="number of clips of each protocol (%(default)s)")
    parser.add_argument("--frames", type=int, default=frames, help="number of frames of each clip (%(default)s)")
    return parser


def run(options: argparse.Namespace, table_of: Callable[[Path], str]) -> int:
    """Fit what is asked for and print the table of the folder; returns the exit status."""
    if options.data is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        print(load(), file=sys.stderr, flush=True)
        fit(options)
    print(table_of(options.folder))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    return parser_of(
        "python -m optim.commands.bench.fits",
        __doc__,
        protocols=PROTOCOLS,
        usual=("noisy", "occluded"),
        presets=("fast", "direct", "humorscope"),
        clips=8,
        frames=60,
    )


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and print; returns the exit status."""
    return run(build_parser().parse_args(arguments), table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
