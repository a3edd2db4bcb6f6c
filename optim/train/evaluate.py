"""Evaluate a motion prior on motion capture: reconstruction, roll-out drift, contacts, and samples from the prior."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.diagnostics.metrics import feet_near_floor
from optim.priors.motion_prior import MotionPrior
from optim.priors.rollout import (
    JOINTS,
    Rollout,
    State,
    apply_change,
    canonical_pairs,
    infer_latents,
    rollout,
    sample,
)
from optim.train.data import FPS, Augmenter, Clips, Windows

GOALS = {
    "one_step_joints": 0.6,
    "root_drift_median": 10.0,
    "rollout_joints": 6.0,
    "joints_at_end_median": 8.0,
    "regressed_against_body": 2.5,
    "skate": 1.5,
}
"""What ``score`` divides metrics by: lengths in cm, and the skate of samples in that of the data."""
HEAD = 15
LABELLED = slice(1, 9)
"""Contact joints with labels: all but the root."""


@dataclass(frozen=True)
class PriorReport:
    """Metrics of one prior on one split. Lengths are in cm unless the name says otherwise."""

    windows: int
    one_step_joints: float
    one_step_body_joints: float
    one_step_regressed_against_body: float
    contact_accuracy: float
    contact_accuracy_rollout: float
    root_drift_median: float
    joints_at_end_median: float
    heading_drift_median_deg: float
    rollout_joints: float
    regressed_against_body: float
    sample_upright_share: float
    sample_exploded_share: float
    sample_good_share: float
    skate_samples_mm: float
    skate_data_mm: float
    speed_samples: float
    """Mean speed [m/s] of the joints of samples."""
    speed_data: float
    """The same of the data that they start from."""

    def lines(self) -> list[str]:
        """One line ``name  value`` for each metric."""
        return [f"{f.name:28s} {getattr(self, f.name):.3f}" for f in fields(self)]


def score(report: PriorReport) -> float:
    """One number for a prior, lower is better: the mean logarithm of its metrics over ``GOALS``.

    Samples that fall or explode add as much as they are many.
    """
    values = {**{name: getattr(report, name) for name in GOALS if name != "skate"}}
    values["skate"] = report.skate_samples_mm / max(report.skate_data_mm, 1e-6)
    ratios = [math.log(max(values[name], 1e-6) / goal) for name, goal in GOALS.items()]
    return sum(ratios) / len(ratios) + (1 - report.sample_good_share)


@torch.no_grad()
def evaluate(
    prior: MotionPrior, clips: Clips, body: BodyModel, *, frames: int = 60, samples: int = 200, seed: int = 0
) -> PriorReport:
    """All metrics on the non-overlapping windows of some clips, with β = 0 and without augmentation.

    Args:
        frames: Number of frames of a window.
        samples: Number of motions drawn from the prior.
        seed: Seed of these samples.
    """
    windows = _all_windows(clips, body, frames)
    step, step_body, parted, accuracy = _one_step(prior, windows, body)
    rolled = rollout(prior, _first(windows), _latents(prior, windows), with_prior=False)
    truth = State.from_flat(windows.flat)
    end = (rolled.trans[:, -1] - truth.trans[:, -1]).norm(dim=-1)
    joints_off = (rolled.joints - truth.joints).norm(dim=-1)
    own = body.joints(rolled.trans, rolled.root_orient, rolled.pose_body, windows.betas)
    said = rolled.contact_logits[..., LABELLED] > 0
    upright, exploded, (skate, reference), (speed, usual) = _samples(prior, windows, body, samples, seed)
    return PriorReport(
        windows=len(windows.flat),
        one_step_joints=100 * step,
        one_step_body_joints=100 * step_body,
        one_step_regressed_against_body=100 * parted,
        contact_accuracy=accuracy,
        contact_accuracy_rollout=float((said == windows.contacts[:, 1:, LABELLED].bool()).float().mean()),
        root_drift_median=100 * float(end.median()),
        joints_at_end_median=100 * float(joints_off[:, -1].mean(-1).median()),
        heading_drift_median_deg=float(_heading_error(rolled, truth)[:, -1].rad2deg().median()),
        rollout_joints=100 * float(joints_off.mean()),
        regressed_against_body=100 * float((own - rolled.joints).norm(dim=-1).mean()),
        sample_upright_share=float(upright.float().mean()),
        sample_exploded_share=float(exploded.float().mean()),
        sample_good_share=float((upright & ~exploded).float().mean()),
        skate_samples_mm=1000 * skate,
        skate_data_mm=1000 * reference,
        speed_samples=FPS * speed,
        speed_data=FPS * usual,
    )


def _all_windows(clips: Clips, body: BodyModel, frames: int) -> Windows:
    spans = zip(clips.starts[:-1], clips.starts[1:], strict=True)
    starts = torch.cat([torch.arange(a + 1, max(b - frames, a + 1), frames) for a, b in spans])
    count = len(starts)
    like: dict[str, Any] = {"device": clips.trans.device}
    augmenter = Augmenter(clips, body, torch.Generator(**like))
    return augmenter.cut(
        starts.to(**like),
        frames,
        mirrored=torch.zeros(count, dtype=torch.bool, **like),
        yaw=torch.zeros(count, **like),
        betas=torch.zeros(count, 16, **like),
    )


def _first(windows: Windows) -> State:
    return State.from_flat(windows.flat[:, 0])


def _latents(prior: MotionPrior, windows: Windows) -> Tensor:
    return infer_latents(prior, State.from_flat(windows.flat))


def _one_step(prior: MotionPrior, windows: Windows, body: BodyModel) -> tuple[float, float, float, float]:
    """Metrics of single transitions from a true past state.

    Returns:
        Errors of the regressed joints and of the body model's joints, the distance between both [m], and the contact
        accuracy.
    """
    past, now = (x.flatten(0, 1) for x in canonical_pairs(windows.flat, windows.pivot))
    mean, _ = prior.posterior(past, now)
    states, logits = apply_change(past, prior.decode(past, mean))
    truth = now[:, JOINTS].unflatten(1, (22, 3))
    regressed = states[:, JOINTS].unflatten(1, (22, 3))
    state = State.from_flat(states[:, None])
    own = body.joints(state.trans, state.root_orient, state.pose_body, states.new_zeros(len(states), 16))[:, 0]
    labels = windows.contacts[:, 1:].flatten(0, 1)[:, LABELLED].bool()
    right = ((logits[:, LABELLED] > 0) == labels).float().mean()
    pairs = ((regressed, truth), (own, truth), (own, regressed))
    distances = [float((a - b).norm(dim=-1).mean()) for a, b in pairs]
    return distances[0], distances[1], distances[2], float(right)


def _heading_error(rolled: Rollout, truth: State) -> Tensor:
    """Angle (B, T) [rad] between the headings of two motions on the floor."""
    angles = [torch.atan2(x.root_orient[..., 1, 0], x.root_orient[..., 0, 0]) for x in (rolled, truth)]
    turn = angles[0] - angles[1]
    return torch.atan2(turn.sin(), turn.cos()).abs()


def _samples(
    prior: MotionPrior, windows: Windows, body: BodyModel, count: int, seed: int
) -> tuple[Tensor, Tensor, tuple[float, float], tuple[float, float]]:
    """Metrics of motions drawn from the prior.

    They start from random windows whose data stay upright. A motion is upright if the head is always at least 0.3 m
    above the pelvis and the pelvis always above 0.5 m. It has exploded if a joint moves faster than 12 m/s, if the
    height of the lowest joint leaves [−0.15, 0.6] m, or if the mean distance between regressed joints and the body
    model's joints exceeds 30 cm in a frame. All metrics of samples use the body model's joints.

    Returns:
        Whether each sample is upright (S,), whether it has exploded (S,), and the foot skate and the mean speed of the
        joints [m/frame], each of the samples and of the data that they start from.
    """
    truth = windows.flat[..., JOINTS].unflatten(-1, (22, 3))
    fit = torch.nonzero(_upright(truth))[:, 0]
    generator = torch.Generator().manual_seed(seed)
    chosen = fit[torch.randint(len(fit), (count,), generator=generator).to(fit.device)]
    start = State.from_flat(windows.flat[chosen, 0])
    drawn, _ = sample(prior, start, windows.flat.shape[1], generator=generator)
    joints = body.joints(drawn.trans, drawn.root_orient, drawn.pose_body, windows.betas[chosen])
    parted = (joints - drawn.joints).norm(dim=-1).mean(-1).amax(1)
    lowest = joints[..., 2].amin(-1)
    speed = (joints[:, 1:] - joints[:, :-1]).norm(dim=-1).amax((1, 2)) * FPS
    exploded = (speed > 12) | (lowest.amin(1) < -0.15) | (lowest.amax(1) > 0.6) | (parted > 0.3)
    data = truth[chosen]
    skate = foot_skate(joints), foot_skate(data)
    return _upright(joints), exploded, skate, (_mean_speed(joints), _mean_speed(data))


def _mean_speed(joints: Tensor) -> float:
    """Mean speed [m/frame] of joints (B, T, 22, 3)."""
    return float((joints[:, 1:] - joints[:, :-1]).norm(dim=-1).mean())


def _upright(joints: Tensor) -> Tensor:
    above = (joints[:, :, HEAD, 2] - joints[:, :, 0, 2]).amin(1) > 0.3
    return above & (joints[:, :, 0, 2].amin(1) > 0.5)


def foot_skate(joints: Tensor) -> float:
    """Mean horizontal speed [m/frame] of toe joints below 4 cm and of ankles below 10 cm. Joints are (B, T, 22, 3)."""
    speed, touching = feet_near_floor(joints)
    return float(speed[touching].mean()) if touching.any() else 0.0
