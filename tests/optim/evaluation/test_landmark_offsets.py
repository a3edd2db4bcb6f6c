"""Photographs of a body that are made up, and the shares of bones that are fitted to what is found in them."""

from __future__ import annotations

import numpy as np

import assets
from optim.evaluation.images import IMAGE_SIZE
from optim.evaluation.landmark_offsets import Landmarks, errors_cm, fitted_shares, photographed
from optim.keypoints.offsets import OFFSETS, bones_of
from optim.loading.models import load_body
from tests.motions import write_walk


def test_a_photograph_shows_the_body_where_its_keypoints_are(tmp_path):
    write_walk(tmp_path / "walk_poses.npz")
    ((image, true, scale),) = photographed(tmp_path, load_body(assets.BODY_FILE), split=None, count=1)
    assert image.shape == (IMAGE_SIZE[1], IMAGE_SIZE[0], 3) and image.dtype == np.uint8
    wall = image[:20].reshape(-1, 3).mean(axis=0)
    for x, y in true[[1, 8, 10, 13]]:  # neck, middle of the hips, knees
        assert np.abs(image[int(y), int(x)] - wall).max() > 25
    assert 50 < scale < 1000


def test_shares_of_bones_are_found_again_and_bring_the_landmarks_to_their_places():
    rng = np.random.default_rng(0)
    found = np.concatenate((rng.uniform(100, 600, (40, 25, 2)), np.full((40, 25, 1), 0.9)), axis=-1)
    true = found[..., :2] + rng.normal(0, 0.5, (40, 25, 2))
    for name in OFFSETS:
        for number, ends in bones_of(name):
            for a, b, share in ends:
                true[:, number] += share * (found[:, b, :2] - found[:, a, :2])
    seen = Landmarks(found, true, np.full(40, 300.0))
    for name, shares in fitted_shares(seen).items():
        np.testing.assert_allclose(shares, [share for _, _, share in OFFSETS[name]], atol=0.005)
    assert all(after < 0.5 and after < before for before, after in errors_cm(seen).values())
