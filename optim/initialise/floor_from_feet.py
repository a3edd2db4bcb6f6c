"""Estimate the floor from a free motion in a camera's frame: feet at rest stand on it, and nothing is below it.

Feet alone do not determine the upward direction, because a person who stays in one place can stand on any floor.
Therefore the upright body and a level camera also count as evidence. The estimate comes with its uncertainty and with
alternatives. Camera frame: x right, y down, z forward, metres.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.body.joints import FOOT_JOINTS
from optim.body.mass import centre_of_mass
from optim.problem.missing_frames import seen_frames
from optim.problem.observations import Observations
from optim.problem.problem import PRIOR_FPS, Problem
from optim.problem.variables import Trajectory, Variables

PELVIS, LEFT_ANKLE, RIGHT_ANKLE, NECK = 0, 7, 8, 12
SOLE = 0.015
"""Height [m] above the lowest vertex of a foot, in the rest pose, up to which vertices belong to the sole."""
SOLE_POINTS = 12
"""Number of vertices of each sole that are used."""
STILL = 0.25
"""Speed [m/s] at which the weight of a foot as a standing foot has fallen to e⁻¹."""
HEIGHT_ERROR, BELOW_ERROR = 0.03, 0.015
"""Standard deviations of the height of a standing sole, and of the depth of a sole below the floor [m], where depth was
seen."""
UNSEEN_DEPTH_ERROR = 0.04
"""The same of both before one camera, whose depth also varies from frame to frame."""
DRIFT_ERROR = 0.03
"""Standard deviation of the drift of the depth before one camera, from the middle of a clip to either end, as a share:
whoever walks towards the camera is fitted as walking a little less far."""
ALONG = 0.25
"""Factor of the part of a foot's speed that is along the view, because a foot that stands drifts in depth too."""
UNSEEN_ERROR = 0.3
"""Standard deviation of the floor's height [m] under legs that were never seen, which may be bent or raised."""
_FEET = {"joints2d": ((14, 19, 20, 21), (11, 22, 23, 24)), "joints3d": ((7, 10), (8, 11))}
"""Points of the left and of the right foot in BODY_25 and in SMPL's joints."""
RUN = 10.0
"""Number of successive frames whose errors are taken as one, because they are correlated."""
UPRIGHT = 25.0
"""Largest angle between legs and trunk of an upright body [deg]."""
LEAN_ERROR = {"roll": 6.0, "pitch": 6.0}
"""Typical lean of an upright body after stage 2 [deg]; larger ones are rare, but possible (``_robust``)."""
CAMERA_ERROR = {"roll": 7.0, "pitch": 14.0}
"""Typical tilt of a camera [deg]; larger ones are rare, but possible (``_robust``)."""
OBSERVED_SPREAD = np.diag([2.0**2, 2.0**2, 0.03**2])
"""Covariance as in ``FloorGuess.spread`` that is assumed for a floor that was observed or set by hand."""
SCALE_ERROR = 0.05
"""Standard deviation of the scale of a motion before one camera, which tells size and distance apart only by what is
likely. The floor under the motion shares it."""
STATED = 0.05
"""Length [m] in ``Problem.floor_metric`` of a move by one standard deviation."""
GOOD, FAIR = (3.0, 0.03), (6.0, 0.06)
"""Largest standard deviations of tilt [deg] and height [m] of an estimate that is called good, and of a fair one."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FloorGuess:
    """Estimate of one floor for a whole clip."""

    name: str
    plane: np.ndarray  # (4,) unit normal that points up, and offset [m]: n · p = offset, camera frame
    spread: np.ndarray
    """Covariance (3, 3) of pitch [deg], roll [deg] and height under the feet [m]."""

    @property
    def tilt_error_deg(self) -> float:
        """Standard deviation of the tilt."""
        return float(np.sqrt(self.spread[0, 0] + self.spread[1, 1]))

    @property
    def height_error_m(self) -> float:
        """Standard deviation of the height under the feet. The error of the camera's height follows from the tilt."""
        return float(np.sqrt(self.spread[2, 2]))

    @property
    def confidence(self) -> str:
        """``good``, ``fair`` or ``poor``."""
        for word, (tilt, height) in (("good", GOOD), ("fair", FAIR)):
            if self.tilt_error_deg <= tilt and self.height_error_m <= height:
                return word
        return "poor"

    def __str__(self) -> str:
        pitch, _ = angles_deg(self.plane)
        return (
            f"{self.name}: camera {abs(self.plane[3]):.1f} m above the floor, looking {abs(pitch):.0f}°"
            f" {'down' if pitch < 0 else 'up'}; {self.confidence} (± {self.tilt_error_deg:.0f}°,"
            f" ± {100 * self.height_error_m:.0f} cm under the feet)"
        )


