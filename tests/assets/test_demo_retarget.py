"""Retargeting puts the feet on the floor, keeps what the character does, leaves nothing under the floor."""

import numpy as np
import pytest
import roma
import torch

import assets
from assets.build.demo import retarget as demo_retarget
from assets.build.demo.source import NAMES, SKELETON, SourceMotion
from optim.loading.models import load_body

FRAMES = 12


@pytest.fixture(scope="module")
def body():
    return load_body(assets.BODY_FILE)


def held(height, **turns):
    """A pose held for some frames: the root's height and rotation vectors of some joints."""
    local = torch.zeros(FRAMES, len(SKELETON), 4, dtype=torch.float64)
    local[..., 3] = 1.0
    for name, vector in turns.items():
        local[:, NAMES.index(name)] = roma.rotvec_to_unitquat(torch.tensor(vector, dtype=torch.float64))
    root = torch.tensor([0.3, height, -0.2], dtype=torch.float64).repeat(FRAMES, 1)
    return SourceMotion(root, local)


def squat(depth=0.6):
    bend = {f"{side}_hip": [-depth, 0.0, 0.0] for side in ("left", "right")}
    bend |= {f"{side}_knee": [2 * depth, 0.0, 0.0] for side in ("left", "right")}
    bend |= {f"{side}_ankle": [-depth, 0.0, 0.0] for side in ("left", "right")}
    return held(0.9 - 0.83 * (1 - np.cos(depth)), **bend)


def posed(motion, body):
    """Joints (T, 52, 3), vertices (T, V, 3) and local rotations (T, 52, 3, 3) of the retargeted motion."""
    trans, poses = demo_retarget.retarget(motion, body)
    rotations = roma.rotvec_to_rotmat(poses.unflatten(-1, (52, 3))).float()
    arguments = trans.float()[None], rotations[None, :, 0], rotations[None, :, 1:22], torch.zeros(1, 16)
    joints, vertices = body.joints_and_vertices(*arguments, torch.arange(len(body.template)))
    return joints[0].numpy(), vertices[0].numpy(), rotations.numpy()


@pytest.mark.parametrize("motion", [held(0.88), squat(0.6), squat(0.9)], ids=["standing", "bent", "squatting"])
def test_both_soles_stand_on_the_floor(motion, body):
    _, vertices, _ = posed(motion, body)
    owner = body.weights.argmax(1).numpy()
    for foot in ((7, 10), (8, 11)):
        assert vertices[:, np.isin(owner, foot), 2].min() == pytest.approx(0.0, abs=0.005)


def test_standing_is_upright_with_hanging_arms(body):
    joints, _, _ = posed(held(0.88), body)
    head, pelvis, wrist, elbow, shoulder = (joints[0, j] for j in (15, 0, 20, 18, 16))
    assert head[2] - pelvis[2] > 0.55
    assert pelvis[2] > 0.85
    assert wrist[2] < elbow[2] < shoulder[2]
    assert np.linalg.norm((wrist - shoulder)[:2]) < 0.05


def test_left_stays_left_and_front_stays_front(body):
    joints, _, _ = posed(held(0.88), body)
    front = joints[0, 10] - joints[0, 7]  # toe before ankle
    left = joints[0, 1] - joints[0, 2]
    assert np.dot(np.cross(front, left), [0.0, 0.0, 1.0]) > 0


def test_knees_bend_as_much_as_the_character_s(body):
    joints, _, _ = posed(squat(0.6), body)
    thigh, shank = joints[0, 4] - joints[0, 1], joints[0, 7] - joints[0, 4]
    angle = np.arccos(thigh @ shank / np.linalg.norm(thigh) / np.linalg.norm(shank))
    assert angle == pytest.approx(1.2, abs=0.15)
    assert joints[0, 4, 1] < joints[0, 1, 1]  # towards the front, which is −y


def test_elbow_angle_is_kept(body):
    joints, _, _ = posed(held(0.88, left_elbow=[-1.0, 0.0, 0.0]), body)
    upper, lower = joints[0, 18] - joints[0, 16], joints[0, 20] - joints[0, 18]
    assert np.arccos(upper @ lower / np.linalg.norm(upper) / np.linalg.norm(lower)) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("lying", [[-np.pi / 2, 0.0, 0.0], [np.pi / 2, 0.0, 0.0]], ids=["back", "belly"])
def test_a_lying_body_lies_on_the_floor(lying, body):
    root = held(0.05, root=lying)
    standing = held(0.88)
    motion = SourceMotion(torch.cat((standing.root, root.root)), torch.cat((standing.local, root.local)))
    _, vertices, _ = posed(motion, body)
    trunk = np.isin(body.weights.argmax(1).numpy(), (0, 3, 6, 9, 12, 15))
    assert -0.03 < vertices[FRAMES + 4 :, trunk, 2].min() < 0.05


def test_hands_rest_on_the_floor_instead_of_reaching_through(body):
    forward = {f"{side}_hip": [-1.9, 0.0, 0.0] for side in ("left", "right")}
    _, vertices, _ = posed(held(0.88, root=[1.9, 0.0, 0.0], **forward, left_shoulder=[-1.9, 0.0, 0.0]), body)
    hand = np.isin(body.weights.argmax(1).numpy(), (20, 21))
    assert vertices[:, hand, 2].min() > -0.03


def test_hands_and_fingers_are_at_rest(body):
    _, poses = demo_retarget.retarget(squat(), body)
    assert poses.shape == (FRAMES, 156)
    assert not poses[:, 66:].any()
