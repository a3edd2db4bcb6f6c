"""Converts the optimiser's values for the window: tensors become numpy arrays in the display frame.

The display frame has z up and, where a floor was observed, the floor at z = 0. This module knows neither sessions nor
windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from optim.body.body_model import BodyModel
from optim.problem.camera import Camera
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory
from viewer.protocol import view_model as vm


def numpy(value: Any) -> np.ndarray:
    """A tensor (or array) as float32 numpy."""
    return np.asarray(value.detach().numpy() if hasattr(value, "detach") else value, np.float32)


@dataclass(frozen=True)
class DisplayFrame:
    """The rigid motion from the frame of the input to that of the display: p' = R p + t.

    For a session it begins in the frame that the problem is stated in, which is the frame of the input unless
    ``Problem.from_input`` says otherwise.
    """

    R_display_input: np.ndarray  # (3, 3)
    t: np.ndarray  # (3,)

    def points(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) → (..., 3)."""
        return (points @ self.R_display_input.T + self.t).astype(np.float32)

    def planes(self, planes: np.ndarray) -> np.ndarray:
        """Planes (B, 4), unit normal and offset with n·p = offset, in the display frame; their normals point up."""
        planes = planes / np.linalg.norm(planes[:, :3], axis=1, keepdims=True)  # those of the input may have any length
        normal = planes[:, :3] @ self.R_display_input.T
        offset = planes[:, 3] + normal @ self.t
        moved = np.concatenate((normal, offset[:, None]), axis=1)
        return np.where(normal[:, 2:] < 0, -moved, moved).astype(np.float32)


def display_frame(floor: np.ndarray | None) -> DisplayFrame:
    """The display frame: for data with z up the frame itself, else one on the observed floor, below the camera.

    Args:
        floor: (4,) normal and offset in the camera frame, or None without a camera.
    """
    if floor is None:
        return DisplayFrame(np.eye(3), np.zeros(3))
    plane = floor / np.linalg.norm(floor[:3])
    up = -plane[:3] if plane[1] > 0 else plane[:3]
    offset = -plane[3] if plane[1] > 0 else plane[3]
    ahead = np.array([0.0, 0.0, 1.0]) - up[2] * up
    ahead /= np.linalg.norm(ahead)
    return DisplayFrame(np.stack((np.cross(ahead, up), ahead, up)), np.array([0.0, 0.0, -offset]))


def display_frame_of(problem: Problem) -> DisplayFrame:
    """The display frame of a problem, from the frame that its observations are stated in."""
    if problem.from_input is not None:
        back = problem.from_input.inverse
        return DisplayFrame(numpy(back.R_prior_input)[0], numpy(back.offset)[0])
    return display_frame(None if problem.camera is None else numpy(problem.floor)[0])


def motion_of(trajectory: Trajectory, frame: DisplayFrame, body: vm.BodyMesh) -> vm.Motion:
    """A trajectory of the input frame in the display frame."""
    betas, trans = numpy(trajectory.betas), numpy(trajectory.trans)
    pelvis = body.joint_template[0] + betas @ body.joint_shape_directions[0].T
    root = frame.R_display_input.astype(np.float32) @ numpy(trajectory.root_orient)
    rotations = np.concatenate((root[:, :, None], numpy(trajectory.pose_body)), axis=2)
    contacts = getattr(trajectory, "contacts", None)
    return vm.Motion(
        trans=frame.points(trans + pelvis[:, None]) - pelvis[:, None],
        rotations=rotations,
        betas=betas,
        joints=frame.points(numpy(trajectory.joints)),
        contacts=None if contacts is None else numpy(contacts),
    )


def observed_of(seen: Observations, frame: DisplayFrame) -> vm.Observed:
    """The observations in the display frame; NaN where nothing was observed."""

    def points(value: Any) -> np.ndarray | None:
        if value is None:
            return None
        value = numpy(value)
        gone = ~np.isfinite(value).all(axis=-1)
        moved = frame.points(np.where(gone[..., None], 0.0, value))
        moved[gone] = np.nan
        return moved

    keypoints = None
    if seen.joints2d is not None:
        keypoints = numpy(seen.trusted_keypoints).copy()
        keypoints[keypoints[..., 2] <= 0] = np.nan
    return vm.Observed(
        joints3d=points(seen.joints3d),
        verts3d=points(seen.verts3d),
        points3d=points(seen.points3d),
        joints2d=keypoints,
        doubts=None if seen.doubts is None else numpy(seen.doubts),
    )


def camera_of(camera: Camera | None, frame: DisplayFrame) -> vm.Camera | None:
    """The camera of the first sub-sequence, with its pose in the display frame."""
    if camera is None:
        return None
    focal, center = numpy(camera.focal)[0], numpy(camera.centre)[0]
    size = camera.image_size or (int(2 * center[0]), int(2 * center[1]))
    return vm.Camera(
        matrix=np.array([[focal[0], 0, center[0]], [0, focal[1], center[1]], [0, 0, 1.0]]),
        size=size,
        R_display_camera=frame.R_display_input,
        t_display_camera=frame.t,
    )


def body_mesh(body: BodyModel) -> vm.BodyMesh:
    """The arrays with which the window skins the body."""
    joints = body.weights.shape[1]
    directions = body.pose_directions
    return vm.BodyMesh(
        template=numpy(body.template),
        faces=np.asarray(body.faces, np.int32),
        weights=numpy(body.weights),
        shape_directions=numpy(body.shape_directions),
        pose_directions=None if directions is None else numpy(directions),
        joint_template=numpy(body.joint_template)[:joints],
        joint_shape_directions=numpy(body.joint_shape_directions)[:joints],
        parents=tuple(body.parents[:joints]),
    )
