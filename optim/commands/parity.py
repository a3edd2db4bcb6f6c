"""``python -m optim.parity``: compare the optimiser with golden runs of the public implementation, in a table.

A golden case is an ``.npz`` with inputs, losses, terms, gradients, roll-outs and the evaluations of every line search.
Reads the cases and the random models that they were made with; writes docs/parity.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.progress import Progress
from optim.common.rotations import axis_angle_to_matrix
from optim.initialise.initialisation import enter_stage_3
from optim.loading.models import load_body, load_init_state_prior, load_motion_prior
from optim.objective.objective import Evaluation, Objective
from optim.objective.prediction import Parts, predict_rollout, turn_of
from optim.priors.pose_prior import PosePrior
from optim.problem import frames
from optim.problem.camera import Camera
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations, PreviousBatch
from optim.problem.problem import Problem
from optim.problem.variables import packing
from optim.schedule.phases import Phase
from optim.schedule.stages import schedule
from optim.session.session import Session

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared" / "golden"
CASES = Path(os.environ.get("GOLDEN_DIR", MODELS))
_PREVIOUS = "in/prev_batch_overlap_res/"
TRACE_HEAD = 5
"""Number of first evaluations of a run in which differences in the last digits have not grown yet."""

LOSS_TOLERANCE, TERM_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-4, 1e-3
"""Largest errors of the loss, of a term (``term_errors``) and of the gradient of a variable (``gradient_errors``)."""
SMALL_TERM = 0.1
"""Share of the loss below which a term is compared with the loss: 1e-4 of this share is 1e-5 of the loss."""


def case_files() -> list[Path]:
    """Every ``.npz`` with a ``meta`` entry in the folder of cases; none where the models are absent."""
    if not (MODELS / "humor_random.pth").is_file():
        return []
    found = []
    for path in sorted(CASES.glob("*.npz")):
        with np.load(path) as arrays:
            if "meta" in arrays.files:
                found.append(path)
    return found


@lru_cache(maxsize=1)
def models() -> dict:
    """The models that the golden cases were made with, by the names of ``Problem``'s arguments."""
    with np.load(MODELS / "vposer_random.npz") as arrays:
        vposer = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return {
        "body": load_body(MODELS / "body.npz"),
        "pose_prior": PosePrior.from_state_dict(vposer),
        "motion_prior": load_motion_prior(MODELS / "humor_random.pth"),
        "init_state_prior": load_init_state_prior(MODELS / "prior_gmm.npz"),
    }


@dataclass(frozen=True)
class Case:
    """One golden run."""

    name: str
    meta: dict
    arrays: dict[str, np.ndarray]

    @staticmethod
    def read(path: Path) -> Case:
        """The case of an ``.npz`` file."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        return Case(path.stem, json.loads(str(arrays.pop("meta"))), arrays)

    def tensor(self, name: str) -> Tensor | None:
        """An array of the case as a tensor; None if the case does not have it."""
        return torch.from_numpy(self.arrays[name]) if name in self.arrays else None

    def group(self, prefix: str) -> dict[str, Tensor]:
        """The arrays whose names begin with a prefix, as tensors by the rest of their names."""
        tensors = {k: torch.as_tensor(v) for k, v in self.arrays.items() if k.startswith(prefix)}
        return {name.removeprefix(prefix): value for name, value in tensors.items()}

    @cached_property
    def steps(self) -> int:
        """Total number of outer steps."""
        return sum(self.meta["num_iter"])

    @cached_property
    def problem(self) -> Problem:
        """The problem that the golden run fitted."""
        previous = None
        if f"{_PREVIOUS}betas" in self.arrays:
            given = self.group(_PREVIOUS)
            first, end = (int(n) for n in given.pop("seq_interval"))
            previous = PreviousBatch(seq_interval=(first, end), **given)
        modalities = ("joints3d", "verts3d", "points3d", "joints2d", "seq_interval")
        seen = Observations(previous=previous, **{name: self.tensor(f"in/{name}") for name in modalities})
        camera = self.tensor("in/camera_matrix")
        return Problem(
            seen,
            **models(),
            camera=None if camera is None else Camera.from_matrix(camera),
            floor=self.tensor("in/floor_plane"),
            joint2d_sigma=float(self.meta["joint2d_sigma"]),
            robust_loss=self.meta["robust"],
            robust_tuning_const=self.meta["robust_tuning_const"],
            name=self.name,
        )

    def phases(self) -> Iterator[tuple[int, Phase, PriorFrame | None]]:
        """Each outer step of the run, its phase, and the constant prior frame where it has one."""
        step = 0
        for phase in self.schedule:
            fixed = phase.stage == 3 and not self.problem.has_camera
            for _ in range(phase.steps):
                yield step, phase, frames.identity(self.problem.batch) if fixed else None
                step += 1

    @cached_property
    def schedule(self) -> tuple[Phase, ...]:
        """The phases of preset ``reference`` with the options of the golden run."""
        options = self.meta["options"]
        return schedule(
            "reference",
            "rgb" if self.meta["mode"] == "rgb" else "3d",
            num_iters=self.meta["num_iter"],
            lbfgs_max_iter=self.meta["lbfgs_max_iter"],
            weights=self.meta["weights"],
            tune_init=options["stage3_tune_init_state"],
            tune_frames=options.get("stage3_tune_init_num_frames", 15),
            freeze_start=options.get("stage3_tune_init_freeze_start"),
            freeze_end=options.get("stage3_tune_init_freeze_end"),
            contact_refine_only=options.get("stage3_contact_refine_only", False),
        )


@dataclass(frozen=True)
class Trace:
    """The losses of all evaluations of a whole run for each outer step: ours and those of the golden run."""

    ours: tuple[list[float], ...]
    theirs: tuple[list[float], ...]
    session: Session

    @property
    def head(self) -> float:
        """Worst relative error of the first evaluations of the first step."""
        pairs = zip(self.ours[0][:TRACE_HEAD], self.theirs[0][:TRACE_HEAD], strict=False)
        return max(_relative(ours, theirs) for ours, theirs in pairs)

    @property
    def end(self) -> float:
        """Relative error of the last evaluation of the run."""
        return _relative(self.ours[-1][-1], self.theirs[-1][-1])

    @property
    def same_counts(self) -> bool:
        """Whether every outer step took as many evaluations as in the golden run."""
        return [len(step) for step in self.ours] == [len(step) for step in self.theirs]


def trace(case: Case) -> Trace:
    """Run a session from the initial values to the end of a case's schedule."""
    session, ours = Session(case.problem, schedule=case.schedule), []
    for _ in range(case.steps):
        if session.current.phase_done:
            session.step_iteration()
        values = [session.current.evaluation.total]
        while True:
            snapshot = session.step_iteration()
            values += [trial.value for trial in snapshot.solver.tried]
            if snapshot.stop is not None:
                break
        ours.append(values)
    theirs = tuple(case.arrays[f"step{step}/evals"].tolist() for step in range(case.steps))
    return Trace(tuple(ours), theirs, session)


