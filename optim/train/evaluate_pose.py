"""Evaluate a pose prior on motion capture, and draw poses sampled from it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from optim.loading.models import load_body
from optim.priors.pose_prior import PosePrior, load_pose_prior, posterior
from optim.train.data import load_clips
from optim.train.pose import joint_positions

END_EFFECTORS = (7, 8, 15, 20, 21)
"""Joints of ankles, head and wrists."""
_LIGHT = np.array([0.35, 0.65, 0.67])


@dataclass(frozen=True)
class PosePriorReport:
    """Metrics of one pose prior on one split. Lengths are in cm, over 22 joints with the root at rest."""

    poses: int  # number of poses
    joints: float  # mean joint error after encoding and decoding
    joints_end_effectors: float  # the same for ankles, head and wrists
    joints_worst_poses: float  # joint error of a pose, 95th percentile over the poses
    joints_random_latent: float  # mean joint error with a latent drawn from q(latent | pose), as in training
    kl: float  # KL divergence of q(latent | pose) from N(0, I) [nats]
    aggregate_std_least: float  # smallest standard deviation of q averaged over training poses; 1 for N(0, I)
    aggregate_std_most: float  # the largest one
    sample_to_train: float  # median distance from a sample of N(0, I) to the nearest training pose, RMS over joints
    data_to_train: float  # the same for the poses of the split

    def lines(self) -> list[str]:
        """One line ``name  value`` for each metric."""
        return [f"{f.name:22s} {getattr(self, f.name):.3f}" for f in fields(self)]


@torch.no_grad()
def evaluate(
    prior: PosePrior,
    poses: Float[Tensor, "n 21 3 3"],
    train_poses: Float[Tensor, "m 21 3 3"],
    body: BodyModel,
    *,
    samples: int = 2000,
    seed: int = 0,
) -> PosePriorReport:
    """All metrics of a pose prior.

    Args:
        poses: Rotations of the poses to evaluate on.
        train_poses: Rotations of the training poses. At most 30,000 of them are used.
        body: Body model whose joints are compared.
        samples: Number of poses drawn from the prior.
        seed: Seed of all random choices.
    """
    generator = torch.Generator().manual_seed(seed)
    joints_of = joint_positions(body)
    truth = joints_of(poses)
    mean, std = posterior(prior.network, matrix_to_axis_angle(poses).flatten(1))
    off = 100 * (joints_of(prior.decode(mean)) - truth).norm(dim=-1)
    drawn = mean + std * torch.randn(mean.shape, generator=generator)
    known = _some(train_poses, 30_000, generator)
    reference, aggregate = joints_of(known), _aggregate_std(prior, known)
    sampled = joints_of(sample_poses(prior, samples, generator=generator))
    return PosePriorReport(
        poses=len(poses),
        joints=float(off.mean()),
        joints_end_effectors=float(off[:, END_EFFECTORS].mean()),
        joints_worst_poses=float(off.mean(1).quantile(0.95)),
        joints_random_latent=100 * float((joints_of(prior.decode(drawn)) - truth).norm(dim=-1).mean()),
        kl=float((0.5 * (mean**2 + std**2 - 1) - std.log()).sum(-1).mean()),
        aggregate_std_least=float(aggregate[0]),
        aggregate_std_most=float(aggregate[-1]),
        sample_to_train=_nearest(sampled, reference),
        data_to_train=_nearest(_some(truth, samples, generator), reference),
    )


def _aggregate_std(prior: PosePrior, poses: Tensor) -> Tensor:
    """Standard deviations, rising, of q(latent | pose) averaged over the poses, along its principal axes."""
    mean, std = posterior(prior.network, matrix_to_axis_angle(poses).flatten(1))
    return torch.linalg.eigvalsh(torch.cov(mean.T) + (std**2).mean(0).diag()).sqrt()


def sample_poses(prior: PosePrior, count: int, *, generator: torch.Generator) -> Float[Tensor, "n 21 3 3"]:
    """Poses decoded from latents drawn from N(0, I)."""
    return prior.decode(torch.randn(count, prior.latent_dim, generator=generator))


def _some(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)[:count]]


def _nearest(joints: Tensor, reference: Tensor) -> float:
    """Median distance [cm] from joints (n, 22, 3) to the nearest of the references (m, 22, 3), RMS over joints."""
    known = reference.flatten(1)
    distances = [torch.cdist(part.flatten(1), known).amin(1) for part in joints.split(500)]
    return 100 * float(torch.cat(distances).median()) / joints.shape[1] ** 0.5


@torch.no_grad()
def draw_poses(
    pose_body: Float[Tensor, "n 21 3 3"],
    body: BodyModel,
    *,
    columns: int = 8,
    cell: tuple[int, int] = (130, 190),
) -> np.ndarray:
    """Picture of the poses' meshes in a grid, seen from the front left: grey (height, width) uint8.

    Args:
        columns: Number of poses in a row.
        cell: Width and height of the picture of one pose [px].
    """
    count = len(pose_body)
    turn = axis_angle_to_matrix(torch.tensor([[0.15, 0.0, 0.0], [0.0, -0.5, 0.0]]))
    view = (turn[0] @ turn[1]).expand(1, count, 3, 3)
    vertices = body.mesh(torch.zeros(1, count, 3), view, pose_body[None], torch.zeros(1, 16))[0].numpy()
    cells = [_draw_mesh(mesh, body.faces, cell) for mesh in vertices]
    cells += [np.full(cell[::-1], 255, np.uint8)] * (-count % columns)
    return np.vstack([np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)])


def _draw_mesh(vertices: np.ndarray, faces: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """Picture of one mesh (V, 3) with y up, seen from +z, with flat shading.

    Far triangles are drawn first. The picture is drawn at double size and reduced, for smooth edges.
    """
    width, height = 2 * cell[0], 2 * cell[1]
    scale = height / 1.9  # pixels per metre
    middle = vertices[:, :2].min(0) / 2 + vertices[:, :2].max(0) / 2
    pixels = (vertices[:, :2] - middle) * (scale, -scale) + (width / 2, height / 2)
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    shade = 60 + 170 * np.clip(normal @ _LIGHT, 0, 1)
    order = np.argsort(corners[:, :, 2].mean(1))
    order = order[normal[order, 2] > 0]
    image = np.full((height, width), 255, np.uint8)
    for triangle, grey in zip(np.round(pixels[faces[order]]).astype(np.int32), shade[order], strict=True):
        cv2.fillConvexPoly(image, triangle, float(grey))
    return cv2.resize(image, cell, interpolation=cv2.INTER_AREA)


def run(options: argparse.Namespace) -> None:
    """Run the command ``evaluate-pose-prior``: print the metrics for ``--split`` and draw ``--picture``."""
    body, prior = load_body(options.smpl), load_pose_prior(options.vposer)
    split = None if options.split == "all" else options.split
    poses = load_clips(options.data, body, split=split).rotations[:, 1:]
    train_poses = load_clips(options.data, body, split="train").rotations[:, 1:]
    seed = options.seed or 0
    print("\n".join(evaluate(prior, poses, train_poses, body, seed=seed).lines()))
    if options.picture:
        sampled = sample_poses(prior, 24, generator=torch.Generator().manual_seed(seed))
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(options.picture), draw_poses(sampled, body), [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise InputError(f"{options.picture}: cannot be written; give a .png in a writable folder")
        print(f"wrote {options.picture}", file=sys.stderr)