@dataclass(frozen=True)
class Feet:
    """Evidence for the floor in a free motion. N counts the frames of all sub-sequences."""

    soles: np.ndarray  # (N, 2, K, 3) [m] vertices of the soles
    still: np.ndarray  # (N, 2) weight of a foot as a standing foot: 1 at rest, towards 0 the faster it moves
    seen: np.ndarray  # (N, 2) whether the foot was seen; one that was not seen is no evidence
    drifts: np.ndarray  # (N, D) factors of D unknown drifts of the depth: -1 to 1 over the time of a sub-sequence, or 0
    height_error: float
    """Standard deviation [m] of the height of a standing sole."""
    below_error: float
    """Standard deviation [m] of the depth of a sole below the floor."""
    up: np.ndarray | None  # (3,) mean direction of the upright body; None if it is never upright


def guess_floor(
    motion: Trajectory,
    body: BodyModel,
    *,
    seen: Tensor | None = None,
    feet_seen: Tensor | None = None,
    depth_seen: bool = False,
) -> tuple[FloorGuess, ...]:
    """Floors that a motion may stand on, the most likely one first.

    Args:
        motion: (B, T, …) in the camera frame.
        seen: (B, T) frames to use. None uses all.
        feet_seen: (B, T, 2) frames in which the left and the right foot were seen. None takes all as seen. Feet that
            were not seen are the prior's and count as no evidence.
        depth_seen: Whether depth was observed, so that a motion along the view is as good as one across it.

    Returns:
        One floor from all evidence, one of a level camera, and one perpendicular to the upright body if it is ever
        upright. All lie under the standing feet.
    """
    feet = look_at_feet(motion, body, seen=seen, feet_seen=feet_seen, depth_seen=depth_seen)
    found = _fitted(feet)
    name = "feet, body and camera" if feet.seen.any() else "body and camera, no foot was seen"
    guesses = [FloorGuess(name, *found)]
    guesses.append(_under("level camera", np.array([0.0, -1.0, 0.0]), feet, CAMERA_ERROR))
    if feet.up is not None:
        guesses.append(_under("upright body", feet.up, feet, LEAN_ERROR))
    return tuple(guesses)


def on_found_floor(
    problem: Problem, motion: Trajectory, variables: Variables, *, keep: bool = False
) -> tuple[Problem, Variables]:
    """Replace an assumed floor by the one that the feet of a free motion show. An observed floor is kept.

    All sub-sequences of a clip get the same floor, and unrelated ones each their own. A warning describes it, because
    later stages depend on it. Either floor is then known as well as it is stated (``Problem.floor_metric``).

    Args:
        keep: Keep an assumed floor too, because it was set by hand or is held.

    Returns:
        The problem and the variables with this floor.
    """
    if problem.floor is None:
        return problem, variables
    if keep or problem.floor_known:
        return known_to(problem, motion, OBSERVED_SPREAD), variables
    evidence = feet_evidence(problem.observations)
    together = problem.observations.seq_interval is not None or problem.batch == 1
    parts = [slice(0, problem.batch)] if together else [slice(b, b + 1) for b in range(problem.batch)]
    guesses = []
    for part in parts:
        seen: dict[str, Any] = {name: one[part] if isinstance(one, Tensor) else one for name, one in evidence.items()}
        guesses.append(guess_floor(_part(motion, part), problem.body, **seen)[0])
        log.warning("floor from the %s", guesses[-1])
    planes = torch.from_numpy(np.stack([guess.plane for guess in guesses])).to(problem.floor.dtype)
    found = replace(problem, floor=planes.expand(problem.batch, 4))
    spread = np.stack([guess.spread for guess in guesses])
    return known_to(found, motion, spread, scale_error=SCALE_ERROR), {
        **variables,
        "floor_plane": found.observed_floor,
    }


