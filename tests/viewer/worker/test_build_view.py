"""Sessions become views: frames of reference, floors, terms, history and what a restart needs."""

from __future__ import annotations

import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from optim.objective.objective import TermValue
from optim.schedule.stages import schedule
from optim.session.edits import SetSteps
from optim.session.session import Session
from tests.viewer import fakes
from tests.viewer.conftest import fit
from viewer.protocol.view_model import Status
from viewer.scene.skinning import Skinner
from viewer.worker.build_view import ViewBuilder
from viewer.worker.display import display_frame

STATUS = Status(state="paused", phase=0, step=0, iteration=0, total_iterations=0, progress=0.0, loss=1.0)


def view_of(session: Session):
    return ViewBuilder(session).view(session.current, STATUS)


def test_world_data_is_shown_as_it_is():
    session = fakes.PacedSession()
    view = view_of(session)
    np.testing.assert_allclose(view.motion.joints, session.fit.trajectory().joints, atol=1e-6)
    np.testing.assert_allclose(view.motion.trans, session.fit.trajectory().trans, atol=1e-6)
    np.testing.assert_allclose(view.floors, [[0, 0, 1, 0]])


def test_camera_data_stands_upright_on_the_floor():
    session = fakes.PacedSession(fakes.make_problem(camera=True))
    view = view_of(session)
    np.testing.assert_allclose(view.floors, [[0, 0, 1, 0]], atol=1e-5)
    heights = view.scene.ground_truth.joints[..., 2]
    assert -0.1 < heights.min() < 0.2 and 1.4 < heights.max() < 1.9
    height = -float(session.problem.floor[0, 3])  # of the camera above the floor, whose normal has length 1
    np.testing.assert_allclose(view.scene.camera.t_display_camera, [0, 0, height], rtol=1e-6)


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
    session = fakes.PacedSession(fakes.make_problem(camera=True))
    view = view_of(session)
    vertices = Skinner(view.scene.body).vertices(view.motion, 0, 7)
    head = view.motion.joints[0, 7, 15]
    assert np.linalg.norm(vertices - head, axis=1).min() < 0.12


def test_missing_observations_are_nan():
    seen = view_of(fakes.PacedSession()).scene.observed.joints3d
    assert np.isnan(seen[:, fakes.GAP][:, :, fakes.GAP_JOINTS]).all()
    assert np.isfinite(seen[:, fakes.GAP, 0]).all() and np.isfinite(seen[:, : fakes.GAP.start]).all()
    keypoints = view_of(fakes.PacedSession(fakes.make_problem(camera=True))).scene.observed.joints2d
    assert np.isnan(keypoints[:, fakes.GAP]).all()


def test_terms_are_those_the_data_can_feed():
    names = {term.name for term in view_of(fakes.PacedSession()).scene.terms}
    assert {"joints3d", "motion_prior", "contact_vel"} <= names
    assert not names & {"joints2d", "points3d", "floor_reg", "rgb_overlap_consist"}
    camera = fakes.PacedSession(fakes.make_problem(camera=True))
    assert {"joints2d", "floor_reg"} <= {term.name for term in view_of(camera).scene.terms}


def test_terms_under_one_weight_are_added_up():
    session = fit(batch=2, frames=8, overlap=3)
    values = {
        "rgb_overlap_consist_betas": TermValue(2.0, 20.0, None),
        "rgb_overlap_consist_verts3d_pos": TermValue(3.0, 30.0, None),
    }
    builder = ViewBuilder(session)
    evaluation = SimpleNamespace(total=50.0, terms=values, gradient_norm={})
    view = builder.view(replace(session.current, evaluation=evaluation), STATUS)
    row = [term.name for term in view.scene.terms].index("rgb_overlap_consist")
    assert (view.raw[row], view.weighted[row]) == (5.0, 50.0)
    assert view.scene.starts == (0, 5)
    assert view.scene.clip_frames == 13


def test_history_grows_and_branches():
    session = fakes.PacedSession()
    builder = ViewBuilder(session)
    for _ in range(5):
        session.step_iteration()
    first = builder.view(session.current, STATUS).history
    session.rewind(2)
    for count in range(299):  # none of them evaluates anything
        session.apply(SetSteps(count, phase=1))
    session.step_iteration()
    second = builder.view(session.current, STATUS).history
    assert len(first.ids) == 6
    assert second.branch[:4].tolist() == [0, 1, 2, 6]
    assert second.row_of(session.current.id) == len(second.ids) - 1
    np.testing.assert_array_equal(second.total[:6], first.total)
    assert second.total[-1] == pytest.approx(session.current.evaluation.total)


def test_drift_appears_with_stage_3():
    session = fakes.PacedSession()
    builder = ViewBuilder(session)
    assert builder.view(session.current, STATUS).drift is None
    while session.current.stage < 3:
        session.step_iteration()
    drift = builder.view(session.current, STATUS).drift
    gap = np.linalg.norm(drift.initial.joints[:, :, 0] - drift.stage2.joints[:, :, 0], axis=-1)
    np.testing.assert_allclose(drift.root_cm, 100 * gap, atol=1e-3)
    assert builder.view(session.current, STATUS).drift is drift


def test_views_travel_without_their_scene():
    view = view_of(fakes.PacedSession())
    scene, rest = pickle.dumps(view.scene), pickle.dumps(view)
    assert len(rest) < len(scene)
    copy = replace(pickle.loads(rest), scene=pickle.loads(scene))
    np.testing.assert_array_equal(copy.motion.joints, view.motion.joints)


def test_the_gap_of_multiple_shooting_has_a_row_where_the_schedule_has_segments():
    def rows(session: Session) -> set[str]:
        return {term.name for term in view_of(session).scene.terms}

    plain = fit()
    segmented = Session(plain.problem, schedule=schedule("shooting"))
    assert rows(segmented) == rows(plain) | {"shooting_gap"}
