"""``python -m optim.shooting_bench``: several ways through stage 3 from the same end of stage 2, on motion capture.

Every variant ends with the same loss, that of the last phase of the exact mode. During the fit, its progress is also
measured with that loss; this is not part of the measured time. Seconds are processor time on one thread. Clips
alternate between the protocols of ``optim.evaluation.protocols``. Rows are written to the CSV file after each clip, so
a run that was stopped can be continued. The table is written between two marks of docs/lab/shooting.md.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from optim.commands.model_flags import add_model_flags, models_of
from optim.commands.weight_rule import write_between_marks
from optim.common import threads
from optim.common.exit_status import with_exit_status
from optim.common.progress import Progress
from optim.diagnostics.metrics import joint_errors
from optim.evaluation.protocols import PAPER, Extract, Models, Row, choose_extracts
from optim.evaluation.tables import append_rows, read_rows
from optim.loading.observe import degrade
from optim.objective.objective import Objective
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.schedule.phases import Phase
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session.edits import Plan
from optim.session.history import Snapshot
from optim.session.session import Session

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lab" / "shooting.md"
MARKS = ("<!-- shooting_bench: begin -->", "<!-- shooting_bench: end -->")
EXACT, SHOOTING = "exact", "shooting"
WITHIN = 0.01
"""Share of the sum of the terms' sizes at the end of the exact mode within which its loss counts as reached."""
LOOK_EVERY = 5
"""Number of iterations between evaluations of the exact loss in phases with another loss."""
WORDS = ("clip", "protocol", "way")
"""Columns of the CSV file that are no figures."""
ERRORS = ("joints_all", "joints_visible", "joints_occluded")


def ways() -> dict[str, tuple[Phase, ...]]:
    """Name of a stage-3 variant → its phases in stage 3."""

    def stage_3(preset: str) -> tuple[Phase, ...]:
        return tuple(phase for phase in schedule(preset, "3d") if phase.stage == 3)

    shooting = stage_3("shooting")
    equal = tuple(replace(phase, preset=PRESETS["humorscope"]) for phase in shooting)
    return {
        EXACT: stage_3("humorscope"),
        SHOOTING: shooting,
        "direct": stage_3("direct"),
        "shooting, equal units": equal,
    }


@dataclass(frozen=True)
class Look:
    """The exact loss at one iteration of a variant, and what was spent on the variant until then."""

    seconds: float
    evaluations: int
    loss: float


def walk(session: Session, phases: Sequence[Phase], target: Phase) -> tuple[list[Look], dict[str, float]]:
    """Fit a variant from the end of stage 2.

    Returns:
        The exact losses on the way, and the losses and largest defect [cm] where the segments are joined.
    """
    session.apply(Plan(tuple(phases)))
    first = session.current.evaluations_spent
    looks: list[Look] = []
    joined = {"before_join": math.nan, "after_join": math.nan, "defect_cm": math.nan}
    spent, count = 0.0, 0
    while not session.done:
        before = session.current
        began = time.process_time()
        here = session.step_iteration()
        spent += time.process_time() - began
        phase = here.schedule[here.phase]
        count = 0 if here.phase != before.phase else count + 1
        same = phase.segment is None and phase.frames is None and phase.weights == target.weights
        if same or count % LOOK_EVERY == 0 or here.phase_done:
            loss = here.evaluation.total if same else exact_loss(session.problem, here, target)
            looks.append(Look(spent, here.evaluations_spent - first, loss))
        if phase.segment is None and before.schedule[before.phase].segment is not None:
            gap = before.evaluation.terms["shooting_gap"].weighted
            defects = session.fit.node_defects(before)
            assert defects is not None
            joined = {
                "before_join": before.evaluation.total - gap,
                "after_join": here.evaluation.total,
                "defect_cm": float(defects.distance_cm.max()),
            }
    return looks, joined


def exact_loss(problem: Problem, snapshot: Snapshot, target: Phase) -> float:
    """The loss of a snapshot's first frame and latents in a single roll-out over all frames."""
    objective = Objective(problem, target, snapshot.prior_frame)
    with torch.no_grad():
        return float(objective.total(objective.residuals(objective.predict(snapshot.variables))))


