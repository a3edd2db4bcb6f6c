"""Fit the prior of the initial state, a Gaussian mixture p(x_0), with scikit-learn (the ``train`` extra)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.priors.rollout import JOINTS, JOINTS_VEL, ROOT_VEL, TRANS_VEL
from optim.train.data import Augmenter, Clips

FEATURES = 138
"""Number of entries: joints 66, joints_vel 66, trans_vel 3 and root_orient_vel 3, in the canonical frame."""


def features(flat: Tensor) -> Tensor:
    """Entries (N, 138) of canonical states (N, 339) over which the mixture is fitted."""
    return torch.cat([flat[:, part] for part in (JOINTS, JOINTS_VEL, TRANS_VEL, ROOT_VEL)], dim=1)


def draw_features(clips: Clips, body: BodyModel, count: int, *, seed: int = 0, beta_std: float = 0.8) -> Tensor:
    """Features of ``count`` random augmented frames, (count, 138)."""
    augmenter = Augmenter(clips, body, torch.Generator().manual_seed(seed))
    drawn = [augmenter.draw(min(4096, count - start), 1, beta_std=beta_std) for start in range(0, count, 4096)]
    return torch.cat([features(w.flat[:, 0]) for w in drawn])


def fit_mixture(samples: Tensor, *, components: int = 12, seed: int = 0, floor: float = 1e-4) -> dict[str, np.ndarray]:
    """Fit a mixture by expectation–maximisation: weights (K,), means (K, 138), covariances (K, 138, 138).

    Args:
        samples: (N, 138) from ``draw_features``.
        components: Number K of Gaussians.
        floor: Number added to every variance. Without it the density would be extremely narrow in x and y of the root
            joint, which hardly vary in the canonical frame.
    """
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(components, reg_covar=floor, random_state=seed, max_iter=60, tol=1e-2, init_params="kmeans")
    model.fit(samples.double().numpy())
    return {
        "weights": model.weights_.astype(np.float32),
        "means": model.means_.astype(np.float32),
        "covariances": model.covariances_.astype(np.float32),
    }


def save_mixture(path: Path, mixture: dict[str, np.ndarray]) -> None:
    """Write ``prior_gmm.npz`` in HuMoR's layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, weights=mixture["weights"], means=mixture["means"], covariances=mixture["covariances"])
