"""Disagreements that are planted are found with their size and in their place."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from optim.checks.contradictions import JUMP, TRUSTED
from optim.common.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from optim.diagnostics.agreement import PREVIOUS, angle_deg, joint_agreement, overlap_disagreement, reprojection
from optim.diagnostics.quantities import PAIR
from optim.objective.objective import Objective
from optim.objective.prediction import Parts, body_points
from optim.problem.camera import IGNORED_KEYPOINTS
from optim.problem.observations import PreviousBatch
from optim.problem.problem import Problem
from optim.schedule.stages import schedule
from optim.sensitivity.figures import figures_of
from optim.session.session import Session
from tests import fakes

FRAMES = 8


def session_of(problem: Problem) -> Session:
    return Session(problem, schedule=schedule("humorscope", "rgb", num_iters=(1, 1, 1), lbfgs_max_iter=2))


def test_regressed_joints_are_those_of_the_loss(seen_in_3d):
    """½ Σ d² is the raw consistency term."""
    distance = joint_agreement(seen_in_3d.fit).distance_cm
    assert distance.shape == (2, 6, 22)
    np.testing.assert_allclose(distance[:, 0], 0.0, atol=1e-4)
    term = seen_in_3d.current.evaluation.terms["joint_consistency"].raw
    assert 0.5 * np.square(distance / 100).sum() == pytest.approx(term, rel=1e-4)
    assert joint_agreement(seen_in_3d.fit, seen_in_3d.history[0]) is None


def overlapping(*, previous: bool = False) -> Session:
    """Two sub-sequences that share frames 5 to 7 of a video, fitted by bodies that stand still in the same place."""
    problem = fakes.problem("joints2d", batch=2, frames=FRAMES)
    before = None
    if previous:
        before = PreviousBatch((-4, 2), torch.zeros(6, 43, 3), torch.zeros(16), torch.tensor([0.0, -1.0, 0.0, -1.0]))
    seen = replace(problem.observations, seq_interval=torch.tensor([[0, 8], [5, 13]]), previous=before)
    return session_of(replace(problem, observations=seen))


def edited(session: Session, **variables):
    still = {"trans": torch.tensor([0.0, 0.0, 3.0]).expand(2, FRAMES, 3).clone(), "betas": torch.zeros(2, 16)}
    still["floor_plane"] = torch.tensor([[0.0, -1.0, 0.0], [0.0, -1.0, 0.0]])
    return replace(session.current, variables=session.current.variables | still | variables)


def test_neighbours_that_agree():
    session = overlapping()
    (found,) = overlap_disagreement(session.fit, edited(session))
    assert found.before == 0 and found.frames.tolist() == [5, 6, 7]
    assert found.position_cm.shape == (3,) and found.velocity_cm.shape == (2,)
    for value in (found.position_cm, found.velocity_cm, found.betas, found.floor_angle_deg, found.floor_offset_cm):
        np.testing.assert_allclose(value, 0.0, atol=1e-4)


def test_the_curves_of_a_pair_have_the_planted_sizes():
    """In the camera's frame up is −y; the later one is moved by 4 cm along and 3 cm down, turned by 20°."""
    session = overlapping()
    trans = torch.tensor([0.0, 0.0, 3.0]).expand(2, FRAMES, 3).clone()
    trans[1] += torch.tensor([0.04, 0.03, 0.0])
    upright = torch.tensor([np.pi, 0.0, 0.0]).expand(2, FRAMES, 3).clone()
    floor = torch.tensor([[0.0, -1.0, 0.0], [0.0, -1.1, 0.0]])
    (found,) = overlap_disagreement(session.fit, edited(session, trans=trans, root_orient=upright, floor_plane=floor))
    curves = found.curves
    assert set(curves) == set(PAIR) and all(values.shape == (3,) for values in curves.values())
    for name in ("pair_root_cm", "pair_joints_cm"):
        np.testing.assert_allclose(curves[name], 5.0, atol=0.01, err_msg=name)
    np.testing.assert_allclose(curves["pair_heading_deg"], 0.0, atol=0.01)
    up = session.current.variables["floor_plane"][0] / -session.current.variables["floor_plane"][0].norm()
    up = -up if up[1] > 0 else up
    np.testing.assert_allclose(curves["pair_foot_cm"], 100 * float(torch.tensor([0.04, 0.03, 0.0]) @ up), atol=0.01)
    np.testing.assert_allclose(curves["pair_floor_cm"], -10.0, atol=0.01)  # farther below the camera
    turn = axis_angle_to_matrix(torch.tensor([0.0, np.deg2rad(-20.0), 0.0]).float())  # about up, to the left
    turned = matrix_to_axis_angle(turn @ axis_angle_to_matrix(upright[1]))
    turned = torch.stack((upright[0], turned))
    (found,) = overlap_disagreement(session.fit, edited(session, root_orient=turned))
    np.testing.assert_allclose(found.curves["pair_heading_deg"], 20.0, atol=0.01)


