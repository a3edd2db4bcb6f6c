"""The motion that the variables stand for; computed once per evaluation and shared by all terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from optim.body.joints import CONTACT_JOINTS
from optim.objective.shooting import REFERENCE, Defects, node_states, shoot
from optim.priors.rollout import Rollout, State, Turn, canonical_turn, published_turn, rollout
from optim.problem import frames
from optim.problem.frames import PriorFrame
from optim.problem.problem import Problem
from optim.problem.variables import Variables, root_matrix
from optim.schedule.phases import NODES
from optim.schedule.presets import Preset

BODY_JOINTS = 22


@dataclass(frozen=True)
class InPrior:
    """The values of a prediction that only stage 3 has, in the prior frame (z up, floor at z = 0)."""

    frame: PriorFrame
    rollout: Rollout
    joints: Tensor  # (B, T, 22, 3) of the body model; those of the roll-out are regressed
    defects: Defects | None = None  # only in multiple shooting
    follows: bool = False
    """Whether ``frame`` depends on the variables of x_0 and of the floor."""

    @cached_property
    def contact_probability(self) -> Tensor:
        """Contact probability (B, T, 9) of the joints in ``CONTACT_JOINTS``; frame 0 repeats frame 1."""
        probability = self.rollout.contact_logits.sigmoid()
        return torch.cat((probability[:, :1], probability), dim=1)

    @cached_property
    def contacts(self) -> Tensor:
        """Contact probability (B, T, 22); 0 for the 13 joints for which the prior predicts none."""
        known = self.contact_probability
        full = known.new_zeros(*known.shape[:2], BODY_JOINTS)
        full[..., list(CONTACT_JOINTS)] = known
        return full

    @cached_property
    def contact_joints(self) -> Tensor:
        """Positions (B, T, 9, 3) of the joints in ``CONTACT_JOINTS``, of the body model."""
        return self.joints[:, :, list(CONTACT_JOINTS)]


@dataclass(frozen=True)
class Points:
    """Points of the body in one frame of reference [m]; None where they were not asked for."""

    joints: Tensor  # (B, T, 22, 3)
    verts3d: Tensor | None = None  # (B, T, 43, 3) key vertices
    keypoints: Tensor | None = None  # (B, T, 25, 3) BODY_25
    mesh: Tensor | None = None  # (B, T, V, 3)

    def moved(self, move: Callable[[Tensor], Tensor]) -> Points:
        """The same points in another frame of reference."""
        rest = (None if part is None else move(part) for part in (self.verts3d, self.keypoints, self.mesh))
        return Points(move(self.joints), *rest)


@dataclass(frozen=True)
class Prediction:
    """A motion in the input frame, with the points of the body that were asked for."""

    trans: Tensor  # (B, T, 3)
    root_orient: Tensor  # (B, T, 3, 3)
    pose_body: Tensor  # (B, T, 21, 3, 3)
    points: Points
    variables: Variables
    in_prior: InPrior | None = None


@dataclass(frozen=True)
class Parts:
    """Switches for the points of the body that an evaluation needs besides its joints."""

    verts3d: bool = False
    keypoints: bool = False
    mesh: bool = False


def turn_of(preset: Preset) -> Turn:
    """The function that ``preset.turn`` names."""
    return published_turn if preset.turn == "published" else canonical_turn


def predict_free(problem: Problem, variables: Variables, parts: Parts) -> Prediction:
    """The prediction of stages 1 and 2, where every frame has its own variables."""
    trans, betas = variables["trans"], variables["betas"]
    root = root_matrix(variables["root_orient"])
    pose = problem.pose_prior.decode(variables["latent_pose"])
    return Prediction(
        trans=trans,
        root_orient=root,
        pose_body=pose,
        points=body_points(problem, trans, root, pose, betas, parts),
        variables=variables,
    )


def predict_rollout(
    problem: Problem,
    variables: Variables,
    parts: Parts,
    *,
    frame: PriorFrame | None,
    frames: int | None = None,
    with_prior: bool = True,
    segment: int | None = None,
    turn: Turn = canonical_turn,
) -> Prediction:
    """The prediction of stage 3: the first frame rolled out through the latents.

    Args:
        frame: Transform to the prior frame, in which the variables are then given. None: the variables are in the
            frame of the input, and the transform follows from x_0 and, with a camera, from ``floor_plane``.
        frames: Number of frames to roll out; None means all.
        with_prior: Also evaluate the conditional prior along the roll-out.
        segment: Number of frames between nodes of multiple shooting (see ``shooting``); None means one roll-out.
        turn: Formula of the canonical frame (see ``turn_of``).
    """
    betas = variables["betas"]
    pelvis = problem.body.rest_joints(betas)[:, 0]
    start, placed = initial_state(problem, variables, frame=frame, pelvis=pelvis)
    latents = variables["latent_motion"]
    if frames is not None:
        latents = latents[:, : frames - 1]
    defects = None
    if segment is None:
        motion = rollout(problem.motion_prior, start, latents, with_prior=with_prior, turn=turn)
    else:
        nodes = node_states(variables[NODES], variables[REFERENCE])
        motion, defects = shoot(
            problem.motion_prior, start, nodes, latents, segment=segment, with_prior=with_prior, turn=turn
        )
    found = body_points(problem, motion.trans, motion.root_orient, motion.pose_body, betas, parts)
    return Prediction(
        trans=placed.trans_back(motion.trans, pelvis),
        root_orient=placed.orient_back(motion.root_orient),
        pose_body=motion.pose_body,
        points=found.moved(placed.points_back),
        variables=variables,
        in_prior=InPrior(placed, motion, found.joints, defects, follows=frame is None),
    )


def initial_state(
    problem: Problem, variables: Variables, *, frame: PriorFrame | None, pelvis: Tensor
) -> tuple[State, PriorFrame]:
    """x_0 (B, ...) in the prior frame, and the transform to that frame; ``pelvis`` as in ``PriorFrame.trans``."""
    trans, root = variables["trans"][:, 0], root_matrix(variables["root_orient"][:, 0])
    if frame is None:
        if problem.has_camera:
            frame = frames.floor_frame(variables["floor_plane"], trans, root, pelvis)
        else:
            frame = frames.canonical_frame(trans, root, pelvis)
        trans, root = frame.trans(trans[:, None], pelvis)[:, 0], frame.orient(root[:, None])[:, 0]
    pose = problem.pose_prior.decode(variables["latent_pose"][:, 0])
    joints = problem.body.joints(trans[:, None], root[:, None], pose[:, None], variables["betas"])[:, 0]
    state = State(
        trans=trans,
        trans_vel=variables["trans_vel"][:, 0],
        root_orient=root,
        root_orient_vel=variables["root_orient_vel"][:, 0],
        pose_body=pose,
        joints=joints,
        joints_vel=variables["joints_vel"][:, 0],
    )
    return state, frame


def body_points(problem: Problem, trans: Tensor, root: Tensor, pose: Tensor, betas: Tensor, parts: Parts) -> Points:
    """Joints and the other points that are asked for, from one pass through the body model."""
    body = problem.body
    if not (parts.verts3d or parts.keypoints or parts.mesh):
        return Points(body.joints(trans, root, pose, betas))
    keys = list(body.keypoint_vertices) if parts.verts3d else []
    face_and_feet = list(body.openpose_vertices) if parts.keypoints else []
    wanted = keys + face_and_feet
    ids = torch.arange(len(body.template)) if parts.mesh else torch.tensor(wanted)
    joints52, vertices = body.joints_and_vertices(trans, root, pose, betas, ids)
    chosen = vertices[:, :, wanted] if parts.mesh else vertices
    return Points(
        joints=joints52[:, :, :BODY_JOINTS],
        verts3d=chosen[:, :, : len(keys)] if parts.verts3d else None,
        keypoints=body.keypoints25(joints52, chosen[:, :, len(keys) :]) if parts.keypoints else None,
        mesh=vertices if parts.mesh else None,
    )


Value = TypeVar("Value")


def detached(value: Value) -> Value:
    """The same tensors, dataclasses and tables, detached from the graph."""
    found: Any = value
    if isinstance(value, Tensor):
        found = value.detach()
    elif isinstance(value, Mapping):
        found = {name: detached(part) for name, part in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        found = type(value)(**{f.name: detached(getattr(value, f.name)) for f in fields(value)})
    return cast(Value, found)