@dataclass
class Errors:
    """The largest errors of a case. They are relative except for lengths; for terms, see ``term_errors``.

    ``at`` says in which step and quantity they occurred.
    """

    loss: float = 0.0
    terms: float = 0.0
    gradients: float = 0.0
    rollout_m: float = 0.0
    """Largest error of positions [m] and rotation matrix entries in the prior frame."""
    init: float = 0.0
    """Largest absolute error of the initial variables of stage 3, computed from the golden end of stage 2."""
    at: dict[str, str] = field(default_factory=dict)

    def note(self, kind: str, error: float, where: str) -> None:
        """Keep an error if it is the largest of its kind; NaN counts as infinite."""
        error = math.inf if math.isnan(error) else error
        if error >= getattr(self, kind):
            setattr(self, kind, error)
            self.at[kind] = where


def measure(case: Case) -> Errors:
    """Compare losses, terms, gradients and roll-outs at each golden step's variables, and the entry into stage 3."""
    errors = Errors()
    for step, phase, frame in case.phases():
        variables = case.group(f"step{step}/var/")
        objective, free = Objective(case.problem, phase, frame), packing(variables, phase)
        point = objective.point(free.pack(variables), variables, free)
        where = f"step {step}"
        errors.note("loss", _relative(point.value, float(case.arrays[f"step{step}/loss"])), where)
        for name, error in term_errors(case, step, objective.evaluation(point, free)).items():
            errors.note("terms", error, f"{name}, {where}")
        for name, error in gradient_errors(case, step, free.split(point.gradient)).items():
            errors.note("gradients", error, f"{name}, {where}")
        if phase.stage == 3:
            for name, error in rollout_errors(case, step, phase, frame).items():
                errors.note("rollout_m", error, f"{name}, {where}")
    for name, error in entry_errors(case).items():
        errors.note("init", error, name)
    return errors


def term_errors(case: Case, step: int, ours: Evaluation) -> dict[str, float]:
    """The error of each golden term, by name; infinite where we have no such term.

    The error is relative to the term or to ``SMALL_TERM`` of the golden loss, whichever is larger. The public code
    rounds to float32, so a term that is a ten-thousandth of the loss has fewer correct digits than the loss.
    """
    loss, found = float(case.arrays[f"step{step}/loss"]), {}
    for name, value in case.group(f"step{step}/term/").items():
        golden, term = float(value), ours.terms.get(name)
        found[name] = math.inf if term is None else term_error(term.raw, golden, term.weighted, loss)
    return found


def term_error(raw: float, golden: float, weighted: float, loss: float) -> float:
    """|raw − golden| over the larger of |golden| and ``SMALL_TERM`` of the loss.

    Args:
        raw: Our unweighted value of the term.
        golden: The public code's unweighted value of the term.
        weighted: Our weighted value, which is added to the loss; weighted / raw converts between the two.
        loss: The public code's loss.
    """
    if raw == 0 or weighted == 0:
        return _relative(raw, golden)
    return abs(raw - golden) / max(abs(golden), SMALL_TERM * abs(loss * raw / weighted), 1e-8)


