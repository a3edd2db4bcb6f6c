"""What the variables say the body does, worked out once per evaluation and shared by all terms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from optim import frames
from optim.frames import PriorFrame
from optim.motion_prior import CONTACT_JOINTS
from optim.problem import Problem
from optim.rollout import Rollout, State, rollout
from optim.variables import Variables, root_matrix

BODY_JOINTS = 22


@dataclass(frozen=True)
class Prediction:
    """A motion with the body parts that the terms ask for; the first block in the frame of the input."""

    trans: Tensor  # (B, T, 3)
    root_orient: Tensor  # (B, T, 3, 3)
    pose_body: Tensor  # (B, T, 21, 3, 3)
    betas: Tensor  # (B, 16)
    joints: Tensor  # (B, T, 22, 3)
    verts3d: Tensor | None = None  # (B, T, 43, 3) key vertices
    keypoints: Tensor | None = None  # (B, T, 25, 3) BODY_25
    mesh: Tensor | None = None  # (B, T, V, 3)
    floor: Tensor | None = None  # (B, 3) normal · offset
    variables: Variables | None = None
    # Stage 3 only, in the prior frame:
    prior_frame: PriorFrame | None = None
    rollout: Rollout | None = None
    prior_joints: Tensor | None = None  # (B, T, 22, 3) of the body model

    @cached_property
    def contact_probability(self) -> Tensor:
        """(B, T, 9) of the joints in CONTACT_JOINTS; frame 0 repeats frame 1."""
        assert self.rollout is not None
        probability = self.rollout.contact_logits.sigmoid()
        return torch.cat((probability[:, :1], probability), dim=1)

    @cached_property
    def contacts(self) -> Tensor:
        """(B, T, 22) probability; 0 for the 13 joints that the prior says nothing of."""
        known = self.contact_probability
        full = known.new_zeros(*known.shape[:2], BODY_JOINTS)
        full[..., list(CONTACT_JOINTS)] = known
        return full


@dataclass(frozen=True)
class Parts:
    """Which parts of the body an evaluation needs besides its joints."""

    verts3d: bool = False
    keypoints: bool = False
    mesh: bool = False


def predict_free(problem: Problem, variables: Variables, parts: Parts) -> Prediction:
    """Stages 1 and 2: every frame on its own."""
    trans, betas = variables["trans"], variables["betas"]
    root = root_matrix(variables["root_orient"])
    pose = problem.pose_prior.decode(variables["latent_pose"])
    return Prediction(
        trans=trans,
        root_orient=root,
        pose_body=pose,
        betas=betas,
        floor=variables.get("floor_plane"),
        variables=variables,
        **pose_parts(problem, trans, root, pose, betas, parts),
    )


def predict_rollout(
    problem: Problem,
    variables: Variables,
    parts: Parts,
    *,
    frame: PriorFrame | None,
    frames: int | None = None,
    with_prior: bool = True,
) -> Prediction:
    """Stage 3: the first frame rolled out through the latents.

    Args:
        frame: Where the prior frame lies; None with a camera, where the variables say it (they are then in the camera
            frame, otherwise in the prior frame).
        frames: Roll out only the first so many.
    """
    betas = variables["betas"]
    pelvis = problem.body.rest_joints(betas)[:, 0]
    moving = frame is None
    start, frame = initial_state(problem, variables, frame=frame, pelvis=pelvis)
    latents = variables["latent_motion"]
    if frames is not None:
        latents = latents[:, : frames - 1]
    motion = rollout(problem.motion_prior, start, latents, with_prior=with_prior)
    found = pose_parts(problem, motion.trans, motion.root_orient, motion.pose_body, betas, parts)
    seen = {name: frame.points_back(points) for name, points in found.items()}
    return Prediction(
        trans=frame.trans_back(motion.trans, pelvis),
        root_orient=frame.orient_back(motion.root_orient),
        pose_body=motion.pose_body,
        betas=betas,
        floor=variables["floor_plane"] if moving else None,
        variables=variables,
        prior_frame=frame,
        rollout=motion,
        prior_joints=found["joints"],
        **seen,
    )


def initial_state(
    problem: Problem, variables: Variables, *, frame: PriorFrame | None, pelvis: Tensor
) -> tuple[State, PriorFrame]:
    """x_0 (B, ...) in the prior frame, and that frame."""
    trans, root = variables["trans"][:, 0], root_matrix(variables["root_orient"][:, 0])
    if frame is None:
        frame = frames.floor_frame(variables["floor_plane"], trans, root, pelvis)
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


def pose_parts(
    problem: Problem, trans: Tensor, root: Tensor, pose: Tensor, betas: Tensor, parts: Parts
) -> dict[str, Tensor]:
    """Joints and whatever else is asked for, from one pass through the body model."""
    body = problem.body
    wanted: list[int] = []
    if parts.verts3d:
        wanted += body.keypoint_vertices
    if parts.keypoints:
        wanted += body.openpose_vertices
    if not (wanted or parts.mesh):
        return {"joints": body.joints(trans, root, pose, betas)}
    ids = torch.arange(len(body.template)) if parts.mesh else torch.tensor(wanted)
    joints52, points = body.joints_and_vertices(trans, root, pose, betas, ids)
    found = {"joints": joints52[:, :, :BODY_JOINTS]}
    if parts.mesh:
        found["mesh"] = points
        points = points[:, :, wanted]
    count = len(body.keypoint_vertices) if parts.verts3d else 0
    if parts.verts3d:
        found["verts3d"] = points[:, :, :count]
    if parts.keypoints:
        found["keypoints"] = body.keypoints25(joints52, points[:, :, count:])
    return found
