"""The floor under feet that stand: found before any camera, as sure as it says, and only where none was observed."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

import assets
from assets.build.demo.observe import Camera, View
from optim.evaluation.images import Views, picture
from optim.initialise.floor_from_feet import (
    STATED,
    angles_deg,
    feet_evidence,
    floor_metric,
    guess_floor,
    normal_of,
    on_found_floor,
    sole_vertices,
)
from optim.loading.clip import moved, trajectory
from optim.loading.demo import find_clip, read_demo
from optim.loading.models import find_body, load_body
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations
from optim.schedule.stages import schedule
from optim.session.edits import SetFloor
from optim.session.session import Session
from optim.split.batches import joined
from tests import fakes

VIEWS = [View(0.3, 4.0, 1.5, 0.9, 0.0), View(2.0, 3.0, 0.6, 1.1, 0.03), View(4.0, 5.0, 2.2, 0.7, -0.04)]


@pytest.fixture(scope="module")
def body():
    return load_body(find_body(assets.BODY_FOLDER))


def seen_from(name, view, body):
    """A demo clip's true motion before a camera, and the true floor there (4,), its normal up."""
    clip = read_demo(find_clip(name))
    motion = trajectory(clip.motion, slice(0, 60), body)
    camera = Camera.looking(view, middle=motion.joints[0, :, 0, :2].mean(0).numpy())
    frame = PriorFrame(torch.tensor(camera.R).float()[None], torch.tensor(camera.t).float()[None])
    return moved(motion, frame, body), camera.floor()


def tilt_deg(plane, truth):
    return np.degrees(np.arccos(np.clip(plane[:3] @ truth[:3], -1, 1)))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("name", "most_deg"), [("default_walk_turn", 2.0), ("dance", 7.0)])  # the dancer leans
def test_under_a_true_motion_it_is_the_true_floor(name, most_deg, view, body):
    motion, truth = seen_from(name, view, body)
    best = guess_floor(motion, body)[0]
    assert tilt_deg(best.plane, truth) < most_deg
    assert tilt_deg(best.plane, truth) < 4 * best.tilt_error_deg
    feet = motion.joints[0, :, [10, 11]].reshape(-1, 3).numpy().mean(0)  # the floor matters under the feet
    assert best.plane[:3] @ feet - best.plane[3] == pytest.approx(truth[:3] @ feet - truth[3], abs=0.02)


def test_who_is_balanced_tells_the_upward_direction_though_the_trunk_leans(body):
    motion, truth = seen_from("default_walk_turn", VIEWS[0], body)
    trunk = (motion.joints[0, :, 12] - motion.joints[0, :, [7, 8]].mean(1)).mean(0)
    lean = tilt_deg((trunk / trunk.norm()).numpy(), truth)
    upright = guess_floor(motion, body)[-1]
    assert upright.name == "upright body" and tilt_deg(upright.plane, truth) < 4.0 < 5.0 < lean


def test_every_guess_touches_the_feet(body):
    motion, _ = seen_from("default_walk_turn", VIEWS[2], body)
    ids = torch.tensor(sole_vertices(body)).reshape(-1)
    soles = body.joints_and_vertices(motion.trans, motion.root_orient, motion.pose_body, motion.betas, ids)[1].numpy()
    guesses = guess_floor(motion, body)
    assert [g.name for g in guesses] == ["feet, body and camera", "level camera", "upright body"]
    for guess in guesses:
        height = (soles @ guess.plane[:3] - guess.plane[3]).min(axis=-1)
        assert abs(np.percentile(height, 10)) < 0.12, guess.name
        assert guess.plane[1] < 0 and np.linalg.norm(guess.plane[:3]) == pytest.approx(1)


def test_who_lies_says_less_of_the_floor_than_who_stands(body):
    standing, _ = seen_from("default_walk_turn", VIEWS[0], body)
    lying, _ = seen_from("getup", VIEWS[0], body)
    first = replace(lying, **{n: getattr(lying, n)[:, :20] for n in ("trans", "root_orient", "pose_body", "joints")})
    sure, unsure = guess_floor(standing, body)[0], guess_floor(first, body)
    assert len(unsure) == 2  # there is no upright body to go by
    assert unsure[0].tilt_error_deg > sure.tilt_error_deg
    assert sure.confidence in ("good", "fair") and sure.confidence in str(sure)


def test_frames_in_which_nothing_is_seen_do_not_count(body):
    motion, _ = seen_from("default_walk_turn", VIEWS[0], body)
    spoilt = motion.trans.clone()
    spoilt[:, 40:, 1] += 3.0
    bad = replace(motion, trans=spoilt, joints=motion.joints + (spoilt - motion.trans)[:, :, None])
    seen = torch.arange(60)[None] < 40
    found, wanted = guess_floor(bad, body, seen=seen)[0], guess_floor(motion, body, seen=seen)[0]
    np.testing.assert_allclose(found.plane, wanted.plane, atol=1e-5)


