"""Initialise the variables before stage 1, and turn a free motion into an initial state and latents before stage 3."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optim.common.rotations import align_points
from optim.initialise.cloud import placed_in_cloud
from optim.objective import shooting
from optim.objective.prediction import Parts, body_points, turn_of
from optim.priors.novelty import novelty
from optim.priors.rollout import State, estimate_states, infer_latents
from optim.problem import frames
from optim.problem.camera import depth_from_bones
from optim.problem.frames import PriorFrame
from optim.problem.missing_frames import ENOUGH_POINTS, fill_missing, fill_missing_rotations
from optim.problem.problem import Problem
from optim.problem.variables import Variables, root_matrix, root_variable
from optim.schedule.presets import Preset

TORSO = (0, 1, 2, 3, 6, 9, 12, 13, 14, 16, 17)
"""Joints that move little relative to the root: pelvis, hips, spine, neck, collars and shoulders."""
NUM_BETAS = 16


def initial_variables(problem: Problem, preset: Preset) -> dict[str, Tensor]:
    """Variables before stage 1: mean pose and mean shape, placed by ``preset.start`` and by the camera's observations.

    Returns:
        The variables of stages 1 and 2 by name, in the frame of the input.
    """
    batch, count = problem.batch, problem.frames
    root = torch.zeros(batch, count, 3)
    root[..., 0] = math.pi
    variables = {
        "trans": torch.zeros(batch, count, 3),
        "root_orient": root_matrix(root),
        "latent_pose": torch.zeros(batch, count, problem.pose_prior.latent_dim),
        "betas": torch.zeros(batch, NUM_BETAS),
    }
    if preset.rotation == "axis-angle":
        variables["root_orient"] = root
    else:
        variables["root_orient"] = root_variable(root_matrix(root), rotation=preset.rotation)
    if problem.has_camera:
        variables["floor_plane"] = problem.observed_floor
        variables["trans"] = _seen_place(problem, variables)
    if preset.start == "aligned":
        _align(problem, variables, preset)
    return variables


def _seen_place(problem: Problem, variables: Variables) -> Tensor:
    """Translations (B, T, 3) [m] from the observations of a camera.

    It is the mean of the points of each frame, or a point straight ahead at the depth that the bone lengths give.
    """
    trans, seen = variables["trans"], problem.observations
    if seen.points3d is not None:
        points = seen.masked("points3d")
        number = points.mask.sum(2)
        mean = points.values.sum(2) / number.clamp_min(1.0)
        return fill_missing(mean, number[..., 0] > 0)
    if seen.joints2d is None:
        return trans
    assert problem.camera is not None
    first = slice(0, 1)
    pose = problem.pose_prior.decode(variables["latent_pose"][:, first])
    root = root_matrix(variables["root_orient"][:, first])
    found = body_points(problem, trans[:, first], root, pose, variables["betas"], Parts(keypoints=True))
    assert found.keypoints is not None
    depth = depth_from_bones(found.keypoints[:, 0], _without_doubted(seen.put_back, seen.doubted), problem.camera)
    return torch.cat((trans[..., :2], depth[:, None, None].expand(*trans.shape[:2], 1)), dim=-1)


def _without_doubted(points: Tensor, doubted: Tensor) -> Tensor:
    """Keypoints (B, T, 25, 3) with confidence 0 where they are doubted (B, T, 25).

    A sub-sequence in which no frame would keep half as many as its best one stays as it is.
    """
    trusted = points.clone()
    trusted[..., 2] *= ~doubted
    left, most = ((each[..., 2] > 0).sum(-1).amax(1) for each in (trusted, points))
    return torch.where((2 * left >= most)[:, None, None, None], trusted, points)


def _align(problem: Problem, variables: dict[str, Tensor], preset: Preset) -> None:
    """Place the mean pose in every frame by a rigid fit to the visible torso joints, key vertices or point cloud.

    Frames with too few points are interpolated. A sub-sequence without any other frame keeps its initial values.
    """
    seen, pose = problem.observations, problem.pose_prior.decode(variables["latent_pose"][:, :1])
    if seen.points3d is not None and seen.joints3d is None and seen.verts3d is None:
        root, variables["trans"] = placed_in_cloud(problem, pose, variables["betas"])
        variables["root_orient"] = root_variable(root, rotation=preset.rotation)
        return
    eye = torch.eye(3).expand(problem.batch, 1, 3, 3)
    origin = torch.zeros(problem.batch, 1, 3)
    rest = body_points(problem, origin, eye, pose, variables["betas"], Parts(verts3d=True))
    if seen.joints3d is not None:
        model, target = rest.joints[:, :, list(TORSO)], seen.joints3d[:, :, list(TORSO)]
    elif seen.verts3d is not None and rest.verts3d is not None:
        model, target = rest.verts3d, seen.verts3d
    else:
        return
    pelvis = rest.joints[:, :, 0]
    model = (model - pelvis[:, :, None]).expand_as(target)
    visible = torch.isfinite(target).all(-1)
    enough = visible.sum(-1) >= ENOUGH_POINTS
    placed = enough.any(1)
    weights = torch.where(enough[..., None], visible, torch.ones_like(visible)).to(target.dtype)
    finite = torch.where(visible[..., None], target, torch.zeros_like(target))
    rotation, place = align_points(model, finite, weights)
    root = root_variable(fill_missing_rotations(rotation, enough), rotation=preset.rotation)
    trans = fill_missing(place, enough) - pelvis
    variables["root_orient"] = torch.where(placed[:, None, None], root, variables["root_orient"])
    variables["trans"] = torch.where(placed[:, None, None], trans, variables["trans"])


def enter_stage_3(
    problem: Problem, variables: Variables, preset: Preset, *, segment: int | None = None
) -> tuple[dict[str, Tensor], PriorFrame | None]:
    """Variables of stage 3 for a free motion: its initial state and the latents of its transitions.

    Every latent is the posterior mean of its own transition. The roll-out of these latents therefore drifts away from
    the motion.

    Args:
        variables: Variables of stage 2.
        segment: Number of frames between two nodes of multiple shooting (see ``shooting``). None uses no nodes.

    Returns:
        The variables of stage 3 and the frame that they are in (``preset.prior_frame``). It is None where that is the
        frame of the input: with a camera, and where the prior frame follows x_0.
    """
    with torch.no_grad():
        trans, betas = variables["trans"], variables["betas"]
        frame = prior_frame_of(problem, variables, preset)
        motion = states_in_prior(problem, variables, frame)
        started = motion
        if preset.velocities == "camera":
            root, pose = root_matrix(variables["root_orient"]), problem.pose_prior.decode(variables["latent_pose"])
            seen = problem.body.joints(trans, root, pose, betas)
            started = estimate_states(trans, root, pose, seen, fps=problem.fps)
        entered = {
            "trans": trans[:, :1],
            "root_orient": variables["root_orient"][:, :1],
            "latent_pose": variables["latent_pose"][:, :1],
            "betas": betas,
            "latent_motion": infer_latents(problem.motion_prior, motion, turn=turn_of(preset)),
            "trans_vel": started.trans_vel[:, :1],
            "joints_vel": started.joints_vel[:, :1],
            "root_orient_vel": started.root_orient_vel[:, :1],
        }
        if segment is not None:
            entered = shooting.cut(entered, motion.flat(), segment)
        if problem.has_camera:
            return entered | {"floor_plane": variables["floor_plane"]}, None
        if preset.prior_frame == "following":
            return entered, None
        if preset.prior_frame == "canonical":
            entered["trans"] = motion.trans[:, :1]
            entered["root_orient"] = root_variable(motion.root_orient[:, :1], rotation=preset.rotation)
        return entered, frame


def states_in_prior(problem: Problem, variables: Variables, frame: PriorFrame) -> State:
    """The free motion (B, T) of variables of stage 2 in the prior frame, with velocities, as the encoder gets it."""
    betas = variables["betas"]
    pose = problem.pose_prior.decode(variables["latent_pose"])
    trans = frame.trans(variables["trans"], problem.body.rest_joints(betas)[:, 0])
    root = frame.orient(root_matrix(variables["root_orient"]))
    joints = problem.body.joints(trans, root, pose, betas)
    return estimate_states(trans, root, pose, joints, fps=problem.fps)


def weakening(problem: Problem, variables: Variables, preset: Preset) -> Tensor | None:
    """``Problem.novelty`` (B, T) of a free motion, for presets that weaken the prior there.

    None for other presets, and for a motion that the prior knows in all frames: its fit is then as it would be anyway.
    """
    if preset.unknown_motion == "ignored":
        return None
    shown = problem.observations.shows_body
    if not shown.any():
        return None
    with torch.no_grad():
        motion = states_in_prior(problem, variables, prior_frame_of(problem, variables, preset))
    found = novelty(problem.motion_prior, motion, shown=shown, turn=turn_of(preset)).frames
    return found if bool(found.any()) else None


def prior_frame_of(problem: Problem, variables: Variables, preset: Preset) -> PriorFrame:
    """Transform from the frame of the input to the prior frame of a free motion.

    It follows from the first frame of the motion and from the floor.
    """
    if not problem.has_camera and preset.prior_frame == "input":
        return frames.identity(problem.batch, dtype=variables["trans"].dtype)
    trans, root = variables["trans"][:, 0], root_matrix(variables["root_orient"][:, 0])
    pelvis = problem.body.rest_joints(variables["betas"])[:, 0]
    if problem.has_camera:
        return frames.floor_frame(variables["floor_plane"], trans, root, pelvis)
    return frames.canonical_frame(trans, root, pelvis)
