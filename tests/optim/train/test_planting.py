"""Planting of feet: they stand on the floor, the rest of the motion stays, and clips do not reach into each other."""

import numpy as np
import pytest
import torch

import assets
from optim.body.contacts import label_contacts
from optim.body.joints import RESTING_HEIGHT
from optim.loading.models import load_body
from optim.train.data import Clips
from optim.train.evaluate_planting import evaluate
from optim.train.planting import FARTHEST, FEET, LEGS, RAMP, mean_body_joints, plant_feet

STANDS, LIFTED = slice(0, 30), slice(40, 60)
"""Frames in which the left foot creeps over the floor, and in which it is off the floor."""
LEFT_FOOT = (7, 10)


@pytest.fixture(scope="module")
def body():
    return load_body(assets.BODY_FOLDER)


def clip(body, *, creep: float = 0.0015, frames: int = 60) -> Clips:
    """A body that stands sunk by 1 cm and creeps forward [m/frame], and lifts the left leg from frame 32 on."""
    time = torch.arange(float(frames))
    turns = torch.eye(3).expand(frames, 22, 3, 3).clone()
    upright = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    turns[:, 0] = upright
    lift = 1.2 * ((time - 32) / 8).clamp(0, 1)
    for joint, angle in ((1, -lift), (4, lift), (2, -0.1 + 0 * lift), (5, 0.2 + 0 * lift), (8, -0.1 + 0 * lift)):
        turns[:, joint] = rotation_about_x(angle)
    trans = torch.zeros(frames, 3)
    trans[:, 0] = creep * time
    plain = Clips(trans, turns, torch.zeros(frames, 9), torch.zeros(frames).bool(), (0, frames), ("a",))
    feet = mean_body_joints(plain, body)[0, FEET, 2] - torch.tensor([RESTING_HEIGHT[j] for j in FEET])
    trans[:, 2] -= feet.min() + 0.01
    joints = mean_body_joints(plain, body)
    return Clips(trans, turns, label_contacts(joints), plain.rare, plain.starts, plain.names)


def rotation_about_x(angle: torch.Tensor) -> torch.Tensor:
    cos, sin, one, zero = angle.cos(), angle.sin(), torch.ones_like(angle), torch.zeros_like(angle)
    return torch.stack((one, zero, zero, zero, cos, -sin, zero, sin, cos), dim=-1).unflatten(-1, (3, 3))


@pytest.fixture(scope="module")
def creeping(body) -> Clips:
    return clip(body)


@pytest.fixture(scope="module")
def planted(creeping, body) -> Clips:
    return plant_feet(creeping, body)


def test_planted_feet_keep_their_place_at_the_height_of_a_sole(creeping, planted, body):
    assert creeping.contacts[STANDS, 3].all() and creeping.contacts[STANDS, 5].all()
    before, after = (mean_body_joints(c, body)[STANDS][:, LEFT_FOOT] for c in (creeping, planted))
    speed = lambda joints: float((joints[1:] - joints[:-1]).norm(dim=-1).mean())  # noqa: E731
    assert speed(before) > 0.0014 and speed(after) < 0.0001
    resting = torch.tensor([RESTING_HEIGHT[joint] for joint in LEFT_FOOT])
    torch.testing.assert_close(after[..., 2], resting.expand(30, 2), rtol=0, atol=0.003)


def test_a_foot_in_the_air_goes_its_way_and_so_does_the_trunk(creeping, planted, body):
    before, after = mean_body_joints(creeping, body), mean_body_joints(planted, body)
    far = slice(32 + RAMP + 2, None)
    torch.testing.assert_close(after[far, 10], before[far, 10], rtol=0, atol=1e-3)
    others = [j for j in range(22) if j not in [k for leg in LEGS for k in leg[:3]]]
    assert torch.equal(planted.rotations[:, others], creeping.rotations[:, others])
    assert torch.equal(planted.trans[:, :2], creeping.trans[:, :2])
    assert torch.equal(planted.contacts, creeping.contacts)


def test_knees_bend_and_do_nothing_else(creeping, planted):
    change = planted.rotations[:, (4, 5)] @ creeping.rotations[:, (4, 5)].mT
    torch.testing.assert_close(change[..., 0], torch.tensor([1.0, 0, 0]).expand(60, 2, 3), rtol=0, atol=1e-5)
    assert float((change - torch.eye(3)).abs().max()) > 0.01


def test_ends_of_contacts_are_as_smooth_as_the_data(creeping, planted, body):
    jerk = [
        (x[2:] - 2 * x[1:-1] + x[:-2]).norm(dim=-1).amax()
        for x in (mean_body_joints(c, body) for c in (creeping, planted))
    ]
    assert float(jerk[1]) < 1.5 * float(jerk[0])


def test_a_foot_that_slides_is_left_as_it_is(body):
    sliding = clip(body, creep=2.2 * FARTHEST / 30)  # slow enough for a label, and too far for a foot that stands
    assert sliding.contacts[STANDS, 3].all()
    assert torch.equal(plant_feet(sliding, body).trans, sliding.trans)


def test_a_clip_is_planted_as_if_it_were_alone(creeping, planted, body):
    other = clip(body, creep=0.003)
    together = plant_feet(other.followed_by(creeping), body)
    assert together.names == ("a", "a") and together.starts == (0, 60, 120)
    torch.testing.assert_close(together.rotations[60:], planted.rotations, rtol=0, atol=1e-5)


def test_figures_say_what_planting_does(creeping, planted, body):
    report = evaluate(creeping, planted, body)
    assert report.planted_speed_before == pytest.approx(1.5, abs=0.1) and report.planted_speed_after < 0.1
    assert report.window_speed_before > 1 and report.window_speed_after < 0.5
    assert report.planted_height_before > 0.5 and report.planted_height_after < 0.1
    assert report.lowest_vertex_after < report.lowest_vertex_before
    assert 0.9 < report.planted_share <= 1 and report.left_share == 0
    assert 1 < report.moved_99 <= report.moved_most < 5
    same = evaluate(creeping, creeping, body)
    assert same.moved_most == 0 and same.acceleration_after == same.acceleration_before
    assert np.isfinite([float(line.split()[1]) for line in report.lines()]).all()
