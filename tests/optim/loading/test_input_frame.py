"""Data that a preset transforms before the fit comes back into the frame of the input as it was."""

from dataclasses import replace

import numpy as np
import torch

from optim.config.settings import parse
from optim.loading.input_frame import canonicalised, motion_of_input, problem_of_input
from optim.loading.problem import load_problem
from optim.problem.frames import PriorFrame
from optim.problem.variables import Trajectory
from tests import fakes
from tests.motions import write_walk


def loaded(model_files, path, *words):
    flags = [*model_files.flags(), "--data-path", str(path), "--amass-make-partial", *words]
    return load_problem(parse(flags))


def test_a_round_trip_through_the_frame_of_the_true_first_frame(model_files, tmp_path):
    path = write_walk(tmp_path / "walk.npz")
    world, moved = loaded(model_files, path), loaded(model_files, path, "--preset", "reference")
    assert world.from_input is None and problem_of_input(world) is world
    assert motion_of_input(world.ground_truth, world) is world.ground_truth
    apart = (moved.ground_truth.joints - world.ground_truth.joints).norm(dim=-1)
    assert apart.min() > 1.0  # [m]: without the way back the results would lie elsewhere

    back = problem_of_input(moved)
    assert back.from_input is None
    seen, before = back.observations.joints3d, world.observations.joints3d
    assert torch.equal(torch.isinf(seen), torch.isinf(before)) and torch.isinf(seen).any()
    visible = torch.isfinite(before)
    torch.testing.assert_close(seen[visible], before[visible], atol=2e-6, rtol=0)
    for name in ("trans", "root_orient", "pose_body", "joints"):
        there, here = getattr(back.ground_truth, name), getattr(world.ground_truth, name)
        torch.testing.assert_close(there, here, atol=5e-6, rtol=0)


def test_every_kind_of_3d_observation_goes_there_and_back():
    kinds = ("joints3d", "verts3d", "points3d")
    given = fakes.problem(*kinds, frames=4)
    trans, root, pose, betas = (v.float() for v in fakes.motion(np.random.RandomState(0), 1, 4, camera=False))
    truth = Trajectory(trans, root, pose, betas, given.body.joints(trans, root, pose, betas))
    seen, there, frame = canonicalised(given.observations, truth, given.body)
    back = problem_of_input(replace(given, observations=seen, ground_truth=there, from_input=frame)).observations
    for kind in kinds:
        before = getattr(given.observations, kind)
        torch.testing.assert_close(getattr(seen, kind), frame.points(before))
        assert float((getattr(seen, kind) - before).abs().max()) > 0.1
        torch.testing.assert_close(getattr(back, kind), before, atol=1e-5, rtol=0)


def test_the_inverse_undoes_a_transform():
    turn = torch.linalg.qr(torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0)))[0]
    frame = PriorFrame(turn, torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]]))
    points = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(frame.inverse.points(frame.points(points)), points)
    torch.testing.assert_close(frame.inverse.points(points), frame.points_back(points))