def _part(motion: Trajectory, part: slice) -> Trajectory:
    """Some sub-sequences of a motion."""
    given = {field.name: getattr(motion, field.name) for field in fields(motion)}
    return replace(motion, **{name: value[part] for name, value in given.items() if value is not None})


def known_to(problem: Problem, motion: Trajectory, spread: np.ndarray, *, scale_error: float = 0.0) -> Problem:
    """The problem with the metric of its floor: a floor may leave the observed one as far as that one is uncertain.

    Args:
        motion: (B, T, …) in the camera frame; the floor is known best under its feet.
        spread: (3, 3) as in ``FloorGuess.spread``, or one for each sub-sequence, (B, 3, 3).
        scale_error: As for ``floor_metric``.
    """
    assert problem.floor is not None
    under = motion.joints[:, :, [*FOOT_JOINTS]].mean((1, 2)).double().numpy()
    planes = problem.floor.double().numpy()
    rows = zip(planes, under, np.broadcast_to(spread, (problem.batch, 3, 3)), strict=True)
    metric = np.stack([floor_metric(plane, point, one, scale_error=scale_error) for plane, point, one in rows])
    return replace(problem, floor_metric=torch.from_numpy(metric).to(problem.floor.dtype))


def floor_metric(plane: np.ndarray, under: np.ndarray, spread: np.ndarray, *, scale_error: float = 0.0) -> np.ndarray:
    """Metric (3, 3) of changes of normal · offset [m]: a change by one standard deviation has the length ``STATED``.

    Args:
        plane: (4,) unit normal and offset [m].
        under: (3,) [m] a point above the place where the height of the floor is known.
        spread: (3, 3) as in ``FloorGuess.spread``.
        scale_error: Standard deviation of the scale of everything, where the floor was found under a fitted motion.
    """
    pitch, roll = np.radians(angles_deg(plane))
    normal, below = normal_of(*angles_deg(plane)), under - (under @ plane[:3] - plane[3]) * plane[:3]
    by_pitch = np.array([-np.sin(roll) * np.sin(pitch), np.cos(roll) * np.sin(pitch), np.cos(pitch)])
    by_roll = np.array([np.cos(roll) * np.cos(pitch), np.sin(roll) * np.cos(pitch), 0.0])
    offset = normal @ below
    turns = [offset * way + normal * (way @ below) for way in (by_pitch, by_roll)]
    moves = np.stack([np.radians(1.0) * turns[0], np.radians(1.0) * turns[1], normal], axis=1)
    scaled = scale_error * offset * normal
    return np.asarray(STATED**2 * np.linalg.inv(moves @ spread @ moves.T + np.outer(scaled, scaled)))


def feet_evidence(observations: Observations) -> dict[str, Any]:
    """Arguments of ``guess_floor`` that say in which frames the body and each foot were seen, and whether depth was.

    Without 2D keypoints or 3D joints it is not known which point belongs to a foot, and all feet count as seen.
    """
    of_feet = [
        torch.stack([observations.visible[name][..., list(points)].any(-1) for points in pair], dim=-1)
        for name, pair in _FEET.items()
        if name in observations.visible
    ]
    seen = {"seen": seen_frames(observations), "depth_seen": set(observations.modalities) != {"joints2d"}}
    if not of_feet or set(observations.modalities) - set(_FEET):
        return seen
    return seen | {"feet_seen": torch.stack(of_feet).any(0)}


