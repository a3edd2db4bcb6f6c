"""The body's fast paths against smplx, and its errors."""

import numpy as np
import pytest
import smplx
import torch

import assets
from optim.body.body_model import BodyModel
from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix

FRAMES = 4


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return dict(np.load(assets.BODY_FILE))


@pytest.fixture(scope="module")
def with_blendshapes(arrays) -> dict[str, np.ndarray]:
    """The free body with made-up pose blendshapes, as a real SMPL+H has them."""
    shifts = np.random.default_rng(0).normal(0, 1e-3, (6890, 3, 459)).astype(np.float32)
    return arrays | {"posedirs": shifts}


@pytest.fixture(scope="module")
def motion() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    axis_angle = 0.5 * torch.randn(FRAMES, 22, 3, generator=generator)
    return torch.randn(FRAMES, 3, generator=generator), axis_angle, torch.randn(1, 16, generator=generator)


def smplx_body(arrays):
    padded = dict(arrays)
    padded["shapedirs"] = np.concatenate((arrays["shapedirs"], np.zeros((6890, 3, 284), np.float32)), axis=2)
    padded["posedirs"] = arrays["posedirs"].astype(np.float32)
    struct = smplx.utils.Struct(**padded)
    return smplx.SMPLH(
        "", data_struct=struct, num_betas=16, use_pca=False, flat_hand_mean=True, batch_size=FRAMES, ext="npz"
    )


@pytest.mark.parametrize("which", ["arrays", "with_blendshapes"])
def test_equals_smplx(which, motion, request):
    arrays = request.getfixturevalue(which)
    trans, axis_angle, betas = motion
    reference = smplx_body(arrays)(
        betas=betas.expand(FRAMES, 16),
        global_orient=axis_angle[:, 0],
        body_pose=axis_angle[:, 1:].flatten(1),
        transl=trans,
    )
    body = BodyModel.from_arrays(arrays)
    turns = axis_angle_to_matrix(axis_angle)[None]
    pose = (trans[None], turns[:, :, 0], turns[:, :, 1:], betas)
    joints, points = body.joints_and_vertices(*pose, torch.tensor(body.openpose_vertices))
    exact = {"rtol": 0, "atol": 2e-6}
    torch.testing.assert_close(joints[0], reference.joints[:, :52], **exact)
    torch.testing.assert_close(points[0], reference.joints[:, 52:73], **exact)
    torch.testing.assert_close(body.joints(*pose)[0], reference.joints[:, :22], **exact)
    torch.testing.assert_close(body.mesh(*pose)[0], reference.vertices, **exact)


def test_body25_takes_the_named_joints(arrays, motion):
    body = BodyModel.from_arrays(arrays)
    still = torch.eye(3).expand(1, 1, 22, 3, 3)
    joints, points = body.joints_and_vertices(
        torch.zeros(1, 1, 3), still[:, :, 0], still[:, :, 1:], torch.zeros(1, 16), torch.tensor(body.openpose_vertices)
    )
    keypoints = body.keypoints25(joints, points)[0, 0]
    nose, right_wrist, left_wrist, right_ankle, left_heel = keypoints[[0, 4, 7, 11, 21]]
    assert nose[1] > keypoints[1, 1] and nose[2] > keypoints[1, 2]  # above and in front of the neck
    assert right_wrist[0] < -0.5 < 0.5 < left_wrist[0]
    assert right_ankle[0] < 0 < left_heel[0] and left_heel[1] < keypoints[13, 1]


def test_missing_array_is_named(arrays):
    with pytest.raises(InputError, match="weights"):
        BodyModel.from_arrays({k: v for k, v in arrays.items() if k != "weights"})


def test_ten_betas_are_refused(arrays):
    with pytest.raises(InputError, match="shapedirs"):
        BodyModel.from_arrays(arrays | {"shapedirs": arrays["shapedirs"][..., :10]})


def test_moves_to_another_device(arrays):
    """The meta device stands in for a GPU: an operation that mixes devices raises there too."""
    body = BodyModel.from_arrays(arrays).to("meta")
    still = torch.eye(3, device="meta").expand(1, 2, 22, 3, 3)
    zero = torch.zeros(1, 2, 3, device="meta")
    assert body.mesh(zero, still[:, :, 0], still[:, :, 1:], torch.zeros(1, 16, device="meta")).shape == (1, 2, 6890, 3)
