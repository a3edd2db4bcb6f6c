"""``python -m optim.weight_rule``: measures whether a solver should keep its memory when a weight is edited.

It fits a clip up to the middle of a stage, changes one weight by a factor, and continues once with the solver's memory
and once without. It writes the table between two marks in docs/lab/weight_rule.md. Other flags are those of
``run_viewer.py``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.progress import Progress
from optim.config.settings import Settings, parse
from optim.loading.problem import load_problem
from optim.schedule.stages import schedule
from optim.session.edits import SetWeight
from optim.session.history import Snapshot
from optim.session.session import Session

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lab" / "weight_rule.md"
BEGIN, END = "<!-- weight_rule: begin -->", "<!-- weight_rule: end -->"
TERMS = {2: ("joints3d", "joints3d_smooth", "pose_prior"), 3: ("joints3d", "joint_consistency")}
FACTORS = (100.0, 10.0, 0.1, 0.01)
WARM, AFTER, LONG = 30, 20, 40
"""Numbers of iterations: before the edit, after it, and after it in the search for the lowest loss."""


@dataclass(frozen=True)
class Outcome:
    """The result of one edit, continued in both ways."""

    stage: int
    term: str
    factor: float
    edited: float
    """Loss right after the edit."""
    reset: float
    """Loss after the iterations without memory."""
    kept: float
    """Loss after the iterations with memory."""
    lowest: float
    """Lowest loss that either way reached in ``LONG`` iterations."""

    @property
    def left(self) -> tuple[float, float]:
        """Share of the possible gain that is still left, without memory and with it."""
        gain = max(self.edited - self.lowest, 1e-12)
        return (self.reset - self.lowest) / gain, (self.kept - self.lowest) / gain


def go_on(session: Session, iterations: int) -> list[float]:
    """Losses of the next iterations, across outer steps; fewer than ``iterations`` where the phase ends."""
    losses = [session.current.evaluation.total]
    while len(losses) <= iterations and not session.current.phase_done:
        losses.append(session.step_iteration().evaluation.total)
    return losses


def measure(session: Session, warm: Snapshot, term: str, factor: float) -> Outcome:
    """Continue from a snapshot in both ways; the session is not rewound afterwards."""
    ways = {}
    for keep in (False, True):
        session.rewind(warm.id)
        session.apply(SetWeight(term, factor * warm.weights[term], keep_memory=keep))
        ways[keep] = go_on(session, LONG)
    reset, kept = (losses[min(AFTER, len(losses) - 1)] for losses in (ways[False], ways[True]))
    return Outcome(warm.stage, term, factor, ways[False][0], reset, kept, min(min(ways[False]), min(ways[True])))


def measure_all(settings: Settings, stages: Sequence[int], told: Progress) -> list[Outcome]:
    """Measure all terms and factors of the stages on one clip with 3D joints."""
    problem, found = load_problem(settings), []
    phases = schedule(settings.preset, "3d", num_iters=(5, 10, 10), tune_init=False)
    session = Session(problem, schedule=phases)
    while session.current.stage < max(stages):
        session.finish_stage()
        session.step_iteration()
        if session.current.stage not in stages:
            continue
        go_on(session, WARM)
        warm = session.current
        for term in TERMS[warm.stage]:
            for factor in FACTORS:
                found.append(measure(session, warm, term, factor))
                told.show(len(found), f"stage {warm.stage}, {term} x {factor:g}")
        session.rewind(warm.id)
    return found


def table(found: Sequence[Outcome], what: str) -> str:
    """The outcomes and their summary as Markdown tables."""
    lines = [
        f"{what}, edits {WARM} iterations into the stage. Left: share of the way from the loss",
        f"right after the edit to the lowest found within {LONG} iterations that remains after {AFTER}.",
        "",
        "| stage | term | weight × | loss after the edit | left, memory reset | left, memory kept |",
        "|---|---|---|---|---|---|",
    ]
    for one in found:
        reset, kept = one.left
        lines.append(f"| {one.stage} | {one.term} | {one.factor:g} | {one.edited:.5g} | {reset:.2%} | {kept:.2%} |")
    lines += ["", "| edit | cases | reset better | kept better | mean left, reset | mean left, kept |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, chosen in (
        ("raised", [one for one in found if one.factor > 1]),
        ("lowered", [one for one in found if one.factor < 1]),
    ):
        wins = sum(one.reset < one.kept for one in chosen)
        means = [sum(one.left[way] for one in chosen) / max(len(chosen), 1) for way in (0, 1)]
        losses = sum(one.kept < one.reset for one in chosen)
        lines.append(f"| {name} | {len(chosen)} | {wins} | {losses} | {means[0]:.2%} | {means[1]:.2%} |")
    return "\n".join(lines)


def write_between_marks(page: Path, text: str, *, marks: tuple[str, str] = (BEGIN, END)) -> None:
    """Replace the text between the two marks of a page.

    Raises:
        InputError: A mark is missing in the page.
    """
    before, begin, rest = page.read_text(encoding="utf-8").partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise InputError(f"{page} lacks the marks {marks[0]} and {marks[1]} that the table goes between")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m optim.weight_rule", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE.md")
    parser.add_argument("--stages", type=int, nargs="+", choices=tuple(TERMS), default=tuple(TERMS))
    options, others = parser.parse_known_args(arguments)
    settings = parse(["--preset", "humorscope", *others])  # the rule is about the memory of L-BFGS
    told = Progress(sum(len(TERMS[stage]) for stage in options.stages) * len(FACTORS), unit="edits")
    found = measure_all(settings, options.stages, told)
    write_between_marks(
        options.page, table(found, f"Clip {settings.data_path or settings.data}, preset {settings.preset}")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
