"""Start values: rigid fits, gaps, the way into stage 3; then whole fits that recover the truth."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.checks.contradictions import JUMP
from optim.common.rotations import axis_angle_to_matrix, geodesic_angle
from optim.initialise.initialisation import enter_stage_3, initial_variables
from optim.problem.missing_frames import fill_missing, fill_missing_rotations
from optim.problem.observations import Observations
from optim.problem.variables import root_matrix
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes

OURS = PRESETS["humorscope"]


def test_gaps_are_filled_in_time():
    known = torch.tensor([[False, True, False, False, True, False], [False] * 6, [True] * 6])
    values = torch.arange(6.0).expand(3, 6)[..., None] ** 2
    spoilt = torch.where(known[..., None], values, torch.full_like(values, 99.0))
    filled = fill_missing(spoilt, known)
    assert filled[0, :, 0].tolist() == [1.0, 1.0, 6.0, 11.0, 16.0, 16.0]
    assert torch.equal(filled[2], values[2])
    angle = torch.tensor([9.0, 0.1, 9.0, 9.0, 0.4, 9.0])
    turns = axis_angle_to_matrix(torch.stack((angle, angle * 0, angle * 0), dim=-1)).expand(3, 6, 3, 3)
    expected = torch.tensor([0.1, 0.1, 0.2, 0.3, 0.4, 0.4])
    back = fill_missing_rotations(turns, known)[0]
    wanted = axis_angle_to_matrix(torch.stack((expected, expected * 0, expected * 0), dim=-1))
    assert float(geodesic_angle(back, wanted).max()) < 1e-3


@pytest.mark.parametrize("modality", ["joints3d", "verts3d"])
@pytest.mark.parametrize("gap", [slice(0, 0), slice(0, 2), slice(3, 5), slice(6, None)])
def test_aligned_start_is_near_the_body_whatever_is_missing(modality, gap):
    problem = fakes.problem(modality, frames=8)
    truth = initial_variables(problem, OURS)
    hidden = fakes.hide(getattr(problem.observations, modality), (slice(None), gap))
    found = initial_variables(replace(problem, observations=Observations(**{modality: hidden})), OURS)
    assert float((found["trans"] - truth["trans"]).norm(dim=-1).max()) < 0.25
    turn = geodesic_angle(root_matrix(found["root_orient"]), root_matrix(truth["root_orient"]))
    assert float(turn.max()) < 0.3
    true_root = fakes.motion(fakes.np.random.RandomState(0), 1, 8, camera=False)[1].float()
    assert float(geodesic_angle(root_matrix(truth["root_orient"]), true_root).max()) < 0.7, (
        "the spine bends, so not nearer"
    )


def test_the_first_depth_does_not_follow_doubted_keypoints():
    """A jump lengthens bones in the frame that tells the depth. Where most are doubted, they count all the same."""
    problem = fakes.problem("joints2d", frames=4)
    seen, codes = problem.observations, torch.zeros(1, 4, 25, dtype=torch.int8)
    spoilt = seen.joints2d.clone()
    spoilt[:, 0, 4, :2] += 900.0
    codes[:, 0, 4] = JUMP

    def depth(**observed):
        found = initial_variables(replace(problem, observations=replace(seen, **observed)), OURS)
        return float(found["trans"][0, 0, 2])

    other_frame = depth(joints2d=seen.joints2d[:, [1, 1, 2, 3]])
    assert depth(joints2d=spoilt) < 0.8 * other_frame
    assert depth(joints2d=spoilt, doubts=codes) == other_frame
    assert depth(doubts=torch.full_like(codes, JUMP)) == depth()


def test_start_without_enough_points_is_the_published_one():
    problem = fakes.problem("joints3d", frames=4)
    few = fakes.hide(problem.observations.joints3d, (slice(None), slice(None), slice(0, 20)))
    found = initial_variables(replace(problem, observations=Observations(joints3d=few)), OURS)
    rest = initial_variables(problem, PRESETS["reference"])
    assert torch.equal(found["root_orient"], rest["root_orient"])
    assert rest["root_orient"][0, 0].tolist() == pytest.approx([torch.pi, 0.0, 0.0])


def test_historical_velocities_differ_only_where_they_should():
    problem = fakes.problem("joints2d", frames=6)
    free = fakes.variables(problem, schedule("reference", "rgb")[1])
    fixed, _ = enter_stage_3(problem, free, PRESETS["reference"])
    faulty, _ = enter_stage_3(problem, free, replace(PRESETS["reference"], velocities="camera"))
    differ = {name for name in fixed if not torch.equal(fixed[name], faulty[name])}
    assert differ == {"trans_vel", "joints_vel", "root_orient_vel"}


def test_stages_1_and_2_recover_the_joints():
    problem, truth = fakes.recoverable("joints3d")
    session = Session(
        problem, schedule=schedule("humorscope", "3d", num_iters=(5, 20, 0), weights={"joints3d_smooth": (0, 0, 0)})
    )
    session.run()
    error = (session.fit.trajectory().joints - truth).norm(dim=-1)
    assert float(error.mean()) < 0.01 and float(error.max()) < 0.03


def test_a_gap_in_the_middle_is_bridged():
    problem, truth = fakes.recoverable("joints3d")
    hidden = fakes.hide(problem.observations.joints3d, (slice(None), slice(5, 8)))
    problem = replace(problem, observations=Observations(joints3d=hidden))
    session = Session(problem, schedule=schedule("humorscope", "3d", num_iters=(3, 10, 0)))
    session.run()
    error = (session.fit.trajectory().joints - truth).norm(dim=-1)
    assert float(error.mean()) < 0.06 and float(error[:, 5:8].mean()) < 0.15


def test_keypoints_are_reprojected():
    problem, truth = fakes.recoverable("joints2d")
    weights = {"joints3d_smooth": (0, 0.1, 0), "joints2d": (1, 1, 0), "pose_prior": (0, 0.04, 0)}
    session = Session(problem, schedule=schedule("humorscope", "rgb", num_iters=(10, 15, 0), weights=weights))
    start = session.fit.trajectory()
    session.run()
    joints = session.fit.trajectory().joints
    pixels = (problem.camera.project(joints) - problem.camera.project(truth)).norm(dim=-1)
    before = (problem.camera.project(start.joints) - problem.camera.project(truth)).norm(dim=-1)
    assert float(pixels.mean()) < 4.0 < 0.1 * float(before.mean())