def measure(extract: Extract, models: Models, *, protocol: str, seed: int) -> list[Row]:
    """Measure all variants on one clip, the exact mode first."""
    seen = degrade(extract.truth.joints, PAPER[protocol], generator=torch.Generator().manual_seed(seed))
    problem = Problem(observations=Observations(joints3d=seen), ground_truth=extract.truth, **vars(models))
    session = Session(problem, schedule=schedule("humorscope", "3d"), keep_iterations=False)
    session.finish_stage()
    start = session.finish_stage()
    target = start.schedule[-1]
    rows: list[Row] = []
    wanted, slack = math.nan, math.nan
    for way, phases in ways().items():
        session.rewind(start.id)
        looks, joined = walk(session, phases, target)
        if way == EXACT:
            wanted = looks[-1].loss
            slack = WITHIN * sum(abs(term.weighted) for term in session.current.evaluation.terms.values())
        errors = joint_errors(session.fit.trajectory(), extract.truth, torch.isfinite(seen).all(-1))
        within = next((look for look in looks if look.loss <= wanted + slack), None)
        same = next((look for look in looks if look.loss <= wanted), None)
        row: Row = {"clip": extract.name, "protocol": protocol, "way": way}
        row |= {"loss": looks[-1].loss, "one_percent": slack} | {name: float(errors[name]) for name in ERRORS}
        row |= {"seconds": looks[-1].seconds, "evaluations": looks[-1].evaluations}
        row |= _reached("within_1_percent", within) | _reached("same_loss", same) | joined
        rows.append(row)
    return rows


def _reached(name: str, look: Look | None) -> dict[str, float]:
    seconds, evaluations = (math.nan, math.nan) if look is None else (look.seconds, look.evaluations)
    return {f"{name}_seconds": seconds, f"{name}_evaluations": evaluations}


def table(rows: Sequence[Row]) -> str:
    """A Markdown table with a row per clip and variant, and medians; times are shares of the exact mode's time."""
    lines = [
        "| clip | way | loss − exact's [% of terms] | joints all, visible, occluded [cm] | seconds | evaluations |"
        " to within 1 % | to the same loss |",
        "|---|---|---|---|---|---|---|---|",
    ]
    shares: dict[str, list[tuple[float, ...]]] = {}
    exact = {row["clip"]: row for row in rows if row["way"] == EXACT}
    for row in rows:
        base = exact[row["clip"]]
        whole = float(base["seconds"])
        difference = (float(row["loss"]) - float(base["loss"])) / float(base["one_percent"])
        within, same = (float(row[f"{name}_seconds"]) / whole for name in ("within_1_percent", "same_loss"))
        shares.setdefault(str(row["way"]), []).append((difference, within, same))
        errors = ", ".join(f"{float(row[name]):.2f}" for name in ERRORS)
        lines.append(
            f"| {row['protocol']} {row['clip']} | {row['way']} | {difference:+.2f} | {errors} |"
            f" {float(row['seconds']):.1f} | {float(row['evaluations']):.0f} | {_share(within)} | {_share(same)} |"
        )
    for way, values in shares.items():
        middle, *times = (
            statistics.median(math.inf if math.isnan(v) else v for v in c) for c in zip(*values, strict=True)
        )
        lines.append(f"| **median** | {way} | {middle:+.2f} | | | | {_share(times[0])} | {_share(times[1])} |")
    return "\n".join(lines)


def _share(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "not reached"


def run(options: argparse.Namespace) -> list[Row]:
    """Measure the clips that are not in the CSV file yet; returns all rows."""
    models = models_of(options)
    extracts = choose_extracts(options.data, models.body, count=options.clips, frames=options.frames, split="val")
    done = {row["clip"] for row in read_rows(options.csv, words=WORDS)}
    told = Progress(len(extracts), unit="clips", every=0.0)
    for index, extract in enumerate(extracts):
        if extract.name not in done:
            protocol = tuple(PAPER)[index % len(PAPER)]
            append_rows(options.csv, measure(extract, models, protocol=protocol, seed=index), words=WORDS)
        told.show(index + 1, extract.name)
    wanted = {extract.name for extract in extracts}
    return [row for row in read_rows(options.csv, words=WORDS) if row["clip"] in wanted]


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m optim.shooting_bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of AMASS-format .npz clips with an index.json")
    parser.add_argument(
        "--csv", type=Path, required=True, help="figures per clip and variant; an old file is continued"
    )
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE.md")
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--frames", type=int, default=60)
    add_model_flags(parser)
    options = parser.parse_args(arguments)
    threads.use(1)
    rows = run(options)
    write_between_marks(options.page, table(rows), marks=MARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
