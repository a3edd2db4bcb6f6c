"""Degrading observations as HuMoR's 3D experiments do."""

import numpy as np
import torch
import trimesh

import assets
from optim.loading.clip import trajectory
from optim.loading.files.amass import Motion
from optim.loading.models import load_body
from optim.loading.observe import ROOT_ONLY_JOINTS, Degradation, degrade, observe

POINTS = torch.rand(1, 30, 22, 3, generator=torch.Generator().manual_seed(0)) * 2


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_changes_nothing():
    assert torch.equal(degrade(POINTS, Degradation(), generator=seeded()), POINTS)


def test_noise_is_gaussian_and_seeded():
    how = Degradation(noise_std=0.04)
    noise = degrade(POINTS, how, generator=seeded()) - POINTS
    assert abs(noise.std() - 0.04) < 0.004 and abs(noise.mean()) < 0.004
    assert torch.equal(noise, degrade(POINTS, how, generator=seeded()) - POINTS)
    assert not torch.equal(noise, degrade(POINTS, how, generator=seeded(4)) - POINTS)


def test_what_is_observed_low_is_hidden_whole():
    seen = degrade(POINTS, Degradation(noise_std=0.1, hide_below=0.9), generator=seeded())
    noisy = degrade(POINTS, Degradation(noise_std=0.1), generator=seeded())
    hidden = torch.isinf(seen).all(-1)
    assert torch.equal(hidden, torch.isinf(seen).any(-1))
    assert torch.equal(hidden, noisy[..., 2] < 0.9)
    assert torch.equal(seen[~hidden], noisy[~hidden])


def test_the_middle_third_goes():
    frames = torch.isinf(degrade(POINTS, Degradation(drop_middle=True), generator=seeded())).all(-1).all(-1)[0]
    assert frames.nonzero()[:, 0].tolist() == list(range(10, 20))


def test_root_only_keeps_five_joints_whatever_their_height():
    how = Degradation(root_only=True, hide_below=5.0)
    kept = torch.isfinite(degrade(POINTS, how, generator=seeded())).all(-1)[0, 0]
    assert kept.nonzero()[:, 0].tolist() == list(ROOT_ONLY_JOINTS)


def test_points_lie_on_the_surface_and_spread_by_area():
    """Against trimesh's closest point on the mesh; upper and lower half get points as they have area."""
    body = load_body(assets.BODY_FOLDER)
    poses = np.zeros((3, 66), np.float32)
    poses[:, 0], poses[1, 5] = np.pi / 2, 1.0
    trans = np.tile(np.float32([2, 1, 1.2]), (3, 1))
    motion = Motion(trans, poses, np.zeros(16, np.float32), "neutral", 30.0, "still")
    truth = trajectory(motion, slice(0, 3), body)
    seen = observe(truth, body, "points3d", Degradation(), count=4000, generator=seeded()).points3d
    again = observe(truth, body, "points3d", Degradation(), count=4000, generator=seeded()).points3d
    assert seen.shape == (1, 3, 4000, 3) and torch.equal(seen, again) and not torch.equal(seen[0, 0], seen[0, 2])
    vertices = body.mesh(truth.trans, truth.root_orient, truth.pose_body, truth.betas)[0, 1].numpy()
    mesh = trimesh.Trimesh(vertices, body.faces, process=False)
    points = seen[0, 1].numpy()
    for point in points[:20]:
        nearest = trimesh.triangles.closest_point(mesh.triangles, np.tile(point, (len(mesh.faces), 1)))
        assert np.linalg.norm(nearest - point, axis=1).min() < 1e-5
    upper = mesh.triangles_center[:, 2] > 1.2
    share = mesh.area_faces[upper].sum() / mesh.area
    assert abs((points[:, 2] > 1.2).mean() - share) < 0.04
