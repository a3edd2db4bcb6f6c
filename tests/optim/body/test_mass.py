"""The centre of mass moves with the body, lies in its plane of symmetry, and moves by the share of what moves."""

from __future__ import annotations

import numpy as np
import pytest

from optim.body.joints import JOINT_NAMES, MIRRORED_JOINTS
from optim.body.mass import SEGMENTS, centre_of_mass


@pytest.fixture
def joints():
    return np.random.default_rng(0).normal(size=(5, 22, 3))


def test_it_turns_and_moves_with_the_body(joints):
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    moved = joints @ turn.T + (1.0, -2.0, 3.0)
    np.testing.assert_allclose(centre_of_mass(moved), centre_of_mass(joints) @ turn.T + (1.0, -2.0, 3.0), atol=1e-12)


def test_a_symmetric_body_has_it_in_the_middle(joints):
    mirrored = joints[:, list(MIRRORED_JOINTS)] * (-1.0, 1.0, 1.0)
    np.testing.assert_allclose(centre_of_mass((joints + mirrored) / 2)[:, 0], 0.0, atol=1e-12)


def test_a_hand_moves_it_by_the_share_of_the_forearm(joints):
    raised = joints.copy()
    raised[:, JOINT_NAMES.index("left_wrist"), 2] += 1.0
    total = sum(mass for *_, mass, _ in SEGMENTS)
    ((mass, where),) = [(mass, where) for _, b, mass, where in SEGMENTS if b == "left_wrist"]
    np.testing.assert_allclose((centre_of_mass(raised) - centre_of_mass(joints))[:, 2], mass / total * where)
