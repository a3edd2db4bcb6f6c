"""Made-up pictures show the motion, from a camera that stands as it was asked to."""

from __future__ import annotations

import pytest
import torch

import assets
from optim.evaluation.images import IMAGE_SIZE, LEVEL, LOWEST, PIXEL_NOISE, TILTED, Picture, Views, picture
from optim.initialise.floor_from_feet import angles_deg
from optim.loading.clip import moved, trajectory
from optim.loading.demo import find_clip, read_demo
from optim.loading.models import load_body

SEEDS = range(12)


@pytest.fixture(scope="module")
def walk():
    body = load_body(assets.BODY_FOLDER)
    return trajectory(read_demo(find_clip("dance")).motion, slice(0, 40), body), body


def taken(walk, views: Views, seed: int) -> Picture:
    return picture(*walk, views, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("views", [LEVEL, TILTED])
def test_cameras_stand_in_their_ranges_above_the_floor(walk, views):
    for seed in SEEDS:
        floor = taken(walk, views, seed).floor[0].double().numpy()
        pitch, roll = angles_deg(floor)
        assert views.pitch[0] <= pitch <= views.pitch[1]
        assert abs(roll) <= 2.0 * views.roll + 1e-3
        assert -floor[3] >= LOWEST


def test_every_keypoint_that_was_found_lies_in_the_image(walk):
    for seed in SEEDS:
        seen = taken(walk, TILTED, seed).keypoints[0]
        found = seen[seen[..., 2] > 0][:, :2]
        assert (found > 0).all()
        assert (found < torch.tensor(IMAGE_SIZE)).all()
        assert 0.9 < len(found) / seen[..., 2].numel() < 1.0


def test_the_motion_in_the_camera_frame_projects_onto_the_keypoints(walk):
    truth, body = walk
    seen = taken(walk, TILTED, 3)
    in_camera = moved(truth, seen.from_world, body)
    arguments = in_camera.trans, in_camera.root_orient, in_camera.pose_body, in_camera.betas
    points = body.keypoints25(*body.joints_and_vertices(*arguments, torch.tensor(body.openpose_vertices)))
    found = seen.keypoints[..., 2] > 0
    away = (seen.camera.project(points) - seen.keypoints[..., :2])[found]
    assert away.square().mean().sqrt() == pytest.approx(PIXEL_NOISE, rel=0.1)


def test_the_floor_holds_the_points_of_the_world_s_floor(walk):
    seen = taken(walk, TILTED, 5)
    on_floor = seen.from_world.points(torch.tensor([[[1.0, 2.0, 0.0], [-3.0, 0.5, 0.0]]]))
    torch.testing.assert_close((on_floor * seen.floor[:, None, :3]).sum(-1), seen.floor[:, 3:].expand(1, 2))


def test_the_same_seed_takes_the_same_picture(walk):
    assert torch.equal(taken(walk, LEVEL, 7).keypoints, taken(walk, LEVEL, 7).keypoints)
