"""A small body, small random priors and made-up observations: a whole problem in a fraction of a second.

The motion prior has the published architecture; all weights are drawn from numpy's frozen generator, so that they are
the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

import assets
from optim.body.body_model import BodyModel
from optim.common.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from optim.loading.models import load_body
from optim.objective.shooting import NODE_SIZE, cut
from optim.priors.init_state_prior import InitStatePrior
from optim.priors.motion_prior import MotionPrior
from optim.priors.pose_prior import PosePrior, new_network
from optim.priors.rollout import estimate_states
from optim.problem.camera import Camera
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.schedule.phases import NODES, Phase

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
REST = np.array([
    (0, -.24, .03), (.07, -.32, .03), (-.07, -.32, .03), (0, -.13, .01), (.09, -.71, .03), (-.09, -.71, .03),
    (0, .01, .03), (.09, -1.12, 0), (-.09, -1.12, 0), (0, .06, .05), (.11, -1.18, .12), (-.11, -1.18, .12),
    (0, .28, .01), (.07, .19, .01), (-.07, .19, .01), (0, .36, .06), (.18, .22, 0), (-.18, .22, 0),
    (.44, .21, -.02), (-.44, .21, -.02), (.69, .22, -.01), (-.69, .22, -.01),
])  # fmt: skip
"""The body joints in the rest pose, y up, metres."""


def body(*, vertices: int = 120, dtype: torch.dtype = torch.float32) -> BodyModel:
    """52 joints and a cloud of vertices around the bones; every vertex hangs on two joints."""
    rng = np.random.RandomState(1)
    hands = [REST[20 + side] + 0.02 * (1 + finger) * np.array([1 - 2 * side, 0, 0])
             for side in (0, 1) for finger in range(15)]  # fmt: skip
    joints = np.concatenate((REST, hands))
    owner = rng.randint(0, 22, vertices)
    template = REST[owner] + 0.06 * rng.randn(vertices, 3)
    weights = np.zeros((vertices, 22))
    weights[np.arange(vertices), owner] = 0.7
    weights[np.arange(vertices), np.maximum(np.array(PARENTS)[owner], 0)] += 0.3
    faces = np.stack([rng.permutation(vertices)[:3] for _ in range(60)])
    tensors = {
        "template": template,
        "shape_directions": 0.01 * rng.randn(vertices, 3, 16),
        "pose_directions": 0.002 * rng.randn(vertices, 3, 189),
        "joint_template": joints,
        "joint_shape_directions": 0.01 * rng.randn(52, 3, 16),
        "weights": weights,
    }
    return BodyModel(
        **{name: torch.tensor(value, dtype=dtype) for name, value in tensors.items()},
        faces=faces.astype(np.int64),
        parents=(*PARENTS, *[20] * 15, *[21] * 15),
        keypoint_vertices=tuple(range(43)),
        openpose_vertices=tuple(range(50, 71)),
    )


def _fill(module: nn.Module, rng: np.random.RandomState) -> None:
    """He-like random weights from numpy."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if weight.ndim == 2:
                weight.copy_(torch.from_numpy(rng.randn(*weight.shape) / np.sqrt(weight.shape[1])))
            elif "bias" in name:
                weight.copy_(torch.from_numpy(0.05 * rng.randn(*weight.shape)))


@lru_cache(maxsize=2)
def motion_prior(dtype: torch.dtype = torch.float32) -> MotionPrior:
    """Published architecture, small steps."""
    prior = MotionPrior()
    _fill(prior, np.random.RandomState(2))
    with torch.no_grad():
        prior.decoder.net[-1].weight.mul_(0.03)
        prior.decoder.net[-1].bias.mul_(0.1)
    return prior.to(dtype).eval().requires_grad_(False)


@lru_cache(maxsize=2)
def pose_prior(dtype: torch.dtype = torch.float32) -> PosePrior:
    """VPoser with 64 neurons; latent 0 is near the rest pose."""
    network = new_network(neurons=64)
    _fill(network, np.random.RandomState(3))
    with torch.no_grad():
        network.bodyprior_dec_out.weight.mul_(0.3)
        network.bodyprior_dec_out.bias.copy_(torch.tensor([1.0, 0, 0, 1, 0, 0]).repeat(21))
    return PosePrior(network.to(dtype))


