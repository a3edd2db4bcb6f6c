"""Metrics on motions whose figures are known beforehand."""

from dataclasses import replace

import pytest
import torch

import assets
from optim.body.contacts import label_contacts
from optim.body.joints import CONTACT_JOINTS
from optim.common.rotations import axis_angle_to_matrix
from optim.diagnostics.metrics import (
    acceleration,
    all_metrics,
    contact_accuracy,
    foot_skate,
    joint_errors,
    mesh_error,
    toe_penetration,
)
from optim.loading.models import load_body
from optim.problem.variables import Trajectory

B, T = 2, 6


@pytest.fixture(scope="module")
def body():
    return load_body(assets.BODY_FOLDER)


@pytest.fixture(scope="module")
def standing(body) -> Trajectory:
    """Upright in the rest pose, soles on the floor."""
    root = axis_angle_to_matrix(torch.tensor([torch.pi / 2, 0, 0])).expand(B, T, 3, 3)
    pose, betas = torch.eye(3).expand(B, T, 21, 3, 3), torch.zeros(B, 16)
    trans = torch.zeros(B, T, 3)
    trans[..., 2] = -body.mesh(trans[:1, :1], root[:1, :1], pose[:1, :1], betas[:1])[..., 2].min()
    return Trajectory(trans, root, pose, betas, joints=body.joints(trans, root, pose, betas))


def shifted(motion: Trajectory, way: torch.Tensor) -> Trajectory:
    return replace(motion, trans=motion.trans + way, joints=motion.joints + way[..., None, :])


def test_a_shift_is_the_error_of_every_group(standing):
    visible = torch.ones(B, T, 22, dtype=torch.bool)
    visible[..., :5] = False
    errors = joint_errors(shifted(standing, torch.tensor([0.03, 0.0, 0.04])), standing, visible)
    assert errors.pop("joints_root_aligned").abs().max() < 1e-4
    for name, values in errors.items():
        torch.testing.assert_close(values, torch.full((B,), 5.0), rtol=1e-4, atol=1e-4, msg=name)


def test_groups_see_only_their_joints(standing):
    wrong = standing.joints.clone()
    wrong[:, :, 20] += torch.tensor([0.0, 0.22, 0.0])
    visible = torch.ones(B, T, 22, dtype=torch.bool)
    visible[:, :, 20] = False
    errors = joint_errors(replace(standing, joints=wrong), standing, visible)
    expected = {"all": 1.0, "visible": 0.0, "occluded": 22.0, "end_effectors": 22 / 6, "legs": 0.0}
    for name, value in expected.items():
        assert errors[f"joints_{name}"][0].item() == pytest.approx(value, abs=1e-3)


def test_nothing_occluded_is_not_a_number(standing):
    errors = joint_errors(standing, standing, torch.ones(B, T, 22, dtype=torch.bool))
    assert errors["joints_occluded"].isnan().all() and errors["joints_all"].eq(0).all()


def test_acceleration_of_a_fall(standing):
    time = torch.arange(T) / 30.0
    way = torch.zeros(B, T, 3)
    way[..., 2] = -0.5 * 9.81 * time**2
    torch.testing.assert_close(acceleration(shifted(standing, way)), torch.full((B,), 9.81), rtol=1e-2, atol=0)


def test_penetration_counts_depth_and_frames_of_the_toes(standing):
    toe = standing.joints[0, 0, 10, 2].item()
    way = torch.zeros(B, T, 3)
    way[0, :3, 2] = -0.07 - toe
    figures = toe_penetration(shifted(standing, way))
    assert figures["penetration_mean_cm"].tolist() == pytest.approx([3.5, 0.0], abs=0.05)  # left and right nearly alike
    assert figures["penetration_over_6_cm"].tolist() == [0.5, 0.0]
    assert figures["penetration_over_9_cm"].tolist() == [0.0, 0.0]


def test_mesh_error_of_a_shift(standing, body):
    errors = mesh_error(shifted(standing, torch.tensor([0.03, 0.0, 0.04])), standing, body, body)
    torch.testing.assert_close(errors, torch.full((B,), 5.0), rtol=1e-3, atol=0)


def test_contact_accuracy_counts_right_labels(standing):
    """Who stands still touches the floor with ankles and toes as far as they are low, and with nothing else."""
    assert contact_accuracy(standing, standing).isnan().all()
    contacts = torch.zeros(B, T, 22)
    contacts[..., list(CONTACT_JOINTS)] = torch.stack([label_contacts(joints) for joints in standing.joints])
    assert 0 < contacts.sum() < contacts.numel()
    right = replace(standing, contacts=contacts)
    assert contact_accuracy(right, standing).tolist() == [1.0, 1.0]
    contacts = contacts.clone()
    contacts[0, :3, 4] = 1 - contacts[0, :3, 4]
    accuracy = contact_accuracy(replace(standing, contacts=contacts), standing)
    assert accuracy.tolist() == pytest.approx([1 - 3 / (9 * T), 1.0])
    assert contact_accuracy(right, replace(standing, contacts=1 - contacts)).max() < 0.1


def test_foot_skate_of_a_slide(standing):
    way = torch.zeros(B, T, 3)
    way[0, :, 0] = 0.02 * torch.arange(T)
    way[1, :, 2] = 1.0
    skate = foot_skate(shifted(standing, way))
    assert skate[0].item() == pytest.approx(20.0, rel=1e-4) and skate[1].isnan()


def test_truth_has_no_error(standing, body):
    visible = torch.ones(B, T, 22, dtype=torch.bool)
    figures = all_metrics(standing, standing, visible, body)
    assert figures["joints_all"].eq(0).all() and figures["mesh"].eq(0).all()
    torch.testing.assert_close(figures["acceleration"], figures["acceleration_of_truth"])