def test_feet_that_were_not_seen_are_no_evidence(body):
    motion, truth = seen_from("default_walk_turn", VIEWS[0], body)
    none = torch.zeros(1, 60, 2, dtype=torch.bool)
    sure, unsure = guess_floor(motion, body)[0], guess_floor(motion, body, feet_seen=none)[0]
    assert "no foot was seen" in str(unsure) and unsure.confidence == "poor"
    assert unsure.height_error_m > 0.25 > 5 * sure.height_error_m
    assert unsure.tilt_error_deg > sure.tilt_error_deg
    spoilt = replace(motion, pose_body=motion.pose_body.clone())
    spoilt.pose_body[:, 30:, 6:8] = torch.linalg.matrix_exp(torch.tensor([[0.0, 0, 0], [0, 0, -0.6], [0, 0.6, 0]]))
    early = torch.arange(60)[None, :, None].expand(1, 60, 2) < 30
    found, wanted = (guess_floor(one, body, feet_seen=early)[0].plane for one in (spoilt, motion))
    np.testing.assert_allclose(found, wanted, atol=0.02)


def test_which_feet_were_seen_is_told_by_their_keypoints():
    seen = torch.ones(1, 6, 25, 3)
    seen[:, 2:, [14, 19, 20, 21], 2] = 0.0
    feet = feet_evidence(Observations(joints2d=seen))["feet_seen"]
    assert feet[0, :, 0].tolist() == [True, True] + [False] * 4 and feet[0, :, 1].all()
    assert "feet_seen" not in feet_evidence(Observations(points3d=torch.ones(1, 6, 9, 3)))


def test_angles_and_normals_are_the_same_thing():
    for pitch, roll in ((0, 0), (-12, 3), (25, -8)):
        normal = normal_of(pitch, roll)
        assert np.linalg.norm(normal) == pytest.approx(1)
        assert angles_deg(normal) == pytest.approx((pitch, roll))
    assert normal_of(0, 0).tolist() == [0, -1, 0]
    looking_down = Camera.looking(View(0, 4, 2, 0, 0), middle=np.zeros(2)).floor()
    assert angles_deg(looking_down)[0] == pytest.approx(-26.565, abs=0.01)


def test_soles_are_under_both_feet(body):
    template = body.template.numpy()
    left, right = sole_vertices(body)
    assert (template[left, 0] > 0).all() and (template[right, 0] < 0).all()
    assert np.ptp(template[left, 2]) > 0.15


def test_an_observed_floor_is_left_alone(body):
    motion, truth = seen_from("default_walk_turn", VIEWS[0], body)
    seen = Observations(joints2d=torch.ones(1, 60, 25, 3))
    problem = replace(
        fakes.problem("joints2d", batch=1, frames=6), observations=seen, floor=torch.tensor(truth[None]).float()
    )
    variables = {"floor_plane": problem.observed_floor}
    found, same = on_found_floor(problem, motion, variables)
    assert found.floor is problem.floor and same is variables
    assert found.floor_metric is not None and problem.floor_metric is None


def test_unrelated_clips_have_each_their_own_floor_and_parts_of_one_clip_share_it(body):
    motions = [seen_from("default_walk_turn", view, body)[0] for view in VIEWS[:2]]
    seen = Observations(joints2d=torch.ones(2, 60, 25, 3))
    problem = fakes.problem("joints2d", batch=2, frames=6)
    problem = replace(problem, observations=seen, body=body, floor_known=False, floor=problem.floor[:1].expand(2, 4))
    both = joined(motions)
    found, _ = on_found_floor(problem, both, {})
    for row, motion in zip(found.floor, motions, strict=True):
        alone = guess_floor(motion, body)[0].plane
        np.testing.assert_allclose(row, alone, atol=1e-5)
    one_clip = replace(problem, observations=replace(seen, seq_interval=torch.tensor([[0, 60], [60, 120]])))
    found, _ = on_found_floor(one_clip, both, {})
    assert torch.equal(found.floor[0], found.floor[1])


