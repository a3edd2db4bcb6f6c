"""The largest finite-time Lyapunov exponent of a roll-out: how strongly it amplifies small errors of x_0.

The exponent is λ = ln(σ) / (steps · h), where h is the time of one step. σ is the largest factor by which a small
change of x_0 grows until the last frame while the latents are held: the largest singular value of the roll-out's
Jacobian J. It is found by power iteration on JᵀJ. J times a vector is computed by central differences (35 ms for 59
steps; forward-mode derivatives take 460 ms), Jᵀ times a vector by the roll-out's gradient. Changes are measured in the
decoder's 207 coordinates without scaling: metres, m/s, rad and rad/s, rotations as rotation vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from optim.objective.prediction import initial_state
from optim.priors.motion_prior import CHANGE_PARTS, MotionPrior
from optim.priors.rollout import Rollout, State, apply_change, rollout
from optim.session.fit import Fit
from optim.session.history import Snapshot

COORDINATES = 207
STEP = 1e-3
"""Step of the central differences; in float32 about three digits remain."""
_CONTACTS = 9
Moving = State | Rollout


@dataclass(frozen=True)
class Lyapunov:
    """Growth of the worst small change of x_0 along the roll-out."""

    exponent: np.ndarray
    """(B,) [1/s]. If it is positive, small errors grow by a factor e in 1/exponent seconds."""
    growth: np.ndarray
    """(B, T) size of the change at each frame; 1 at frame 0, e^(exponent · time) at the last frame."""
    share: Mapping[str, np.ndarray]
    """Quantity of the state → (B,) its share of the squared size of the change at frame 0; the shares sum to 1."""
    rounds: int
    converged: bool
    """Whether σ changed by less than the tolerance in the last round; otherwise the exponent is a lower bound."""


@dataclass(frozen=True)
class Amplification:
    """The unit vector ``direction`` (B, n) that a map stretches most, and the factor ``gain`` (B,)."""

    gain: Tensor
    direction: Tensor
    rounds: int
    converged: bool


def lyapunov(
    fit: Fit,
    snapshot: Snapshot | None = None,
    *,
    frames: int | None = None,
    tolerance: float = 1e-3,
    max_rounds: int = 50,
) -> Lyapunov | None:
    """The exponent of the roll-out at a snapshot; None before stage 3.

    Args:
        frames: Number of first frames of the roll-out to look at; None means all.
        tolerance: Relative change of σ below which the iteration ends.
        max_rounds: Largest number of rounds of the power iteration.
    """
    snapshot = snapshot or fit.current
    problem, variables = fit.problem, snapshot.variables
    if "latent_motion" not in variables:
        return None
    with torch.no_grad():
        pelvis = problem.body.rest_joints(variables["betas"])[:, 0]
        start, _ = initial_state(problem, variables, frame=snapshot.prior_frame, pelvis=pelvis)
    latents = variables["latent_motion"][:, : (frames or problem.frames) - 1]
    return of_rollout(problem.motion_prior, start, latents, fps=problem.fps, tolerance=tolerance, max_rounds=max_rounds)


def of_rollout(
    prior: MotionPrior,
    start: State,
    latents: Tensor,
    *,
    fps: float = 30.0,
    tolerance: float = 1e-3,
    max_rounds: int = 50,
) -> Lyapunov:
    """The exponent of the roll-out from x_0 (B, …) through latents (B, S, 48).

    Every preset uses ``rollout.canonical_turn`` here: the published form has no usable derivative for a body that is
    already in its canonical frame.
    """
    motion = change_of_motion(prior, start, latents)
    still = latents.new_zeros(len(latents), COORDINATES)
    found = amplification(lambda x: motion(x)[:, -1], still, tolerance=tolerance, max_rounds=max_rounds)
    growth = functional.pad(push(motion, still, found.direction).norm(dim=-1), (1, 0), value=1.0)
    squared = found.direction.square()
    return Lyapunov(
        exponent=(found.gain.log() * (fps / latents.shape[1])).numpy(),
        growth=growth.numpy(),
        share={name: squared[:, where].sum(1).numpy() for name, where in CHANGE_PARTS.items()},
        rounds=found.rounds,
        converged=found.converged,
    )


def amplification(
    function: Callable[[Tensor], Tensor],
    at: Tensor,
    *,
    tolerance: float = 1e-3,
    max_rounds: int = 50,
    seed: int = 0,
) -> Amplification:
    """Largest singular value of the Jacobian of a map (B, n) → (B, m) that acts on rows, from a random start."""
    leaf = at.detach().requires_grad_()
    image = function(leaf)
    generator = torch.Generator().manual_seed(seed)
    direction = functional.normalize(torch.randn(at.shape, generator=generator, dtype=at.dtype), dim=1)
    gain = torch.zeros_like(at[:, 0])
    for done in range(1, max_rounds + 1):
        pushed = push(function, at, direction)
        last, gain = gain, pushed.norm(dim=1)
        if bool(((gain - last).abs() <= tolerance * gain).all()):
            return Amplification(gain, direction, done, True)
        (pulled,) = torch.autograd.grad(image, leaf, pushed, retain_graph=True)
        direction = functional.normalize(pulled, dim=1)
    return Amplification(push(function, at, direction).norm(dim=1), direction, max_rounds, False)


@torch.no_grad()
def push(function: Callable[[Tensor], Tensor], at: Tensor, direction: Tensor) -> Tensor:
    """The derivative (B, m) of a map along a direction (B, n), by central differences."""
    return (function(at + STEP * direction) - function(at - STEP * direction)) / (2.0 * STEP)


def change_of_motion(prior: MotionPrior, start: State, latents: Tensor) -> Callable[[Tensor], Tensor]:
    """A function from a small change of x_0 (B, 207) to the change of later frames (B, S, 207), in the prior frame."""
    flat = start.flat()

    def roll(change: Tensor) -> Rollout:
        first, _ = apply_change(flat, functional.pad(change, (0, _CONTACTS)))
        return rollout(prior, State.from_flat(first), latents, with_prior=False)

    with torch.no_grad():
        reference = roll(latents.new_zeros(len(latents), COORDINATES))
    return lambda change: difference(roll(change), reference)[:, 1:]


def difference(a: Moving, b: Moving) -> Tensor:
    """Difference of two similar states as the change (…, 207) that leads from the second to the first."""
    return torch.cat(
        (
            a.trans - b.trans,
            a.trans_vel - b.trans_vel,
            _small_turn(a.root_orient, b.root_orient),
            a.root_orient_vel - b.root_orient_vel,
            _small_turn(a.pose_body, b.pose_body).flatten(-2),
            (a.joints - b.joints).flatten(-2),
            (a.joints_vel - b.joints_vel).flatten(-2),
        ),
        dim=-1,
    )


def _small_turn(a: Tensor, b: Tensor) -> Tensor:
    """Rotation vector (…, 3) of a bᵀ, exact to first order."""
    turn = a @ b.transpose(-1, -2)
    pairs = ((2, 1), (0, 2), (1, 0))
    return torch.stack([0.5 * (turn[..., i, j] - turn[..., j, i]) for i, j in pairs], dim=-1)
