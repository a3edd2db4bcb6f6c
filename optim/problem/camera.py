"""A pinhole camera that does not move, and what OpenPose's BODY_25 looks like through it.

Camera frame: x right, y down, z forward, metres; image coordinates in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optim.common.errors import InputError

NEAREST = 1e-6
"""Points nearer to the image plane than this [m] are taken to be this far before it, so that no division fails."""
IGNORED_KEYPOINTS = (1, 9, 12)
"""Neck and hips of BODY_25: OpenPose's are not where SMPL's are."""
BODY_25_BONES = (
    (1, 8), (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (10, 11), (8, 12), (12, 13), (13, 14),
    (1, 0), (0, 15), (15, 17), (0, 16), (16, 18), (14, 19), (19, 20), (14, 21), (11, 22), (22, 23), (11, 24),
)  # fmt: skip
"""Pairs of keypoints whose image lengths, against the body's, give the first guess of depth."""


@dataclass(frozen=True)
class Camera:
    """Intrinsics of B sub-sequences; the extrinsics are the camera frame itself."""

    focal: Tensor  # (B, 2) px
    centre: Tensor  # (B, 2) px
    image_size: tuple[int, int] | None = None
    """Width and height [px], for drawing only."""

    @staticmethod
    def from_matrix(matrix: Tensor, *, image_size: tuple[int, int] | None = None) -> Camera:
        """From K (B, 3, 3) or (3, 3).

        Raises:
            InputError: Another shape, or a focal length that is not positive.
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
        """(B, ..., 3) in the camera frame → (B, ..., 2) px."""
        lead = (-1,) + (1,) * (points.ndim - 2)
        focal, centre = self.focal.view(*lead, 2), self.centre.view(*lead, 2)
        depth = points[..., 2:]
        depth = torch.where(depth.abs() < NEAREST, torch.full_like(depth, NEAREST), depth)
        return points[..., :2] / depth * focal + centre


def depth_from_bones(body_keypoints: Tensor, seen: Tensor, camera: Camera) -> Tensor:
    """Distance (B,) [m] at which the body's bones look as long as in the image, frame with most keypoints.

    Args:
        body_keypoints: (B, 25, 3) of the body in its start pose [m].
        seen: (B, T, 25, 3) x, y [px] and confidence; 0 means not seen.

    The mean image length runs over all bones, unseen ones counting as 0 (as published). Where no bone is seen: 3 m.
    """
    best = (seen[..., 2] > 0).sum(-1).argmax(1)
    frame = seen[torch.arange(len(seen)), best]
    a, b = (list(side) for side in zip(*BODY_25_BONES, strict=True))
    in_space = (body_keypoints[:, a] - body_keypoints[:, b]).norm(dim=-1).mean(1)
    visible = (frame[:, a, 2] > 0) & (frame[:, b, 2] > 0)
    in_image = ((frame[:, a, :2] - frame[:, b, :2]).norm(dim=-1) * visible).mean(1)
    depth = camera.focal[:, 0] * in_space / in_image.clamp_min(1e-6)
    return torch.where(in_image > 0, depth, torch.full_like(depth, 3.0))