def test_a_depth_that_drifts_tilts_the_floor_less_where_depth_was_not_seen(body):
    motion, truth = seen_from("default_walk_turn", VIEWS[2], body)
    stretch = torch.linspace(0.94, 1.06, motion.trans.shape[1])[None, :, None]
    pelvis = body.rest_joints(motion.betas)[:, None, 0]
    trans = (motion.trans + pelvis) * stretch - pelvis
    joints = body.joints(trans, motion.root_orient, motion.pose_body, motion.betas)
    drifting = replace(motion, trans=trans, joints=joints)
    unseen, seen = (tilt_deg(guess_floor(drifting, body, depth_seen=one)[0].plane, truth[:3]) for one in (False, True))
    assert unseen < 4.0 and unseen < 0.9 * seen


@pytest.mark.parametrize("view", VIEWS)
def test_in_the_metric_of_a_floor_one_standard_deviation_is_5_cm(view, body):
    motion, truth = seen_from("default_walk_turn", view, body)
    spread = np.array([[9.0, 1.0, 0.01], [1.0, 4.0, 0.0], [0.01, 0.0, 0.0004]])
    under = motion.joints[0, :, [7, 8, 10, 11]].double().numpy().mean((0, 1))
    metric = floor_metric(truth, under, spread)
    below = under - (under @ truth[:3] - truth[3]) * truth[:3]
    pitch, roll = angles_deg(truth)
    for way in np.linalg.eigh(spread)[1].T:
        step = 1e-3 * way / np.sqrt(way @ np.linalg.inv(spread) @ way)
        normal = normal_of(pitch + step[0], roll + step[1])
        change = normal * (normal @ below + step[2]) - truth[:3] * truth[3]
        assert np.sqrt(change @ metric @ change) == pytest.approx(1e-3 * STATED, rel=2e-3)


def test_the_term_holds_a_floor_in_the_metric_that_is_stated(body):
    problem = replace(fakes.problem("joints2d", batch=2, frames=6), body=body)
    session = Session(problem, schedule=schedule("humorscope", "rgb", num_iters=(1, 1, 2), lbfgs_max_iter=2))
    session.finish_stage(), session.finish_stage()
    session.step_iteration()
    metric, now = session.problem.floor_metric, session.current
    away = now.variables["floor_plane"] - session.problem.observed_floor
    wanted = 0.5 * torch.einsum("bi,bij,bj->", away, metric, away)
    assert now.evaluation.terms["floor_reg"].raw == pytest.approx(float(wanted), rel=1e-5)
    set_by_hand = session.apply(SetFloor((0.1, -1.0, 0.0, -1.3)))
    assert not torch.equal(set_by_hand.floor_metric, metric)
    session.undo()
    assert torch.equal(session.problem.floor_metric, metric)


@pytest.mark.parametrize("roll", [0.0, 15.0, -28.0])
@pytest.mark.parametrize("pitch", [-5.0, -48.0])
def test_a_camera_that_is_tilted_is_found_tilted(pitch, roll, body):
    clip = read_demo(find_clip("default_walk_turn"))
    truth = trajectory(clip.motion, slice(0, 60), body)
    exact = Views(pitch=(pitch, pitch), roll=0.0)
    level = picture(truth, body, exact, generator=torch.Generator().manual_seed(1)).from_world
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    turn = torch.tensor([[[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]]).float()
    frame = PriorFrame(turn @ level.R_prior_input, (turn @ level.offset[..., None])[..., 0])
    up, motion = frame.R_prior_input[0, :, 2].numpy(), moved(truth, frame, body)
    assert tilt_deg(guess_floor(motion, body, depth_seen=True)[0].plane, up) < 4.0
    guess = guess_floor(motion, body)[0]
    assert tilt_deg(guess.plane, up) < min(5.0, 2.0 * guess.tilt_error_deg)


@pytest.mark.parametrize(("preset", "moves"), [("humorscope", True), ("reference", False)])
def test_an_assumed_floor_is_found_where_stage_3_begins(preset, moves, body, caplog):
    problem = replace(fakes.problem("joints2d", batch=2, frames=6), body=body, floor_known=False)
    of_one_clip = replace(problem.observations, seq_interval=torch.tensor([[0, 6], [6, 12]]))
    problem = replace(problem, observations=of_one_clip)
    session = Session(problem, schedule=schedule(preset, "rgb", num_iters=(1, 1, 3), lbfgs_max_iter=2))
    session.finish_stage()
    with caplog.at_level(logging.WARNING):
        session.finish_stage()
        session.step_iteration()
    assert session.current.stage == 3
    assert ("floor from the feet" in caplog.text) is moves
    now = session.problem.floor
    assert bool((now == problem.floor).all()) is not moves
    if moves:
        torch.testing.assert_close(now[0], now[1])
        start = session.fit.stage3_start.variables["floor_plane"]
        torch.testing.assert_close(start, now[:, :3] * now[:, 3:])
        session.rewind(0)
        assert bool((session.problem.floor == problem.floor).all())
