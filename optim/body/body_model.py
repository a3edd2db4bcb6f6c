"""SMPL+H body model: computes the joints, chosen vertices or the whole mesh, and only what is asked for.

The hands are not observed and stay in their rest pose. Each hand therefore moves with its wrist, and 22 rotations are
enough. The result equals smplx's SMPLH with zero hand poses. Rotations are matrices; lengths are metres. In the rest
pose the y axis points up. Results are in the frame that ``root_orient`` and ``trans`` map to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optim.body.joints import NUM_JOINTS
from optim.body.kinematics import Kinematics, tree_of
from optim.common.errors import InputError
from optim.common.timing import timed

NUM_BETAS = 16
SMPL_KEYPOINT_VERTICES = (
    4404, 920, 3076, 3169, 823, 4310, 1010, 1085, 4495, 4569, 6615, 3217, 3313, 6713, 6785, 3383, 6607, 3207, 1241,
    1508, 4797, 4122, 1618, 1569, 5135, 5040, 5691, 5636, 5404, 2230, 2173, 2108, 134, 3645, 6543, 3123, 3024, 4194,
    1306, 182, 3694, 4294, 744,
)  # fmt: skip
"""HuMoR's 43 key vertices on the published SMPL+H body. Files of other bodies hold their own list."""
OPENPOSE_VERTICES = (
    332, 6260, 2800, 4071, 583, 3216, 3226, 3387, 6617, 6624, 6787, 2746, 2319, 2445, 2556, 2673, 6191, 5782, 5905,
    6016, 6133,
)  # fmt: skip
"""Vertices of nose, eyes, ears, toes, heels and finger tips. Source: smplx's ``vertex_ids['smplh']``, in its order."""
BODY25_FROM_JOINTS = (52, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62)
"""Where each BODY_25 keypoint stands in the list of the 52 SMPL+H joints followed by ``OPENPOSE_VERTICES``."""
_REQUIRED = ("v_template", "f", "weights", "J_regressor", "shapedirs", "posedirs", "kintree_table")