def look_at_feet(
    motion: Trajectory,
    body: BodyModel,
    *,
    seen: Tensor | None = None,
    feet_seen: Tensor | None = None,
    depth_seen: bool = False,
) -> Feet:
    """Soles, their weights as standing feet, and the direction of the upright body.

    Args:
        motion: (B, T, …) in the camera frame.
        seen: (B, T) frames to use. None uses all.
        feet_seen: As for ``guess_floor``, and ``depth_seen`` too.
    """
    ids = sole_vertices(body)
    with torch.no_grad():
        arguments = motion.trans, motion.root_orient, motion.pose_body, motion.betas
        points = body.joints_and_vertices(*arguments, torch.tensor(ids).reshape(-1))[1]
    soles = points.unflatten(2, (2, -1))  # (B, T, 2, K, 3)
    keep = torch.ones(motion.trans.shape[:2], dtype=torch.bool) if seen is None else seen
    step = _speed(soles.mean(3), along=1.0 if depth_seen else ALONG)
    step = torch.where((keep[:, 1:] & keep[:, :-1])[..., None], step, torch.zeros_like(step))
    none = torch.zeros_like(step[:, :1])
    speed = torch.maximum(torch.cat((none, step), 1), torch.cat((step, none), 1))
    joints = motion.joints[keep].double().numpy()
    known = torch.ones_like(speed, dtype=torch.bool) if feet_seen is None else feet_seen
    return Feet(
        soles[keep].double().numpy(),
        np.exp(-((speed[keep].double().numpy() / STILL) ** 2)),
        known[keep].numpy(),
        _drifts(keep, depth_seen),
        *((HEIGHT_ERROR, BELOW_ERROR) if depth_seen else (UNSEEN_DEPTH_ERROR, UNSEEN_DEPTH_ERROR)),
        _upright(joints),
    )


def _speed(feet: Tensor, *, along: float) -> Tensor:
    """Speeds (B, T - 1, 2) [m/s] of feet (B, T, 2, 3), of which the part along the view counts by a factor."""
    step = (feet[:, 1:] - feet[:, :-1]) * PRIOR_FPS
    ray = torch.nn.functional.normalize(feet[:, 1:] + feet[:, :-1], dim=-1)
    ahead = (step * ray).sum(-1, keepdim=True) * ray
    return (step - (1.0 - along) * ahead).norm(dim=-1)


def _drifts(keep: Tensor, depth_seen: bool) -> np.ndarray:
    """``Feet.drifts`` of the frames (B, T) that are used."""
    batch, count = keep.shape
    if depth_seen or count < 2:
        return np.zeros((int(keep.sum()), 0))
    time = torch.linspace(-1.0, 1.0, count, dtype=torch.float64)
    return (torch.eye(batch, dtype=torch.float64)[:, None] * time[:, None])[keep].numpy()


def sole_vertices(body: BodyModel) -> np.ndarray:
    """Indices (2, K) of vertices under the left and the right foot, from heel to toes."""
    template = body.template.double().numpy()
    owner = body.weights.argmax(1).numpy()
    rows = []
    for joints in ((7, 10), (8, 11)):
        foot = np.flatnonzero(np.isin(owner, joints))
        low = foot[template[foot, 1] < template[foot, 1].min() + SOLE]
        along = low[np.argsort(template[low, 2], kind="stable")]
        rows.append(along[np.linspace(0, len(along) - 1, SOLE_POINTS).round().astype(int)])
    return np.stack(rows)


def _upright(joints: np.ndarray) -> np.ndarray | None:
    """Mean direction (3,) from between the feet to the centre of mass, over the frames with legs and trunk in line.

    Whoever stands or walks is balanced, so that this is vertical even where the trunk leans. None if there is no such
    frame, or if the direction points down in the image. ``joints`` is (N, 22, 3).
    """
    ankles = joints[:, [LEFT_ANKLE, RIGHT_ANKLE]].mean(1)
    legs, trunk = _unit(joints[:, PELVIS] - ankles), _unit(joints[:, NECK] - joints[:, PELVIS])
    upright = (legs * trunk).sum(1) > np.cos(np.radians(UPRIGHT))
    if not upright.any():
        return None
    mean = _unit(centre_of_mass(joints) - joints[:, list(FOOT_JOINTS)].mean(1))[upright].mean(0)
    return _unit(mean) if mean[1] < 0 else None


