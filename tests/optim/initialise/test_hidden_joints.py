"""Expected places of hidden joints: near the truth on a walk, the same wherever it takes place, and part of a fit."""

from dataclasses import replace

import pytest
import torch

import assets
from optim.common.rotations import axis_angle_to_matrix
from optim.config.settings import parse
from optim.initialise.hidden_joints import expected_joints, hides_body, noise_of, suited
from optim.loading.models import load_init_state_prior
from optim.loading.problem import load_source
from optim.priors.pose_prior import load_pose_prior
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.problem.variables import Variables, root_variable
from optim.recording.recording import Recording
from optim.recording.runfile import RunFile
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes

OURS = PRESETS["fast"]
LEGS = [1, 2, 4, 5, 7, 8, 10, 11]


def without_legs(joints: torch.Tensor, frames: slice = slice(None)) -> torch.Tensor:
    return fakes.hide(joints, (slice(None), frames, LEGS))


@pytest.fixture(scope="module")
def walk() -> tuple[Problem, Variables]:
    """A demo walk whose legs are hidden, and its true motion as variables of stage 2."""
    clip = load_source(parse(["--data", "default_walk_turn"]))
    truth, poses = clip.ground_truth, load_pose_prior(assets.POSE_PRIOR_FOLDER)
    problem = replace(
        fakes.problem("joints3d"),
        observations=Observations(joints3d=without_legs(truth.joints)),
        body=clip.body,
        pose_prior=poses,
        init_state_prior=load_init_state_prior(assets.INIT_STATE_PRIOR_FILE),
        ground_truth=truth,
    )
    root = root_variable(truth.root_orient, rotation="axis-angle")
    latents = poses.encode(truth.pose_body)
    return problem, {"trans": truth.trans, "root_orient": root, "latent_pose": latents, "betas": truth.betas}


def test_a_walk_tells_where_its_hidden_legs_are(walk):
    problem, variables = walk
    found = expected_joints(problem, variables, OURS)
    assert torch.equal(torch.isfinite(found[0, 0, :, 0]).nonzero()[:, 0], torch.tensor(LEGS))
    true = problem.ground_truth.joints
    ankles = [7, 8]
    error = (found - true)[:, :, ankles].norm(dim=-1).mean()
    still = (true - true[:, :, :1])[:, :, ankles].mean(1, keepdim=True) + true[:, :, :1]
    assert float(error) < 0.6 * float((still - true[:, :, ankles]).norm(dim=-1).mean())


def test_places_turn_and_move_with_the_motion(walk):
    problem, variables = walk
    turn = axis_angle_to_matrix(torch.tensor([[0.0, 0.0, 2.0]]))
    frame = PriorFrame(turn, torch.tensor([[3.0, -2.0, 0.0]]))
    pelvis = problem.body.rest_joints(variables["betas"])[:, 0]
    moved = {
        **variables,
        "trans": frame.trans(variables["trans"], pelvis),
        "root_orient": root_variable(frame.orient(problem.ground_truth.root_orient), rotation="axis-angle"),
    }
    expected = frame.points(expected_joints(problem, variables, OURS)[:, :, LEGS])
    torch.testing.assert_close(expected_joints(problem, moved, OURS)[:, :, LEGS], expected, rtol=0, atol=2e-4)


def test_missing_frames_have_no_places():
    problem = fakes.problem("joints3d", frames=8)
    seen = without_legs(problem.observations.joints3d)
    seen[:, 3] = torch.inf
    problem = replace(problem, observations=Observations(joints3d=seen))
    variables = fakes.variables(problem, schedule("fast")[1])
    known = torch.isfinite(expected_joints(problem, variables, OURS)[0, :, LEGS]).all(-1).all(-1)
    assert known.tolist() == [True] * 3 + [False] + [True] * 4


@pytest.mark.parametrize(("frames", "hidden"), [(slice(0, 0), False), (slice(0, 3), False), (slice(0, 4), True)])
def test_phases_for_hidden_joints_are_left_out_where_the_body_is_shown(frames, hidden):
    seen = Observations(joints3d=without_legs(fakes.problem("joints3d", noise=0.0).observations.joints3d, frames))
    assert hides_body(seen) is hidden
    phases = schedule("fast")
    left = suited(phases, [seen])
    assert (left == phases) is hidden
    assert [phase.name for phase in left if phase.for_hidden] == ["stage 2 follow", "stage 2 complete"] * hidden
    assert not any(phase.for_hidden for phase in schedule("fast", "verts3d"))


@pytest.mark.parametrize("noise", [0.005, 0.04])
def test_noise_is_estimated_and_smoothed(noise):
    clip = load_source(parse(["--data", "default_walk_turn"])).ground_truth.joints
    noisy = clip + noise * torch.randn(clip.shape, generator=torch.Generator().manual_seed(0))
    assert noise_of(noisy) == pytest.approx(noise, rel=0.1)
    stage_2 = next(phase for phase in schedule("fast") if phase.name == "stage 2").weight("joints3d_smooth")
    seen = [Observations(joints3d=without_legs(noisy))]
    phases = suited(schedule("fast"), seen)
    assert suited(phases, seen) == phases
    follow = [phase for phase in phases if phase.for_hidden]
    share = 1.0 if noise > 0.03 else 0.02
    assert [phase.weight("joints3d_smooth") for phase in follow] == pytest.approx([share * stage_2] * 2, rel=0.3)


def hidden_fit() -> Session:
    problem = fakes.problem("joints3d", frames=6)
    problem = replace(problem, observations=Observations(joints3d=without_legs(problem.observations.joints3d)))
    return Session(problem, schedule=schedule("fast", num_iters=(1, 1, 1), lbfgs_max_iter=2))


def test_a_fit_repeats_its_bits_from_memory_and_from_its_run_file(tmp_path):
    session, recording = hidden_fit(), Recording(RunFile(tmp_path / "run.humorscope", mode="new"))
    while not session.done:
        session.step_iteration()
        recording.follow(session)
    recording.file.close()
    assert [s.schedule[s.phase].name for s in session.fit.phase_ends][1:4] == [
        "stage 2",
        "stage 2 follow",
        "stage 2 complete",
    ]
    end, complete = session.current, session.fit.phase_ends[3]
    assert "expected_joints" in complete.evaluation.terms and "expected_joints" not in end.evaluation.terms
    again = hidden_fit()
    Recording(RunFile(tmp_path / "run.humorscope", mode="read")).restore(again)
    for fit, start in ((session, session.fit.phase_ends[2].id), (session, complete.id), (again, complete.id)):
        fit.rewind(start)
        fit.run()
        assert fit.current.evaluation.total == end.evaluation.total
        assert torch.equal(fit.current.variables["latent_motion"], end.variables["latent_motion"])
