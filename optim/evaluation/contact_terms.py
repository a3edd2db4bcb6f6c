"""Fits of motion capture with different contact terms, measured by how the body stands on the floor.

Stages 1 and 2 of a clip are fitted once; stage 3 goes on from their end with every candidate. The observations are
those of the protocols, and ``depth``: points on the side of the body that a made-up camera sees, with keypoints. Such a
cloud counts as much as one that is measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from optim.body.body_model import BodyModel
from optim.body.contacts import label_contacts
from optim.body.joints import CONTACT_JOINTS, FOOT_JOINTS
from optim.config.options import MEASURED_POINTS
from optim.diagnostics.metrics import acceleration, joint_errors, lowest_vertex
from optim.evaluation.images import LEVEL, Picture
from optim.evaluation.protocols import DEGRADED, Extract, Models, Row, pictured, problem_of
from optim.loading.clip import moved
from optim.problem.frames import PriorFrame, identity
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory
from optim.schedule.presets import Preset
from optim.schedule.stages import schedule
from optim.schedule.terms import Triple
from optim.session.edits import Plan
from optim.session.session import Session

IMAGES, DEPTH = "images", "depth"
PROTOCOLS = (*DEGRADED, IMAGES, DEPTH)
CLOUD = 512
"""Number of points of the body's surface in each frame, of which the camera sees about a half."""
CLOUD_NOISE = 0.01
"""Standard deviation [m] of a point of the cloud."""
CLOUD_WEIGHT = 2.0 * MEASURED_POINTS / CLOUD
"""Weight of ``points3d``: each point that is seen stands for so many of those that a depth camera measures, which would
cost more time. With a weight of 1 the depth would follow from the keypoints and the prior (docs/lab/contacts.md)."""
WEIGHTS: Mapping[str, Mapping[str, Triple]] = {DEPTH: {"points3d": (CLOUD_WEIGHT, CLOUD_WEIGHT, CLOUD_WEIGHT)}}
"""Protocol → weights in place of the default ones."""
TRUTH, BEFORE = "truth", "stage 2"
"""Ways of the rows that are no candidates: the ground truth itself, and the end of stage 2."""
Candidates = Mapping[str, tuple[Preset, Mapping[str, Triple]]]
"""Name → preset, and weights in place of its own."""


@dataclass(frozen=True)
class Case:
    """One clip as a problem, and the transform from the frame of the input to the world of the ground truth."""

    problem: Problem
    to_world: PriorFrame
    visible: Tensor  # (1, T, 22) bool: joints that the fit sees


def case_of(extract: Extract, models: Models, *, protocol: str, seed: int) -> Case:
    """What a protocol shows of a clip. With depth the floor is known.

    Args:
        protocol: Name in ``PROTOCOLS``.
    """
    if protocol in DEGRADED:
        problem = problem_of(extract, models, protocol=protocol, seed=seed)
        return Case(problem, identity(1), problem.observations.visible["joints3d"])
    problem, seen = pictured([extract], models, LEVEL, [seed])
    if protocol == DEPTH:
        cloud = _cloud(extract.truth, models.body, seen, torch.Generator().manual_seed(seed))
        observed = replace(problem.observations, points3d=cloud)
        problem = replace(problem, observations=observed, floor=seen.floor, floor_known=True)
    return Case(problem, seen.to_world, torch.ones(extract.truth.joints.shape[:3], dtype=torch.bool))


def _cloud(truth: Trajectory, body: BodyModel, view: Picture, generator: torch.Generator) -> Tensor:
    """Points (1, T, N, 3) [m] in the camera frame on faces that look at the camera; +inf where they do not."""
    mesh = view.from_world.points(body.mesh(truth.trans, truth.root_orient, truth.pose_body, truth.betas))
    corners = mesh[:, :, torch.from_numpy(body.faces)]
    across = torch.linalg.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])
    chosen = torch.multinomial(across[0].norm(dim=-1), CLOUD, replacement=True, generator=generator)
    place = chosen[None, :, :, None].expand(-1, -1, -1, 3)
    middle = corners.mean(-2).gather(2, place)
    facing = (functional.normalize(across, dim=-1).gather(2, place) * middle).sum(-1, keepdim=True) < 0
    noisy = middle + CLOUD_NOISE * torch.randn(middle.shape, generator=generator)
    return torch.where(facing, noisy, torch.inf)