def _fitted(feet: Feet) -> tuple[np.ndarray, np.ndarray]:
    """Plane (4,) from all evidence, and its covariance (``FloorGuess.spread``)."""
    from scipy.optimize import least_squares  # takes a fifth of a second to load, and only videos need it

    tilt = None if feet.up is None else angles_deg(feet.up)
    middle = feet.soles.mean((0, 1, 2))
    none_seen = not feet.seen.any()
    start = tilt or (0.0, 0.0)
    guessed = _height_under(normal_of(*start), feet) - normal_of(*start) @ middle

    def residuals(unknowns: np.ndarray) -> np.ndarray:
        pitch, roll, height, *drifts = unknowns
        parts = [*_robust(np.array([pitch / CAMERA_ERROR["pitch"], roll / CAMERA_ERROR["roll"]]))]
        if tilt is not None:
            lean = (pitch - tilt[0]) / LEAN_ERROR["pitch"], (roll - tilt[1]) / LEAN_ERROR["roll"]
            parts += [*_robust(np.array(lean))]
        if none_seen:
            return np.array([*parts, *drifts, (height - guessed) / UNSEEN_ERROR])
        soles = feet.soles * (1.0 + DRIFT_ERROR * feet.drifts @ np.array(drifts))[:, None, None, None]
        lowest = ((soles - middle) @ normal_of(pitch, roll)).min(-1) - height
        standing = np.sqrt(feet.seen * feet.still / RUN) * _robust(lowest / feet.height_error)
        below = feet.seen * np.minimum(lowest, 0.0) / feet.below_error / np.sqrt(RUN)
        return np.concatenate((parts, drifts, standing.ravel(), below.ravel()))

    starts = {start, (0.0, 0.0)}
    none = np.zeros(feet.drifts.shape[1])
    scale = (5.0, 5.0, 0.1, *np.ones_like(none))
    tries = [least_squares(residuals, (*angles, guessed, *none), x_scale=scale) for angles in starts]
    found = min(tries, key=lambda one: one.cost)
    spread = _spread_about(found.x, [(one.cost, one.x, one.jac) for one in tries])
    pitch, roll, height = found.x[:3]
    normal = normal_of(pitch, roll)
    return np.array([*normal, normal @ middle + height]), spread


def _spread_about(chosen: np.ndarray, modes: Sequence[tuple[float, np.ndarray, np.ndarray]]) -> np.ndarray:
    """Mean square distance (3, 3) of the first three unknowns from the chosen ones, over a normal distribution a mode.

    Where a leaning body and a tilted camera explain the feet about as well, this counts the one that was not chosen.

    Args:
        modes: Cost, unknowns and Jacobian of the residuals of local minima; equal ones do not change the result.
    """
    total, whole = 0.0, np.zeros((3, 3))
    least = min(cost for cost, _, _ in modes)
    for cost, place, jacobian in modes:
        spread, away = np.linalg.inv(jacobian.T @ jacobian), (place - chosen)[:3]
        weight = np.exp(least - cost) * np.sqrt(np.linalg.det(spread))
        total, whole = total + weight, whole + weight * (spread[:3, :3] + np.outer(away, away))
    return whole / total


def _under(name: str, up: np.ndarray, feet: Feet, error: dict[str, float]) -> FloorGuess:
    """Floor with a given upward normal under the standing feet."""
    reach = np.linalg.norm(feet.soles.mean(2) - feet.soles.mean((0, 1, 2)), axis=-1).mean()
    height_error = float(
        np.hypot(feet.height_error if feet.seen.any() else UNSEEN_ERROR, reach * np.sin(np.radians(error["pitch"])))
    )
    spread = np.diag([error["pitch"] ** 2, error["roll"] ** 2, height_error**2])
    return FloorGuess(name, np.array([*up, _height_under(up, feet)]), spread)


def _height_under(up: np.ndarray, feet: Feet) -> float:
    """Offset [m] of a plane below which 30 % of the standing soles lie, or of all soles if none stands."""
    lowest = (feet.soles @ up).min(-1).ravel()
    weights = (feet.still * (feet.seen if feet.seen.any() else 1.0)).ravel() + 1e-6
    order = np.argsort(lowest)
    return float(np.interp(0.3, np.cumsum(weights[order]) / weights.sum(), lowest[order]))


def _robust(values: np.ndarray) -> np.ndarray:
    """Residuals whose squares are a Cauchy loss of the values."""
    return np.sign(values) * np.sqrt(2.0 * np.log1p(values**2 / 2.0))


def normal_of(pitch: float, roll: float) -> np.ndarray:
    """Upward normal (3,) of a level floor in the frame of a camera with this pitch (positive: up) and roll [deg]."""
    p, r = np.radians((pitch, roll))
    return np.array([np.sin(r) * np.cos(p), -np.cos(r) * np.cos(p), np.sin(p)])


def angles_deg(plane: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Pitch (positive when looking up) and roll [deg] of the camera above a floor whose normal points up."""
    x, y, z = (float(v) for v in plane[:3])
    return float(np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))), float(np.degrees(np.arctan2(x, -y)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