@lru_cache(maxsize=2)
def init_state_prior(dtype: torch.dtype = torch.float32) -> InitStatePrior:
    rng = np.random.RandomState(4)
    means = np.concatenate((np.tile(REST[:, [0, 2, 1]].ravel(), (2, 1)), np.zeros((2, 72))), axis=1)
    root = 0.2 * rng.randn(2, 138, 138) / np.sqrt(138)
    covariances = root @ root.swapaxes(1, 2) + 0.3 * np.eye(138)
    parts = (np.array([0.4, 0.6]), means + 0.1 * rng.randn(2, 138), covariances)
    return InitStatePrior(*(torch.tensor(part, dtype=dtype) for part in parts))


def motion(rng: np.random.RandomState, batch: int, frames: int, *, camera: bool) -> tuple[Tensor, ...]:
    """trans, root_orient, pose_body, betas of somebody who walks upright, in the world or before a camera; float64."""
    time = np.arange(frames) / 30.0
    trans = np.zeros((batch, frames, 3))
    trans[..., 0 if camera else 1] = 0.8 * time
    trans[..., 2] = 3.0 if camera else 1.2
    trans[..., 1] += 0.1 if camera else 0.0
    up = np.pi if camera else np.pi / 2
    root = np.tile(np.array([up, 0.0, 0.0]), (batch, frames, 1)) + 0.1 * np.sin(3 * time)[:, None] * rng.randn(3)
    swing = np.sin(2 * np.pi * time)[:, None, None] * 0.25 * rng.randn(21, 3) + 0.1 * rng.randn(21, 3)
    pose = np.broadcast_to(swing, (batch, frames, 21, 3))
    vectors = [torch.tensor(a) for a in (trans, root, np.array(pose), 0.3 * rng.randn(batch, 16))]
    return vectors[0], axis_angle_to_matrix(vectors[1]), axis_angle_to_matrix(vectors[2]), vectors[3]


def problem(
    *modalities: str,
    batch: int = 1,
    frames: int = 8,
    noise: float = 0.02,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    model: Callable[..., BodyModel] = body,
) -> Problem:
    """Noisy observations of a made-up walk; ``joints2d`` brings a camera and a floor. Default: ``joints3d``.

    ``model`` makes the body in the dtype that it is given by name.
    """
    seen = modalities or ("joints3d",)
    camera = "joints2d" in seen
    rng = np.random.RandomState(seed)
    exact = model(dtype=torch.float64)
    trans, root, pose, betas = motion(rng, batch, frames, camera=camera)
    ids = torch.arange(len(exact.template))
    joints, points = exact.joints_and_vertices(trans, root, pose, betas, ids)
    arrays: dict[str, Tensor] = {}
    if "joints3d" in seen:
        arrays["joints3d"] = joints[:, :, :22]
    if "verts3d" in seen:
        arrays["verts3d"] = points[:, :, list(exact.keypoint_vertices)]
    if "points3d" in seen:
        arrays["points3d"] = points[:, :, rng.randint(0, len(ids), 40)]
    arrays = {name: value + torch.tensor(noise * rng.randn(*value.shape)) for name, value in arrays.items()}
    lens = None
    if camera:
        matrix = torch.tensor([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]]).expand(batch, 3, 3)
        lens = Camera.from_matrix(matrix, image_size=(1280, 720))
        lens = replace(lens, focal=lens.focal.to(dtype), centre=lens.centre.to(dtype))
        spots = exact.keypoints25(joints, points[:, :, list(exact.openpose_vertices)])
        spots = spots[..., :2] / spots[..., 2:] * 1000.0 + torch.tensor([640.0, 360.0])
        pixels = spots + torch.tensor(3.0 * rng.randn(*spots.shape))
        confidence = torch.tensor(0.3 + 0.7 * rng.rand(*spots.shape[:-1], 1))
        arrays["joints2d"] = torch.cat((pixels, confidence), dim=-1)
    floor = torch.tensor([[0.05, -0.99, 0.08, -1.05]], dtype=dtype).repeat(batch, 1) if camera else None
    return Problem(
        Observations(**{name: value.to(dtype) for name, value in arrays.items()}),
        model(dtype=dtype),
        pose_prior(dtype),
        motion_prior(dtype),
        init_state_prior(dtype),
        camera=lens,
        floor=floor,
        name="made up",
    )