def measure(
    extract: Extract,
    models: Models,
    candidates: Candidates,
    *,
    protocol: str,
    seed: int = 0,
    num_iters: Sequence[int] | None = None,
    solvers: Sequence[str] | None = None,
    flat_gain: float | None = None,
) -> Iterator[Row]:
    """Fit a clip with every candidate; a row for the truth, one for stage 2, and one for each candidate.

    Args:
        candidates: Their presets may differ in the contact terms only, since stages 1 and 2 are fitted once.
        num_iters, solvers, flat_gain: As for ``stages.schedule``.
    """
    case = case_of(extract, models, protocol=protocol, seed=seed)
    data_type = case.problem.data_type
    about: Row = {"clip": extract.name, "protocol": protocol}
    how: dict[str, Any] = {"num_iters": num_iters, "solvers": solvers, "flat_gain": flat_gain}
    usual = WEIGHTS.get(protocol, {})
    plans = {
        name: schedule(preset, data_type, weights={**usual, **weights}, **how)
        for name, (preset, weights) in candidates.items()
    }
    no_cost = {"seconds": 0.0, "evaluations": 0}
    yield about | {"way": TRUTH, **no_cost} | figures(extract.truth, extract.truth, extract.truth, case)
    session = Session(case.problem, schedule=next(iter(plans.values())), keep_iterations=False)
    session.finish_stage()
    end = session.finish_stage()
    yield about | {"way": BEFORE, **no_cost} | _now(session, extract.truth, case)
    for name, phases in plans.items():
        session.rewind(end.id)
        session.apply(Plan(tuple(phase for phase in phases if phase.stage == 3)))
        began = time.process_time()
        session.run()
        spent = session.current.evaluations_spent - end.evaluations_spent
        cost = {"seconds": time.process_time() - began, "evaluations": spent}
        yield about | {"way": name, **cost} | _now(session, extract.truth, case)


def _now(session: Session, truth: Trajectory, case: Case) -> Row:
    with torch.no_grad():
        fitted = moved(session.fit.trajectory(), case.to_world, case.problem.body)
        return figures(fitted, truth, session.fit.prior_trajectory(), case)


def figures(fitted: Trajectory, truth: Trajectory, standing: Trajectory, case: Case) -> Row:
    """Figures of a motion of one sub-sequence.

    Args:
        fitted, truth: In the world of the truth (z up, floor at z = 0).
        standing: The fitted motion above its own floor.

    Returns:
        ``joints``, ``aligned``, ``visible``, ``hidden`` [cm]: errors of ``metrics.joint_errors``. ``planted_mm``
        [mm/frame]: speed of ankles and toes where the truth's labels say that they touch in both frames. ``sole_cm``:
        difference from the truth of their height there. ``depth_cm``: mean depth of the lowest vertex below the floor.
        ``float_cm``: its mean height where it is above. ``recall``, ``precision``: of the contacts in the labels; NaN
        without contacts. ``acceleration`` [m/s²].
    """
    errors = joint_errors(fitted, truth, case.visible)
    lowest = 100 * lowest_vertex(standing, case.problem.body)
    labels = label_contacts(truth.joints[0]) > 0.5
    feet = [CONTACT_JOINTS.index(joint) for joint in FOOT_JOINTS]
    planted = labels[1:, feet] & labels[:-1, feet]
    joints, true = (motion.joints[0][:, list(FOOT_JOINTS)] for motion in (standing, truth))
    found = {
        "joints": errors["joints_all"],
        "aligned": errors["joints_root_aligned"],
        "visible": errors["joints_visible"],
        "hidden": errors["joints_occluded"],
        "planted_mm": 1000 * (joints[1:] - joints[:-1]).norm(dim=-1)[planted].mean(),
        "sole_cm": 100 * (joints[1:, :, 2] - true[1:, :, 2]).abs()[planted].mean(),
        "depth_cm": (-lowest).clamp_min(0).mean(),
        "float_cm": lowest.clamp_min(0).mean(),
        "acceleration": acceleration(fitted),
        "recall": torch.tensor(torch.nan),
        "precision": torch.tensor(torch.nan),
    }
    if fitted.contacts is not None:
        said = fitted.contacts[0][:, list(CONTACT_JOINTS)] > 0.5
        both = (said & labels).sum()
        found |= {"recall": both / labels.sum(), "precision": both / said.sum()}
    return {name: float(value) for name, value in found.items()}
