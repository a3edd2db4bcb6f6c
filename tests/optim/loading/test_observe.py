"""Degrading observations as HuMoR's 3D experiments do."""

import torch

from optim.loading.observe import ROOT_ONLY_JOINTS, Degradation, degrade

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
