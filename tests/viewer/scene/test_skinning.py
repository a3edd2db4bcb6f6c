"""The window's skinning equals the optimiser's body model, betas and pose blendshapes included."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from optim.body.body_model import BodyModel
from optim.common.rotations import axis_angle_to_matrix
from viewer.protocol.view_model import Motion
from viewer.scene.skinning import Skinner
from viewer.worker.display import body_mesh


def random_body(*, blendshapes: bool) -> BodyModel:
    rng = np.random.default_rng(3)
    vertices, joints = 90, 52
    weights = rng.random((vertices, joints)) ** 6
    regressor = rng.random((joints, vertices)) ** 4
    parents = np.array([-1, *(int(rng.integers(0, j)) for j in range(1, joints))])
    parents[22:] = np.where(np.arange(30) < 15, 20, 21)
    return BodyModel.from_arrays(
        {
            "v_template": rng.normal(size=(vertices, 3)),
            "f": rng.integers(0, vertices, (40, 3)),
            "weights": weights / weights.sum(1, keepdims=True),
            "J_regressor": regressor / regressor.sum(1, keepdims=True),
            "shapedirs": 0.1 * rng.normal(size=(vertices, 3, 16)),
            "posedirs": 0.1 * rng.normal(size=(vertices, 3, 459)) * blendshapes,
            "kintree_table": np.stack((parents, np.arange(joints))),
            "keypoint_vertices": np.arange(43),
        }
    )


@pytest.mark.parametrize("blendshapes", [True, False])
def test_equals_the_body_model(blendshapes):
    body = random_body(blendshapes=blendshapes)
    torch.manual_seed(0)
    trans, betas = torch.randn(2, 3, 3), torch.randn(2, 16)
    rotations = axis_angle_to_matrix(torch.randn(2, 3, 22, 3))
    root, pose = rotations[:, :, 0], rotations[:, :, 1:]
    expected = body.mesh(trans, root, pose, betas).numpy()
    joints = body.joints(trans, root, pose, betas).numpy()
    motion = Motion(trans=trans.numpy(), rotations=rotations.numpy(), betas=betas.numpy(), joints=joints)
    skinner = Skinner(body_mesh(body))
    for b, t in ((0, 0), (1, 2), (0, 1)):
        np.testing.assert_allclose(skinner.vertices(motion, b, t), expected[b, t], atol=2e-5)
    np.testing.assert_allclose(skinner.rest_joints(motion.betas[1]), body.rest_joints(betas)[1, :22].numpy(), atol=1e-5)


def test_is_pure():
    body = body_mesh(random_body(blendshapes=True))
    motion = Motion(
        trans=np.zeros((1, 1, 3), np.float32),
        rotations=np.tile(np.eye(3, dtype=np.float32), (1, 1, 22, 1, 1)),
        betas=np.zeros((1, 16), np.float32),
        joints=np.zeros((1, 1, 22, 3), np.float32),
    )
    rest = Skinner(body).vertices(motion, 0, 0)
    np.testing.assert_allclose(rest, body.template, atol=1e-5)
    assert motion.rotations[0, 0, 5, 0, 0] == 1.0