def recoverable(*modalities: str, frames: int = 12) -> tuple[Problem, Tensor]:
    """The free body moved by latents of the pose prior, seen without noise, and its true joints (1, T, 22, 3).

    Everything that is observed can be explained exactly, so a fit that works comes back to it.
    """
    made_up = problem(*modalities, frames=frames)
    free, generator = load_body(assets.BODY_FILE), torch.Generator().manual_seed(3)
    wave = torch.sin(torch.linspace(0, 3, frames))[None, :, None]
    latents = 0.4 * torch.randn(1, 1, 32, generator=generator) + 0.4 * wave * torch.randn(1, 1, 32, generator=generator)
    trans, root, _, _ = (a.float() for a in motion(np.random.RandomState(5), 1, frames, camera=made_up.has_camera))
    betas = 0.5 * torch.randn(1, 16, generator=generator)
    ids = torch.arange(len(free.template))
    joints, points = free.joints_and_vertices(trans, root, made_up.pose_prior.decode(latents), betas, ids)
    seen: dict[str, Tensor] = {"joints3d": joints[:, :, :22], "verts3d": points[:, :, list(free.keypoint_vertices)]}
    seen["points3d"] = points[:, :, torch.randperm(len(ids), generator=generator)[:200]]
    if made_up.camera is not None:
        spots = made_up.camera.project(free.keypoints25(joints, points[:, :, list(free.openpose_vertices)]))
        seen["joints2d"] = torch.cat((spots, torch.ones(1, frames, 25, 1)), dim=-1)
    chosen = Observations(**{name: seen[name] for name in modalities})
    return replace(made_up, body=free, observations=chosen), joints[:, :, :22]


def hide(value: Tensor, where) -> Tensor:
    """The same with missing data: +inf, or confidence 0 for 2D keypoints."""
    hidden = value.clone()
    if value.shape[-2] == 25:
        hidden[where][..., 2] = 0.0  # ``where`` is made of slices, so this is a view
    else:
        hidden[where] = float("inf")
    return hidden


def variables(
    problem: Problem, phase: Phase, *, seed: int = 5, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Random but plausible variables of a phase."""
    rng = np.random.RandomState(seed)
    batch, frames = problem.batch, problem.frames
    trans, root, _, betas = motion(rng, batch, frames, camera=problem.has_camera)
    count = frames if phase.stage < 3 else 1
    made = {
        "trans": trans[:, :count] + 0.05 * torch.tensor(rng.randn(batch, count, 3)),
        "root_orient": matrix_to_axis_angle(root)[:, :count] + 0.1 * torch.tensor(rng.randn(batch, count, 3)),
        "latent_pose": 0.5 * torch.tensor(rng.randn(batch, count, 32)),
        "betas": betas,
    }
    if phase.stage == 3:
        made["latent_motion"] = torch.tensor(rng.randn(batch, frames - 1, 48))
        made["trans_vel"] = torch.tensor(0.3 * rng.randn(batch, 1, 3))
        made["joints_vel"] = torch.tensor(0.3 * rng.randn(batch, 1, 22, 3))
        made["root_orient_vel"] = torch.tensor(0.3 * rng.randn(batch, 1, 3))
    made = {name: value.to(dtype) for name, value in made.items()}
    if phase.segment is not None:
        made = _with_nodes(problem, made, phase.segment, rng)
    if problem.has_camera:
        made["floor_plane"] = problem.observed_floor + 0.02 * torch.tensor(rng.randn(batch, 3)).to(dtype)
    return made


def _with_nodes(
    problem: Problem, made: dict[str, Tensor], segment: int, rng: np.random.RandomState
) -> dict[str, Tensor]:
    """With nodes near the states of an upright walk."""
    trans, root, pose, betas = motion(rng, problem.batch, problem.frames, camera=False)
    joints = body(dtype=torch.float64).joints(trans, root, pose, betas)
    walk = estimate_states(trans, root, pose, joints, fps=problem.fps)
    cut_up = cut(made, walk.flat().to(made["trans"].dtype), segment)
    noise = 0.02 * rng.randn(problem.batch, cut_up[NODES].shape[1], NODE_SIZE)
    return {**cut_up, NODES: torch.tensor(noise).to(made["trans"].dtype)}
