"""Where a fit to a cloud begins: standing, lying, before a camera, with gaps; against the body the cloud is of."""

import numpy as np
import pytest
import roma
import torch

import assets
from optim.initialise.cloud import placed_in_cloud
from optim.loading.clip import moved, trajectory
from optim.loading.files.amass import Motion
from optim.loading.models import load_body
from optim.loading.observe import Degradation, observe
from optim.problem.camera import Camera
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from tests import fakes
from tests.motions import walk_arrays

FRAMES = 6


@pytest.fixture(scope="module")
def body():
    return load_body(assets.BODY_FOLDER)


def still(body, turn, *, height=1.0):
    """A body with slightly bent knees that stands still, turned as asked from its own y up."""
    poses = np.zeros((FRAMES, 66), np.float32)
    poses[:] = walk_arrays(frames=FRAMES)["poses"][:, :66]
    poses[:, :3] = roma.rotmat_to_rotvec(turn).numpy()
    poses[:, 12], poses[:, 15] = 0.5, 0.5
    trans = np.tile(np.float32([1.0, -2.0, height]), (FRAMES, 1))
    return trajectory(Motion(trans, poses, np.zeros(16, np.float32), "neutral", 30.0, "still"), slice(0, FRAMES), body)


def cloud_of(truth, body, *, noise=0.0):
    how = Degradation(noise_std=noise)
    return observe(truth, body, "points3d", how, count=400, generator=torch.Generator().manual_seed(0)).points3d


def started(points, body, **more):
    base = fakes.problem("joints3d", frames=points.shape[1])
    problem = Problem(
        observations=Observations(points3d=points, joints2d=more.pop("joints2d", None)),
        body=body,
        pose_prior=base.pose_prior,
        motion_prior=base.motion_prior,
        init_state_prior=base.init_state_prior,
        **more,
    )
    pose = torch.eye(3).expand(1, 1, 21, 3, 3).clone()
    pose[0, 0, 15], pose[0, 0, 16] = (roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, a])) for a in (-1.2, 1.2))
    return placed_in_cloud(problem, pose, torch.zeros(1, 16))


def upright(yaw):
    standing = roma.rotvec_to_rotmat(torch.tensor([np.pi / 2, 0.0, 0.0]))
    return roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, yaw])) @ standing


def angle(a, b):
    return torch.rad2deg(roma.rotmat_geodesic_distance(a, b.expand_as(a)))


@pytest.mark.parametrize("yaw", [0.0, 1.0, 2.5, -2.0])
def test_standing_it_faces_as_the_body_does(body, yaw):
    truth = still(body, upright(yaw))
    root, trans = started(cloud_of(truth, body, noise=0.01), body)
    assert root.shape == (1, FRAMES, 3, 3) and trans.shape == (1, FRAMES, 3)
    assert angle(root, truth.root_orient[0, 0]).max() < 30
    assert (trans - truth.trans).norm(dim=-1).max() < 0.15


def test_lying_it_lies(body):
    lying = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, 0.7]))  # on the back, head along the floor
    truth = still(body, lying, height=0.15)
    root, trans = started(cloud_of(truth, body), body)
    assert angle(root, lying).max() < 40
    assert (trans - truth.trans).norm(dim=-1).max() < 0.2


def test_frames_without_points_go_with_their_neighbours(body):
    truth = still(body, upright(1.0))
    points = cloud_of(truth, body)
    points[0, 2] = torch.inf
    root, trans = started(points, body)
    assert torch.isfinite(root).all() and torch.isfinite(trans).all()
    assert angle(root[:, 2], root[0, 1]).max() < 30 and (trans[0, 2] - trans[0, 1]).norm() < 0.1


def test_keypoints_tell_front_from_back(body):
    """A cloud that is the same from both sides; the keypoints of a camera say which it is."""
    for yaw in (0.3, 0.3 + np.pi):
        world = still(body, upright(yaw))
        turn = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
        to_camera = PriorFrame(turn[None], torch.tensor([[-1.0, 1.0, 6.0]]))
        truth = moved(world, to_camera, body)
        camera = Camera.from_matrix(torch.tensor([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]]))
        parts = (truth.trans, truth.root_orient, truth.pose_body, truth.betas)
        keypoints = body.keypoints25(*body.joints_and_vertices(*parts, torch.tensor(body.openpose_vertices)))
        joints2d = torch.cat((camera.project(keypoints), torch.ones(1, FRAMES, 25, 1)), dim=-1)
        points = cloud_of(truth, body)
        middle = points.mean((1, 2), keepdim=True)
        behind = 2 * middle - points
        behind[..., 1] = points[..., 1]  # half a turn about the vertical
        floor = torch.tensor([[0.0, -1.0, 0.0, -1.0]])
        root, _ = started(torch.cat((points, behind), dim=2), body, joints2d=joints2d, camera=camera, floor=floor)
        assert angle(root, truth.root_orient[0, 0]).max() < 35