@dataclass(frozen=True)
class BodyModel:
    """A rigged body of 52 joints and V vertices whose shape and pose can be chosen. Lengths are in metres."""

    template: Tensor  # (V, 3)
    shape_directions: Tensor  # (V, 3, 16)
    pose_directions: Tensor | None  # (V, 3, 189): those of the body joints; None if they are all zero
    joint_template: Tensor  # (52, 3)
    joint_shape_directions: Tensor  # (52, 3, 16)
    weights: Tensor  # (V, 22): the weights of hand joints are added to their wrists
    faces: np.ndarray  # (F, 3) int
    parents: tuple[int, ...]  # of the 52 joints; -1 for the root
    keypoint_vertices: tuple[int, ...]  # 43
    openpose_vertices: tuple[int, ...] = OPENPOSE_VERTICES

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray], *, name: str = "body model") -> BodyModel:
        """Build a body from the arrays of an SMPL+H ``model.npz``.

        Args:
            name: Name of the file, for messages.

        Raises:
            InputError: An array is missing, or its shape is not that of SMPL+H with at least 16 betas.
        """
        missing = [key for key in _REQUIRED if key not in arrays]
        if missing:
            raise InputError(f"{name}: no array {', '.join(missing)}; an SMPL+H model.npz is expected")
        template = np.asarray(arrays["v_template"], np.float32)
        shape = np.asarray(arrays["shapedirs"], np.float32)
        parents = np.asarray(arrays["kintree_table"])[0].astype(np.int64)
        vertices, joints = len(template), len(parents)
        if joints != 52:
            raise InputError(f"{name}: {joints} joints; SMPL+H has 52 (SMPL or SMPL-X files do not fit here)")
        if shape.shape[:2] != (vertices, 3) or shape.shape[2] < NUM_BETAS:
            raise InputError(f"{name}: shapedirs {shape.shape}; ({vertices}, 3, 16 or more) is expected")
        parents = tuple(int(p) if 0 <= p < joints else -1 for p in parents)
        regressor = np.asarray(arrays["J_regressor"], np.float32)
        shape = shape[:, :, :NUM_BETAS]
        pose = np.asarray(arrays["posedirs"])[:, :, : 9 * (NUM_JOINTS - 1)].astype(np.float32)
        own = arrays.get("keypoint_vertices")
        return BodyModel(
            template=torch.from_numpy(template),
            shape_directions=torch.from_numpy(shape.copy()),
            pose_directions=torch.from_numpy(pose) if pose.any() else None,
            joint_template=torch.from_numpy(regressor @ template),
            joint_shape_directions=torch.from_numpy(np.einsum("jv,vck->jck", regressor, shape)),
            weights=torch.from_numpy(_fold_hands(np.asarray(arrays["weights"], np.float32), parents)),
            faces=np.asarray(arrays["f"]).astype(np.int64),
            parents=parents,
            keypoint_vertices=tuple(int(v) for v in (SMPL_KEYPOINT_VERTICES if own is None else own)),
        )

    def to(self, device: torch.device | str) -> BodyModel:
        """The same body with its tensors on another device."""
        tensors: dict[str, Any] = {
            f.name: v.to(device) for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)
        }
        return replace(self, **tensors)

    @timed("body")
    def rest_joints(self, betas: Tensor) -> Tensor:
        """Joints [m] of the shaped body in its rest pose, (B, 16) → (B, 52, 3)."""
        directions = self.joint_shape_directions.flatten(0, 1)
        return torch.addmm(self.joint_template.flatten(), betas, directions.T).unflatten(1, (-1, 3))

    @timed("body")
    def joints(self, trans: Tensor, root_orient: Tensor, pose_body: Tensor, betas: Tensor) -> Tensor:
        """Positions of the 22 body joints.

        Args:
            trans: (B, T, 3) translation [m]. ``root_orient`` and ``trans`` map from the body to the result's frame.
            root_orient: (B, T, 3, 3) rotation of the root.
            pose_body: (B, T, 21, 3, 3) rotation of each other joint relative to its parent.
            betas: (B, 16) shape coefficients.

        Returns:
            (B, T, 22, 3) [m], in the frame that ``root_orient`` and ``trans`` map to.
        """
        rest = self.rest_joints(betas)[:, :NUM_JOINTS]
        return self._chain(rest, root_orient, pose_body)[1] + trans[..., None, :]

    @timed("body")
    def joints_and_vertices(
        self, trans: Tensor, root_orient: Tensor, pose_body: Tensor, betas: Tensor, vertex_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        """All 52 joints and K vertices by exact linear blend skinning.

        Args:
            trans, root_orient, pose_body, betas: As for ``joints``.
            vertex_ids: (K,) indices of the vertices.

        Returns:
            Joints (B, T, 52, 3) and vertices (B, T, K, 3) [m].
        """
        rest = self.rest_joints(betas)
        rotation, position = self._chain(rest[:, :NUM_JOINTS], root_orient, pose_body)
        offset = position - (rotation @ rest[:, None, :NUM_JOINTS, :, None])[..., 0]
        wrist = [_body_ancestor(joint, self.parents) for joint in range(NUM_JOINTS, len(self.parents))]
        fingers = (rotation[:, :, wrist] @ rest[:, None, NUM_JOINTS:, :, None])[..., 0] + offset[:, :, wrist]
        joints = torch.cat((position, fingers), dim=2) + trans[..., None, :]
        shaped = self.template[vertex_ids] + torch.einsum("vck,bk->bvc", self.shape_directions[vertex_ids], betas)
        posed = shaped[:, None]
        if self.pose_directions is not None:
            change = (pose_body - torch.eye(3, dtype=pose_body.dtype, device=pose_body.device)).flatten(-3)
            posed = posed + torch.einsum("vcp,btp->btvc", self.pose_directions[vertex_ids], change)
        affine = torch.cat((rotation, offset[..., None]), dim=-1).flatten(-2)  # (B, T, 22, 12)
        blend = (self.weights[vertex_ids] @ affine).unflatten(-1, (3, 4))
        vertices = (blend[..., :3] @ posed[..., None])[..., 0] + blend[..., 3] + trans[..., None, :]
        return joints, vertices

    def mesh(self, trans: Tensor, root_orient: Tensor, pose_body: Tensor, betas: Tensor) -> Tensor:
        """All vertices (B, T, V, 3) [m]. The arguments are those of ``joints``."""
        return self.joints_and_vertices(
            trans, root_orient, pose_body, betas, torch.arange(len(self.template), device=trans.device)
        )[1]

    def keypoints25(self, joints52: Tensor, openpose_points: Tensor) -> Tensor:
        """OpenPose's BODY_25 keypoints (B, T, 25, 3) of a body.

        Args:
            joints52: (B, T, 52, 3) joints.
            openpose_points: (B, T, 21, 3) the vertices ``openpose_vertices``, in the same frame.
        """
        return torch.cat((joints52, openpose_points), dim=2)[:, :, list(BODY25_FROM_JOINTS)]

    def _chain(self, rest: Tensor, root_orient: Tensor, pose_body: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations (B, T, 22, 3, 3) and positions (B, T, 22, 3) of the body joints, without ``trans``."""
        local = torch.cat((root_orient[..., None, :, :], pose_body), dim=2)
        body = self.parents[:NUM_JOINTS]
        bones = torch.cat((rest[:, :1], rest[:, 1:] - rest[:, tree_of(body, rest.dtype, rest.device).above]), dim=1)
        return Kinematics.apply(bones, local, body)


def _body_ancestor(joint: int, parents: tuple[int, ...]) -> int:
    while joint >= NUM_JOINTS:
        joint = parents[joint]
    return joint


def _fold_hands(weights: np.ndarray, parents: tuple[int, ...]) -> np.ndarray:
    folded = weights[:, :NUM_JOINTS].copy()
    for joint in range(NUM_JOINTS, len(parents)):
        folded[:, _body_ancestor(joint, parents)] += weights[:, joint]
    return folded
