"""``python -m optim.profile``: the time of a fit by stage and by section of an evaluation.

Time is booked to the section that spends it, not to the solver that calls it. Sections are roll-out, body model, priors
and loss terms forward; the roll-out's share of the gradient and the rest of it; the solver's own arithmetic; and the
rest (packing, snapshots, entering a stage). All flags of ``run_viewer.py`` that say what to fit can be given.
"""

from __future__ import annotations

import argparse
import sys
import time

from optim.common import threads
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.config.settings import parse
from optim.diagnostics.profiling import PARTS, Profile, profile_fit, shortened
from optim.loading.problem import load_problem

PUBLIC_SHARE = {1: 0.01, 2: 0.04, 3: 0.89}
"""Stage → share in the run time of the public code, as its users have measured it (video, GPU)."""


def stage_table(profile: Profile, full: Profile) -> str:
    """A table with one row per stage: what was run, its speed, and its share in a full run, also of the public code."""
    lines = ["            steps  evaluations  seconds  ms/evaluation   full run [s]   share   public code"]
    lines.append(_row("loading", "", "", profile.loading, "", full.loading, full.loading / full.seconds, ""))
    for stage in profile.stages:
        ran = profile.of_stage(stage)
        pace = f"{1000 * ran.seconds / ran.evaluations:.1f}"
        whole = full.of_stage(stage).seconds
        public = f"{PUBLIC_SHARE[stage]:.0%}"
        lines.append(
            _row(ran.name, str(ran.steps), str(ran.evaluations), ran.seconds, pace, whole, full.share(stage), public)
        )
    return "\n".join(lines)


def _row(
    name: str, steps: str, evaluations: str, seconds: float, pace: str, whole: float, share: float, public: str
) -> str:
    return f"{name:10}{steps:>7}{evaluations:>13}{seconds:9.1f}{pace:>15}{whole:15.1f}{share:8.1%}{public:>14}"


def part_table(profile: Profile) -> str:
    """A row per part: its share of each stage, and milliseconds per evaluation there."""
    stages = [profile.of_stage(stage) for stage in profile.stages]
    lines = [" " * 20 + "".join(f"{stage.name:>22}" for stage in stages)]
    for name in PARTS:
        cells = [
            f"{stage.parts[name] / stage.seconds:8.1%}{1000 * stage.parts[name] / stage.evaluations:10.2f} ms"
            for stage in stages
        ]
        lines.append(f"{name:20}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m optim.profile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="further flags: those of run_viewer.py, for example --observations joints2d --preset reference",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--steps", type=int, default=1, help="outer steps to run in each phase (default 1); 0: the whole schedule"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--processor-time", action="store_true", help="not wall time; steadier on a machine that is busy otherwise"
    )
    return parser


@with_exit_status
def main(arguments: list[str] | None = None) -> int:
    """Profile a fit and print the tables; returns the exit status."""
    options, flags = _parser().parse_known_args(arguments)
    if options.steps < 0 or options.threads < 1:
        raise InputError(f"--steps {options.steps} --threads {options.threads}: at least 0 and 1 are needed")
    threads.use(options.threads)
    settings = parse(flags)
    now = time.process_time if options.processor_time else time.perf_counter
    began = now()
    problem = load_problem(settings)
    loading = now() - began
    planned = settings.schedule()
    run = shortened(planned, options.steps) if options.steps else planned
    profile = profile_fit(problem, run, loading=loading, now=now)
    how = f"{problem.batch} x {problem.frames} frames, {settings.preset}, {options.threads} thread(s)"
    print(f"{problem.name}: {how}\n\n{stage_table(profile, profile.scaled(planned))}\n\n{part_table(profile)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
