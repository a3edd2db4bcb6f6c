"""Sessions become views: frames of reference, floors, terms, history and what a restart needs."""

from __future__ import annotations

import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from optim.objective.objective import TermValue
from tests.viewer import fakes
from viewer.protocol.view_model import Status
from viewer.scene.skinning import Skinner
from viewer.worker.build_view import ViewBuilder
from viewer.worker.display import display_frame

STATUS = Status(state="paused", phase=0, step=0, iteration=0, total_iterations=0, progress=0.0, loss=1.0)


def view_of(session: fakes.FakeSession):
    return ViewBuilder(session).view(session.current, STATUS)


def test_world_data_is_shown_as_it_is():
    session = fakes.FakeSession()
    view = view_of(session)
    np.testing.assert_allclose(view.motion.joints, session.trajectory().joints, atol=1e-6)
    np.testing.assert_allclose(view.motion.trans, session.trajectory().trans, atol=1e-6)
    np.testing.assert_allclose(view.floors, [[0, 0, 1, 0]])


def test_camera_data_stands_upright_on_the_floor():
    session = fakes.FakeSession(problem=fakes.make_problem(camera=True))
    view = view_of(session)
    np.testing.assert_allclose(view.floors, [[0, 0, 1, 0]], atol=1e-6)
    lowest, highest = view.motion.joints[..., 2].min(), view.motion.joints[..., 2].max()
    assert -0.1 < lowest < 0.2 and 1.4 < highest < 1.9
    np.testing.assert_allclose(view.scene.camera.t_display_camera, [0, 0, 1])


@pytest.mark.parametrize("floor", [(0.0, -1.0, 0.0, -0.5), (0.1, -0.9, -0.3, -1.2), (-0.1, 0.95, 0.3, 1.0)])
def test_display_frame_puts_the_floor_at_zero(floor):
    plane = np.array(floor) / np.linalg.norm(floor[:3])
    frame = display_frame(plane)
    side = np.cross(plane[:3], [0.3, 0.2, 0.9])
    on_floor = plane[3] * plane[:3] + np.array([[0.0], [1.3], [-2.0]]) * side
    np.testing.assert_allclose(frame.points(on_floor)[:, 2], 0, atol=1e-6)
    assert frame.points(np.zeros(3))[2] > 0  # the camera is above it
    np.testing.assert_allclose(frame.planes(plane[None]), [[0, 0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(frame.R_display_input @ frame.R_display_input.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(frame.R_display_input) == pytest.approx(1)


def test_skinned_mesh_follows_the_joints_in_the_display_frame():
    session = fakes.FakeSession(problem=fakes.make_problem(camera=True))
    view = view_of(session)
    vertices = Skinner(view.scene.body).vertices(view.motion, 0, 7)
    head = view.motion.joints[0, 7, 15]
    assert np.linalg.norm(vertices - head, axis=1).min() < 0.12


def test_missing_observations_are_nan():
    seen = view_of(fakes.FakeSession()).scene.observed.joints3d
    assert np.isnan(seen[0, 12, 7]).all()
    assert np.isfinite(seen[0, 12, 0]).all()
    keypoints = view_of(fakes.FakeSession(problem=fakes.make_problem(camera=True))).scene.observed.joints2d
    assert np.isnan(keypoints[0, 6]).all()


def test_terms_are_those_the_data_can_feed():
    names = {term.name for term in view_of(fakes.FakeSession()).scene.terms}
    assert {"joints3d", "motion_prior", "contact_vel"} <= names
    assert not names & {"joints2d", "points3d", "floor_reg", "rgb_overlap_consist"}
    camera = fakes.FakeSession(problem=fakes.make_problem(camera=True))
    assert {"joints2d", "floor_reg"} <= {term.name for term in view_of(camera).scene.terms}


def test_terms_under_one_weight_are_added_up():
    session = fakes.FakeSession()
    session.problem.observations.seq_interval = np.array([[0, 40], [30, 70]])
    session.problem.batch, session.problem.offers = 2, session.problem.offers | {"overlap"}
    values = {
        "rgb_overlap_consist_betas": TermValue(2.0, 20.0, None),
        "rgb_overlap_consist_verts3d_pos": TermValue(3.0, 30.0, None),
    }
    builder = ViewBuilder(session)
    evaluation = SimpleNamespace(total=50.0, terms=values, gradient_norm={})
    view = builder.view(replace(session.current, evaluation=evaluation), STATUS)
    row = [term.name for term in view.scene.terms].index("rgb_overlap_consist")
    assert (view.raw[row], view.weighted[row]) == (5.0, 50.0)
    assert view.scene.starts == (0, 30)
    assert view.scene.clip_frames == 70


def test_history_grows_and_branches():
    session = fakes.FakeSession()
    builder = ViewBuilder(session)
    for _ in range(5):
        session.step_iteration()
    first = builder.view(session.current, STATUS).history
    session.rewind(2)
    for _ in range(300):
        session.step_iteration()
    second = builder.view(session.current, STATUS).history
    assert len(first.ids) == 6
    assert second.branch[:4].tolist() == [0, 1, 2, 6]
    assert second.row_of(session.current.id) == len(second.ids) - 1
    np.testing.assert_array_equal(second.total[:6], first.total)
    assert second.total[-1] == pytest.approx(session.current.evaluation.total)


def test_drift_appears_with_stage_3():
    session = fakes.FakeSession()
    builder = ViewBuilder(session)
    assert builder.view(session.current, STATUS).drift is None
    while session.current.stage < 3:
        session.step_iteration()
    drift = builder.view(session.current, STATUS).drift
    gap = np.linalg.norm(drift.initial.joints[:, :, 0] - drift.stage2.joints[:, :, 0], axis=-1)
    np.testing.assert_allclose(drift.root_cm, 100 * gap, atol=1e-3)
    assert builder.view(session.current, STATUS).drift is drift


def test_views_travel_without_their_scene():
    view = view_of(fakes.FakeSession())
    scene, rest = pickle.dumps(view.scene), pickle.dumps(view)
    assert len(rest) < len(scene)
    copy = replace(pickle.loads(rest), scene=pickle.loads(scene))
    np.testing.assert_array_equal(copy.motion.joints, view.motion.joints)


def test_the_gap_of_multiple_shooting_has_a_row_where_the_schedule_has_segments():
    def rows(session: fakes.FakeSession) -> set[str]:
        return {term.name for term in view_of(session).scene.terms}

    plain = fakes.FakeSession()
    segmented = fakes.FakeSession(schedule=tuple(replace(p, segment=10) for p in plain.schedule))
    assert rows(segmented) == rows(plain) | {"shooting_gap"}