def test_planted_disagreements_of_neighbours():
    session = overlapping()
    trans = torch.tensor([0.0, 0.0, 3.0]).expand(2, FRAMES, 3).clone()
    trans[1] += torch.tensor([0.0, 0.03, 0.04])
    trans[1, :, 0] += 0.01 * torch.arange(FRAMES)
    tilted = axis_angle_to_matrix(torch.tensor([np.deg2rad(5.0), 0.0, 0.0])).float() @ torch.tensor([0.0, -1.0, 0.0])
    floor = torch.stack((torch.tensor([0.0, -1.0, 0.0]), 1.2 * tilted))
    snapshot = edited(session, trans=trans, floor_plane=floor)
    (found,) = overlap_disagreement(session.fit, snapshot)
    np.testing.assert_allclose(found.position_cm, np.hypot(5.0, np.arange(3)), rtol=1e-4)
    np.testing.assert_allclose(found.velocity_cm, 1.0, rtol=1e-4)
    assert found.floor_angle_deg == pytest.approx(5.0, abs=1e-3)
    depth = float(session.fit.trajectory(snapshot).joints[0, -3:, 0, 2].mean())
    height = 1.0 - (1.2 + np.sin(np.deg2rad(5.0)) * depth) / np.cos(np.deg2rad(5.0))  # of floors at y = −1, −1.2, …
    assert found.floor_offset_cm == pytest.approx(100.0 * height, abs=0.01)
    betas = torch.zeros(2, 16)
    betas[1, :2] = torch.tensor([3.0, 4.0])
    (found,) = overlap_disagreement(session.fit, edited(session, betas=betas))
    assert found.betas == pytest.approx(5.0)


def test_against_the_batch_before():
    session = overlapping(previous=True)
    snapshot = edited(session)
    mine = body_points(
        session.problem,
        snapshot.variables["trans"],
        session.fit.prediction(snapshot).root_orient,
        session.fit.prediction(snapshot).pose_body,
        snapshot.variables["betas"],
        Parts(verts3d=True),
    ).verts3d
    old = session.problem.observations.previous.verts3d
    old[-2:] = mine[0, :2] + torch.tensor([0.0, 0.07, 0.0])
    first, second = overlap_disagreement(session.fit, snapshot)
    assert (first.before, second.before) == (PREVIOUS, 0)
    assert first.frames.tolist() == [0, 1]
    np.testing.assert_allclose(first.position_cm, 7.0, rtol=1e-4)
    np.testing.assert_allclose(first.velocity_cm, 0.0, atol=1e-4)
    assert first.floor_offset_cm == pytest.approx(200.0, abs=1e-3)


def test_one_clip_overlaps_with_nothing(seen_in_3d):
    assert overlap_disagreement(seen_in_3d.fit) == ()


def test_reprojection_finds_planted_errors():
    problem = fakes.problem("joints2d", batch=2, frames=FRAMES)
    session = session_of(problem)
    motion, variables = session.fit.trajectory(), session.current.variables
    parts = Parts(keypoints=True)
    points = body_points(problem, motion.trans, motion.root_orient, motion.pose_body, variables["betas"], parts)
    seen = torch.cat((problem.camera.project(points.keypoints), torch.full((2, FRAMES, 25, 1), 0.8)), dim=-1)
    seen[1, 2, 4, :2] += torch.tensor([3.0, 4.0])
    seen[0, 1, 7, 2] = 0.0
    seen[0, 3, :, 2] = 0.0
    observed = replace(problem.observations, joints2d=seen)
    found = reprojection(session.fit, replace(session.current, observations=observed))
    assert found.error_px[1, 2, 4] == pytest.approx(5.0, abs=1e-2)
    assert np.isnan(found.error_px[0, 1, 7]) and np.isnan(found.error_px[0, 3]).all()
    assert np.isnan(found.error_px).sum() == 26
    rest = found.error_px.copy()
    rest[1, 2, 4] = 0.0
    assert np.nanmax(rest) < 0.01
    assert not found.used[..., list(IGNORED_KEYPOINTS)].any() and found.used.sum() == 2 * FRAMES * 22 - 1 - 22
    assert found.mean_px[1, 2] == pytest.approx(5.0 / 22, abs=1e-2)
    assert np.isnan(found.mean_px[0, 3]) and np.isfinite(found.mean_px).sum() == 2 * FRAMES - 1


def test_figures_do_not_count_doubted_keypoints():
    """They are what a fit of the same keypoints without the doubted ones has, at the same variables."""
    session = session_of(fakes.problem("joints2d", frames=FRAMES))
    seen, here = session.problem.observations, session.current
    doubted = torch.zeros(1, FRAMES, 25, dtype=torch.bool)
    doubted[0, 2:4, 4] = doubted[0, 3, 7] = True
    spoilt, without = seen.joints2d.clone(), seen.joints2d.clone()
    spoilt[..., :2][doubted] += 300.0
    without[..., 2][doubted] = 0.0
    ways = [
        replace(seen, joints2d=spoilt, doubts=torch.where(doubted, JUMP, TRUSTED).to(torch.int8)),
        replace(seen, joints2d=without),
        replace(seen, joints2d=spoilt),
    ]
    told, expected, trusted = (reprojection(session.fit, replace(here, observations=way)).mean_px for way in ways)
    np.testing.assert_allclose(told, expected, rtol=1e-6)
    assert (trusted > told + 5.0).tolist() == [[frame in (2, 3) for frame in range(FRAMES)]]
    prediction = Objective(session.problem, here.schedule[0], here.prior_frame).predict(here.variables)
    told, expected, trusted = (
        float(figures_of(replace(session.problem, observations=way), prediction, None)["observed_px"](prediction))
        for way in ways
    )
    assert told == pytest.approx(expected, rel=1e-6) and trusted > told + 2.0


def test_no_keypoints_no_reprojection(seen_in_3d):
    assert reprojection(seen_in_3d.fit) is None


def test_small_angles_are_exact():
    a = torch.tensor([0.0, 0.0, 2.0])
    for angle in (0.0, 1e-3, 45.0, 180.0):
        b = torch.tensor([np.sin(np.deg2rad(angle)), 0.0, np.cos(np.deg2rad(angle))], dtype=torch.float32)
        assert float(angle_deg(a, b)) == pytest.approx(angle, rel=1e-4, abs=1e-6)
