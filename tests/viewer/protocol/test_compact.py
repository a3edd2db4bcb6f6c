"""Motions come back from a quarter of their memory: joints to 0.2 mm, turns to 0.01 degrees, half turns too."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes
from viewer.protocol.compact import packed, unpacked
from viewer.protocol.view_model import Motion
from viewer.worker.build_view import ViewBuilder


def size(motion: Motion) -> int:
    arrays = (getattr(motion, field.name) for field in fields(motion))
    return sum(array.nbytes for array in arrays if array is not None)


@pytest.mark.parametrize("modality, kind", [("joints3d", "3d"), ("joints2d", "rgb")])
def test_a_motion_comes_back(modality, kind):
    phases = schedule("humorscope", kind, num_iters=(1, 1, 1), lbfgs_max_iter=4)
    session = Session(fakes.problem(modality, frames=9, batch=2), schedule=phases)
    session.finish_stage()
    builder = ViewBuilder(session)
    motion = builder.motion(session.fit.trajectory())
    found = unpacked(packed(motion), builder.scene.body)
    np.testing.assert_allclose(found.joints, motion.joints, atol=2e-4)
    turn = np.einsum("...ij,...kj->...ik", found.rotations, motion.rotations)
    angle = np.arccos(np.clip((np.trace(turn, axis1=-2, axis2=-1) - 1) / 2, -1, 1))
    assert np.degrees(angle).max() < 0.05  # of which arccos of float32 makes up the most
    assert sum(array.nbytes for array in packed(motion).values()) < size(motion) / 4


def test_half_turns_and_contacts_come_back():
    body = ViewBuilder(Session(fakes.problem(frames=4), schedule=schedule(num_iters=(1, 0, 0)))).scene.body
    joints = len(body.parents)
    turns = np.tile(np.eye(3, dtype=np.float32), (1, 4, joints, 1, 1))
    turns[0, 1:4, 0] = [np.diag(d) for d in ((1, -1, -1), (-1, 1, -1), (-1, -1, 1))]
    contacts = np.linspace(0, 1, 4 * joints, dtype=np.float32).reshape(1, 4, joints)
    motion = Motion(
        trans=np.zeros((1, 4, 3), np.float32),
        rotations=turns,
        betas=np.zeros((1, 16), np.float32),
        joints=np.zeros((1, 4, joints, 3), np.float32),
        contacts=contacts,
    )
    found = unpacked(packed(motion), body)
    np.testing.assert_allclose(found.rotations, turns, atol=1e-4)
    np.testing.assert_allclose(found.contacts, contacts, atol=0.003)