def gradient_errors(case: Case, step: int, gradients: Mapping[str, Tensor]) -> dict[str, float]:
    """‖ours − golden‖ / ‖golden‖ by variable; our gradient is 0 for frames that are not optimised."""
    found = {}
    for name, golden in case.group(f"step{step}/grad/").items():
        ours = torch.zeros_like(golden)
        if name in gradients:
            ours[:, : gradients[name].shape[1]] = gradients[name]
        found[name] = float((ours - golden).norm() / golden.norm().clamp_min(1e-12))
    return found


def rollout_errors(case: Case, step: int, phase: Phase, frame: PriorFrame | None) -> dict[str, float]:
    """Largest difference of each part of the roll-out [m, or entries of rotation matrices]."""
    variables, golden = case.group(f"step{step}/var/"), case.group(f"step{step}/rollout/")
    count, turn = golden["trans"].shape[1], turn_of(phase.preset)
    inside = predict_rollout(case.problem, variables, Parts(), frame=frame, frames=count, turn=turn).in_prior
    assert inside is not None
    ours = inside.rollout
    pairs = {
        "trans": (ours.trans, golden["trans"]),
        "joints": (ours.joints, golden["joints"]),
        "root_orient": (ours.root_orient, axis_angle_to_matrix(golden["root_orient"])),
        "pose_body": (ours.pose_body, axis_angle_to_matrix(golden["pose_body"].unflatten(-1, (21, 3)))),
    }
    return {name: float((a - b).abs().max()) for name, (a, b) in pairs.items()}


def entry_errors(case: Case) -> dict[str, float]:
    """Largest difference of each initial variable of stage 3; empty for a case without stage 3."""
    free = case.meta["num_iter"][0] + case.meta["num_iter"][1]
    if not free or f"step{free}/var/latent_motion" not in case.arrays:
        return {}
    ours, _ = enter_stage_3(case.problem, case.group(f"step{free - 1}/after/"), case.schedule[-1].preset)
    return {name: float((ours[name] - v).abs().max()) for name, v in case.group(f"step{free}/var/").items()}


def _relative(ours: float, theirs: float) -> float:
    return abs(ours - theirs) / max(abs(theirs), 1e-8)


_HEAD = """\
# Parity with the public implementation

Written by `python -m optim.parity`. A row is a run of the public HuMoR code with random models (a golden case) and the
worst difference of ours from it, preset `reference`, float32. Loss: relative (the tests allow {loss:.0e}). Terms:
relative to the term or to {small:.0%} of the loss, whichever is larger ({term:.0e}). Gradients: norm of the difference
over norm, worst variable ({gradient:.0e}). Roll-out: metres, or entries of rotation matrices. Start of stage 3: largest
difference of a variable. Trace: a whole run from the start values; the first evaluations of the first step, the last
evaluation of all, and whether every line search took the same number of evaluations.

Parity is in the optimiser's own frame. Of 3D data this is the canonical frame of the **true** first frame, as in the
public loader, so the preset is told by the ground truth where the body stands and which way it faces; see
[frames.md](frames.md#what-the-reference-is-told-by-the-truth). Results are written in the frame of the input.

| case | loss | terms | gradients | roll-out | start of stage 3 | trace, first {first} | trace, end | evaluations |
|---|---|---|---|---|---|---|---|---|"""


def table(rows: Mapping[str, tuple[Errors, Trace]]) -> str:
    """The Markdown page, with one row of the table per case."""
    allowed = {"loss": LOSS_TOLERANCE, "term": TERM_TOLERANCE, "gradient": GRADIENT_TOLERANCE, "small": SMALL_TERM}
    lines = [_HEAD.format(first=TRACE_HEAD, **allowed)]
    for name, (errors, run) in rows.items():
        numbers = (errors.loss, errors.terms, errors.gradients, errors.rollout_m, errors.init, run.head, run.end)
        spent = sum(map(len, run.ours))
        same = "equal" if run.same_counts else f"differ from {sum(map(len, run.theirs))}"
        lines.append(f"| {name} | " + " | ".join(f"{n:.1e}" for n in numbers) + f" | {spent}, {same} |")
    lines += ["", "Where the worst of a case occurred:", ""]
    lines += [f"- {name}: " + "; ".join(f"{k} {v}" for k, v in errors.at.items()) for name, (errors, _) in rows.items()]
    return "\n".join(lines) + "\n"


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Run all cases and write the page; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m optim.parity", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "parity.md", metavar="FILE.md")
    options = parser.parse_args(arguments)
    files, rows = case_files(), {}
    if not files:
        raise InputError(f"no golden cases in {CASES}, or no models in {MODELS}; set GOLDEN_DIR to the folder of cases")
    told = Progress(len(files), unit="cases")
    for number, path in enumerate(files, 1):
        case = Case.read(path)
        rows[case.name] = measure(case), trace(case)
        told.show(number, case.name)
    options.out.write_text(table(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
