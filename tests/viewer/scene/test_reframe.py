"""The scene in another frame is the same scene: distances, images and skinned bodies agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.viewer import fakes
from tests.viewer.conftest import fit
from viewer.layers.camera import image_points
from viewer.protocol.findings import Futures, JointPull
from viewer.protocol.view_model import Analysis, Status
from viewer.scene.reframe import Reframer, Rigid, moved, rigid_to
from viewer.scene.skinning import Skinner
from viewer.worker.build_view import ViewBuilder

STATUS = Status(state="paused", phase=0, step=0, iteration=0, total_iterations=0, progress=0.0, loss=1.0)


@pytest.fixture(scope="module")
def view():
    session = fit("joints2d", "joints3d", batch=2)
    for _ in range(2):
        session.finish_stage()
    session.step_iteration()
    session.step_iteration()
    return ViewBuilder(session).view(session.current, STATUS)


@pytest.mark.parametrize("frame", ["prior", "camera"])
def test_bodies_move_as_rigid_wholes(view, frame):
    there, rigid = Reframer()(view, frame), rigid_to(view, frame)
    skinner = Skinner(view.scene.body)
    for b in range(2):
        expected = rigid.points(skinner.vertices(view.motion, b, 3))
        np.testing.assert_allclose(skinner.vertices(there.motion, b, 3), expected, atol=1e-4)
    np.testing.assert_allclose(there.motion.joints, rigid.points(view.motion.joints), atol=1e-5)
    np.testing.assert_allclose(there.regressed, rigid.points(view.regressed), atol=1e-5)
    assert there.motion.contacts is view.motion.contacts


@pytest.mark.parametrize("frame", ["prior", "camera"])
def test_the_camera_sees_the_same(view, frame):
    there = Reframer()(view, frame)
    before = image_points(view.scene.camera, view.motion.joints[1, 2])
    after = image_points(there.scene.camera, there.motion.joints[1, 2])
    np.testing.assert_allclose(after, before, atol=0.05)


@pytest.mark.parametrize("frame", ["prior", "camera"])
def test_points_keep_their_height_above_the_floor(view, frame):
    there = Reframer()(view, frame)

    def heights(shown):
        return np.einsum("btjc,bc->btj", shown.motion.joints, shown.floors[:, :3]) - shown.floors[:, 3, None, None]

    np.testing.assert_allclose(heights(there), heights(view), atol=1e-4)


def test_the_camera_is_the_origin_of_its_own_frame(view):
    there = Reframer()(view, "camera")
    np.testing.assert_allclose(there.scene.camera.t_display_camera, 0, atol=1e-5)
    np.testing.assert_allclose(there.scene.camera.R_display_camera, np.eye(3), atol=1e-5)
    assert there.up == (0.0, -1.0, 0.0)
    assert (there.floors[:, 1] < 0).all()  # its normal still points up: y is down


def test_the_prior_frame_stands_on_the_estimated_floor(view):
    there = Reframer()(view, "prior")
    np.testing.assert_allclose(there.floors[0], [0, 0, 1, 0], atol=1e-4)
    np.testing.assert_allclose(there.prior_frames[0], np.eye(4), atol=1e-4)
    assert there.prior_frames.shape == (2, 4, 4)


def test_the_world_is_as_it_comes_and_data_without_a_camera_has_no_camera_frame(view):
    assert Reframer()(view, "world") is view
    session = fakes.PacedSession()
    plain = ViewBuilder(session).view(session.current, STATUS)
    assert Reframer()(plain, "camera") is plain


def test_what_does_not_change_is_moved_once(view):
    reframe = Reframer()
    first, again = reframe(view, "camera"), reframe(view, "camera")
    assert first.scene is again.scene
    assert first.motion is again.motion


def test_answers_move_too(view):
    pull = JointPull(term="joints3d", vectors=np.ones((2, 8, 22, 3), np.float32))
    samples = Futures(frame=2, sequences=(0,), motions=(view.motion,))
    answers = {
        name: Analysis(kind=name, options=(), snapshot=view.shown, seconds=0.0, value=value)
        for name, value in (("joint_pull", pull), ("futures", samples))
    }
    there, rigid = Reframer()(replace(view, analyses=answers), "camera"), rigid_to(view, "camera")
    np.testing.assert_allclose(there.analyses["joint_pull"].value.vectors, rigid.vectors(pull.vectors), atol=1e-6)
    moved_joints = there.analyses["futures"].value.motions[0].joints
    np.testing.assert_allclose(moved_joints, rigid.points(view.motion.joints), atol=1e-5)


def test_there_and_back(view):
    rigid = rigid_to(view, "prior")
    again = moved(moved(view.motion, rigid, view.scene.body), rigid.inverse, view.scene.body)
    np.testing.assert_allclose(again.trans, view.motion.trans, atol=1e-5)
    np.testing.assert_allclose(again.rotations, view.motion.rotations, atol=1e-5)
    both = Rigid(rigid.R.T, -rigid.R.T @ rigid.t)
    np.testing.assert_allclose(both.matrix @ rigid.matrix, np.eye(4), atol=1e-5)
