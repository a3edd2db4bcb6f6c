"""Linear blend skinning in numpy for the window, so that moving through frames never waits for the optimiser.

It computes the vertices of one frame of one sub-sequence like the optimiser's body model; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from viewer.protocol.view_model import BodyMesh, Motion


def part(body: BodyMesh, vertices: Sequence[int] | np.ndarray) -> BodyMesh:
    """A body with only some of its vertices and no triangles."""
    ids = np.asarray(vertices)
    return replace(
        body,
        template=body.template[ids],
        faces=np.zeros((0, 3), np.int32),
        weights=body.weights[ids],
        shape_directions=body.shape_directions[ids],
        pose_directions=None if body.pose_directions is None else body.pose_directions[ids],
    )


class Skinner:
    """Poses one body mesh; the shaped template is kept while the betas stay the same."""

    def __init__(self, body: BodyMesh) -> None:
        self.body = body
        self._betas: np.ndarray | None = None
        self._template = body.template
        self._joints = body.joint_template

    def vertices(self, motion: Motion, sequence: int, frame: int) -> np.ndarray:
        """Vertices (V, 3) in metres, display frame, of a sub-sequence at its own frame number."""
        self._shape(motion.betas[sequence])
        rotation, position = self._chain(motion.rotations[sequence, frame])
        offset = position - np.einsum("jac,jc->ja", rotation, self._joints)
        affine = np.concatenate((rotation.reshape(-1, 9), offset), axis=1)  # (J, 12)
        blend = self.body.weights @ affine
        posed = self._template + self._pose_change(motion.rotations[sequence, frame])
        turned = (blend[:, :9].reshape(-1, 3, 3) @ posed[:, :, None])[:, :, 0]
        return turned + blend[:, 9:] + motion.trans[sequence, frame]

    def rest_joints(self, betas: np.ndarray) -> np.ndarray:
        """Joints (J, 3) of the shaped rest pose."""
        self._shape(betas)
        return self._joints

    def _shape(self, betas: np.ndarray) -> None:
        if self._betas is not None and np.array_equal(betas, self._betas):
            return
        body = self.body
        self._betas = betas.copy()
        self._template = body.template + body.shape_directions @ betas
        self._joints = body.joint_template + body.joint_shape_directions @ betas

    def _chain(self, local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World rotations (J, 3, 3) and positions (J, 3) from local rotations."""
        rotation, position = local.copy(), self._joints.copy()
        for joint, parent in enumerate(self.body.parents):
            if parent >= 0:
                rotation[joint] = rotation[parent] @ local[joint]
                bone = self._joints[joint] - self._joints[parent]
                position[joint] = position[parent] + rotation[parent] @ bone
        return rotation, position

    def _pose_change(self, local: np.ndarray) -> np.ndarray | float:
        directions = self.body.pose_directions
        if directions is None:
            return 0.0
        feature = (local[1:] - np.eye(3, dtype=local.dtype)).ravel()
        return directions @ feature
