"""Parity with the public implementation: the same inputs give the same losses, gradients, roll-outs and search."""

from __future__ import annotations

import pytest
import torch

from optim.commands.parity import (
    CASES,
    GRADIENT_TOLERANCE,
    LOSS_TOLERANCE,
    MODELS,
    TERM_TOLERANCE,
    Case,
    case_files,
    gradient_errors,
    term_errors,
    trace,
)
from optim.common.rotations import axis_angle_to_matrix
from optim.initialise.initialisation import enter_stage_3, initial_variables
from optim.objective.objective import Objective
from optim.objective.prediction import Parts, predict_rollout, turn_of
from optim.problem.variables import packing, root_matrix

FILES = case_files()
pytestmark = pytest.mark.skipif(not FILES, reason=f"no golden cases in {CASES}, or no models in {MODELS}")

METRES = 1e-4
TRACE = (1e-3, 1.5)
"""Relative error of the first evaluations, and how fast it may grow from one to the next."""


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def case(request) -> Case:
    return Case.read(request.param)


def test_losses_terms_and_gradients(case):
    for step, phase, frame in case.phases():
        variables = case.group(f"step{step}/var/")
        objective, free = Objective(case.problem, phase, frame), packing(variables, phase)
        point = objective.point(free.pack(variables), variables, free)
        assert point.value == pytest.approx(float(case.arrays[f"step{step}/loss"]), rel=LOSS_TOLERANCE)
        ours = objective.evaluation(point, free)
        assert set(ours.terms) == set(case.group(f"step{step}/term/"))
        for name, error in term_errors(case, step, ours).items():
            assert error < TERM_TOLERANCE, f"step {step}: {name} is {error:.1e} off"
        gradients = free.split(point.gradient)
        assert set(gradients) == set(case.group(f"step{step}/grad/"))
        for name, error in gradient_errors(case, step, gradients).items():
            assert error < GRADIENT_TOLERANCE, f"step {step}: gradient of {name} is {error:.1e} off"


def test_rollouts_and_prior_frame(case):
    for step, phase, frame in case.phases():
        if phase.stage < 3:
            continue
        variables, seen = case.group(f"step{step}/var/"), case.group(f"step{step}/rollout/")
        count, turn = seen["trans"].shape[1], turn_of(phase.preset)
        predicted = predict_rollout(case.problem, variables, Parts(), frame=frame, frames=count, turn=turn)
        inside = predicted.in_prior
        near = {"rtol": 0, "atol": METRES}
        torch.testing.assert_close(inside.rollout.trans, seen["trans"], **near)
        torch.testing.assert_close(inside.rollout.joints, seen["joints"], **near)
        torch.testing.assert_close(inside.rollout.root_orient, axis_angle_to_matrix(seen["root_orient"]), **near)
        pose = axis_angle_to_matrix(seen["pose_body"].unflatten(-1, (21, 3)))
        torch.testing.assert_close(inside.rollout.pose_body, pose, **near)
        torch.testing.assert_close(inside.contacts, seen["contacts_conf"], **near)
        torch.testing.assert_close(inside.rollout.prior_mean, seen["prior_mean"], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(inside.rollout.prior_var, seen["prior_var"], rtol=1e-3, atol=1e-3)
        camera = case.group(f"step{step}/rollout_cam/")
        torch.testing.assert_close(predicted.trans, camera["trans"], **near)
        torch.testing.assert_close(predicted.root_orient, axis_angle_to_matrix(camera["root_orient"]), **near)
        if frame is None:
            _check_prior_frame(case, step, variables, inside.frame, near)


def _check_prior_frame(case, step, variables, frame, near):
    """cam2prior's R, t and root height as one rigid motion: same rotation; trans goes to the origin at that height."""
    expected = {name: case.tensor(f"step{step}/cam2prior_{name}") for name in ("R", "t", "root_height")}
    torch.testing.assert_close(frame.R_prior_input, expected["R"], **near)
    pelvis = case.problem.body.rest_joints(variables["betas"])[:, 0]
    trans = frame.trans(variables["trans"], pelvis)[:, 0]
    turned = (expected["R"] @ (variables["trans"][:, 0] + expected["t"])[..., None])[..., 0]
    torch.testing.assert_close(trans[:, :2], turned[:, :2], **near)
    torch.testing.assert_close((trans + pelvis)[:, 2:], expected["root_height"], **near)


def test_start_values(case):
    ours = initial_variables(case.problem, case.schedule[0].preset)
    for name, value in case.group("step0/var/").items():
        torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-5)


def test_stage_3_starts_where_stage_2_ended(case):
    free, rolled = case.meta["num_iter"][0] + case.meta["num_iter"][1], case.group
    if f"step{free}/var/latent_motion" not in case.arrays:
        pytest.skip("this case has no stage 3")
    ended = rolled(f"step{free - 1}/after/")
    ours, _ = enter_stage_3(case.problem, ended, case.schedule[-1].preset)
    expected = rolled(f"step{free}/var/")
    assert set(ours) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=2e-4, msg=lambda text, n=name: f"{n}: {text}")


def test_search_takes_the_same_path(case):
    """A whole session, from the start values to the result: every evaluation of every line search."""
    run = trace(case)
    for step, (ours, theirs) in enumerate(zip(run.ours, run.theirs, strict=True)):
        assert len(ours) == len(theirs)
        for index, (value, expected) in enumerate(zip(ours, theirs, strict=True)):
            allowed = TRACE[0] * TRACE[1] ** max(0, index + 3 * step - 4)
            assert value == pytest.approx(expected, rel=allowed), f"evaluation {index} of step {step}"
    assert run.session.done
    _check_result(case, run.session)


def _check_result(case, session):
    """After so few steps the two runs are still within centimetres of each other."""
    result, ours = case.group("result/"), session.fit.trajectory()
    near = {"rtol": 0, "atol": 0.02}
    torch.testing.assert_close(ours.trans, result["trans"], **near)
    torch.testing.assert_close(ours.root_orient, root_matrix(result["root_orient"]), **near)
    torch.testing.assert_close(ours.pose_body, axis_angle_to_matrix(result["pose_body"].unflatten(-1, (21, 3))), **near)
    torch.testing.assert_close(ours.betas, result["betas"], **near)
    torch.testing.assert_close((ours.contacts > 0.5).float(), result["contacts"])
    if "floor_plane" in result:
        torch.testing.assert_close(ours.floor_plane, result["floor_plane"], **near)
