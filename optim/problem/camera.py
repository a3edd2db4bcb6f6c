"""A pinhole camera that does not move, and OpenPose's BODY_25 keypoints as it sees them.

Camera frame: x right, y down, z forward, metres; image coordinates in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optim.common.errors import InputError

NEAREST = 1e-6
"""Smallest depth [m]. Points nearer to the image plane are projected as if they had this depth (no division by 0)."""
IGNORED_KEYPOINTS = (1, 9, 12)
"""Neck and hips of BODY_25; OpenPose and SMPL place them differently."""
BODY_25_BONES = (
    (1, 8), (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (10, 11), (8, 12), (12, 13), (13, 14),
    (1, 0), (0, 15), (15, 17), (0, 16), (16, 18), (14, 19), (19, 20), (14, 21), (11, 22), (22, 23), (11, 24),
)  # fmt: skip
"""Pairs of keypoints. Their lengths in the image and on the body give the first estimate of the depth."""


@dataclass(frozen=True)
class Camera:
    """Intrinsics of B sub-sequences; the extrinsics are the camera frame itself."""

    focal: Tensor  # (B, 2) px
    centre: Tensor  # (B, 2) px
    image_size: tuple[int, int] | None = None
    """Width and height [px]; used for drawing only."""

    @staticmethod
    def from_matrix(matrix: Tensor, *, image_size: tuple[int, int] | None = None) -> Camera:
        """A camera from its intrinsic matrix K (B, 3, 3) or (3, 3) [px].

        Raises:
            InputError: The shape is another one, or a focal length is not positive and finite.
        """
        matrix = torch.as_tensor(matrix, dtype=torch.float32)
        if matrix.shape[-2:] != (3, 3) or matrix.ndim not in (2, 3):
            raise InputError(f"camera matrix has shape {tuple(matrix.shape)}; (3, 3) or (B, 3, 3) is expected")
        matrix = matrix.reshape(-1, 3, 3)
        focal = torch.stack((matrix[:, 0, 0], matrix[:, 1, 1]), dim=-1)
        centre = matrix[:, :2, 2]
        if not (torch.isfinite(matrix).all() and (focal > 0).all()):
            raise InputError(f"camera focal lengths are {focal.tolist()}; finite, positive pixels are expected")
        return Camera(focal, centre, image_size)

    def project(self, points: Tensor) -> Tensor:
        """Project points (B, ..., 3) [m] in the camera frame to the image, (B, ..., 2) [px]."""
        lead = (-1,) + (1,) * (points.ndim - 2)
        focal, centre = self.focal.view(*lead, 2), self.centre.view(*lead, 2)
        depth = points[..., 2:]
        depth = torch.where(depth.abs() < NEAREST, torch.full_like(depth, NEAREST), depth)
        return points[..., :2] / depth * focal + centre

    def projected(self, points: Tensor) -> Tensor:
        """Derivative (B, ..., 2, 3) [px/m] of ``project`` by the points; 0 along the depth where it is too near."""
        lead = (-1,) + (1,) * (points.ndim - 2)
        focal = self.focal.view(*lead, 2)
        depth = points[..., 2:]
        near = depth.abs() < NEAREST
        scale = focal / torch.where(near, torch.full_like(depth, NEAREST), depth)
        back = torch.where(near, 0.0, -scale * points[..., :2] / depth)
        return torch.cat((torch.diag_embed(scale), back[..., None]), dim=-1)


def depth_from_bones(body_keypoints: Tensor, seen: Tensor, camera: Camera) -> Tensor:
    """Depth (B,) [m] at which the body's bones are as long as in the image, in the frame with most keypoints.

    Args:
        body_keypoints: (B, 25, 3) keypoints [m] of the body in its initial pose.
        seen: (B, T, 25, 3) x, y [px] and confidence; 0 means not seen.

    The mean image length is taken over all bones; unseen ones count as 0, as in the public code. The depth is 3 m where
    no bone is seen.
    """
    best = (seen[..., 2] > 0).sum(-1).argmax(1)
    frame = seen[torch.arange(len(seen)), best]
    a, b = (list(side) for side in zip(*BODY_25_BONES, strict=True))
    in_space = (body_keypoints[:, a] - body_keypoints[:, b]).norm(dim=-1).mean(1)
    visible = (frame[:, a, 2] > 0) & (frame[:, b, 2] > 0)
    in_image = ((frame[:, a, :2] - frame[:, b, :2]).norm(dim=-1) * visible).mean(1)
    depth = camera.focal[:, 0] * in_space / in_image.clamp_min(1e-6)
    return torch.where(in_image > 0, depth, torch.full_like(depth, 3.0))
