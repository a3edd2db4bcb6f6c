"""How far each transition of a motion is outside the motion prior: the one definition of *novelty*.

Two figures of a transition say so. The reconstruction error is what decoding loses of it even with the latent that the
encoder gives it. The change of heading is large where the canonical frame is badly defined: where the body lies on its
side or turns over, its right points up or down, and the frame of the next input jumps. They count where the trunk leans
as no standing person's does; a fast kick is hard to reconstruct too, but there the prior still helps. The divergence of
the encoder from the conditional prior is measured and does not decide, because noise raises it on any motion
(docs/lab/unknown_motion.md). Knows no fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from optim.priors.motion_prior import MotionPrior
from optim.priors.rollout import (
    JOINTS,
    ROOT,
    State,
    Turn,
    apply_change,
    canonical_pairs,
    canonical_turn,
    joint_pivot,
)

NECK = 12
"""Joint of the body at the upper end of the trunk."""
RECONSTRUCTION_CM = (0.6, 0.8)
"""Reconstruction error [cm] at which a transition begins to be new, and at which it is new altogether."""
HEADING_DEG = (8.0, 20.0)
"""Change of heading [° per frame] at which it begins to be new, and at which it is new altogether."""
LEAN_DEG = (40.0, 60.0)
"""Lean of the trunk [°] from which novelty begins to count, and from which it counts altogether."""
REACH, BLUR = 6, 6
"""Frames to either side for which the largest novelty counts, and over which the result is averaged."""


@dataclass(frozen=True)
class Novelty:
    """Figures of every transition, and the novelty of every frame that follows from them."""

    divergence: Tensor
    """(B, T-1) [nats] of the encoder's distribution of the latent from the conditional prior."""
    reconstruction_cm: Tensor
    """(B, T-1) [cm] mean distance of the 22 joints from those that the decoder regresses from the posterior mean."""
    heading_deg: Tensor
    """(B, T-1) [°] turn of the canonical frame from one frame to the next, without its sign."""
    lean_deg: Tensor
    """(B, T-1) [°] angle of the line from the root joint to the neck with the vertical, after the transition."""
    shown: Tensor
    """(B, T) from 0 to 1: how far 3D observations show the body. Where they do not, the motion is a guess, and its
    figures say nothing about the true one."""

    @cached_property
    def frames(self) -> Tensor:
        """Novelty (B, T) from 0, as the prior knows motions, to 1; it changes smoothly from frame to frame.

        The larger of reconstruction error and heading change counts, each between its two bounds, as far as the trunk
        leans and the body is shown. Frame 0 has that of the first transition.
        """
        lost, turned = _risen(self.reconstruction_cm, *RECONSTRUCTION_CM), _risen(self.heading_deg, *HEADING_DEG)
        largest = torch.minimum(torch.maximum(lost, turned), _risen(self.lean_deg, *LEAN_DEG))
        return smoothed(functional.pad(largest[:, None], (1, 0), mode="replicate")[:, 0]) * -smoothed(-self.shown)


def novelty(prior: MotionPrior, motion: State, *, shown: Tensor, turn: Turn = canonical_turn) -> Novelty:
    """The novelty of a motion (B, T, …) in the prior frame, T ≥ 2; no gradients.

    Args:
        motion: States as ``rollout.estimate_states`` makes them.
        shown: (B, T), see ``Novelty``.
        turn: Formula of the canonical frame.
    """
    with torch.no_grad():
        pivot = joint_pivot(motion.joints[:, 0] - motion.trans[:, :1])
        past, now = canonical_pairs(motion.flat(), pivot, turn=turn)
        shape, past, now = past.shape[:2], past.flatten(0, 1), now.flatten(0, 1)
        (mean, variance), (expected, spread) = prior.posterior(past, now), prior.prior(past)
        divergence = 0.5 * (spread.log() - variance.log() + (variance + (mean - expected) ** 2) / spread - 1.0)
        decoded, _ = apply_change(past, prior.decode(past, mean))
        apart = (decoded[:, JOINTS] - now[:, JOINTS]).unflatten(1, (-1, 3)).norm(dim=-1).mean(1)
        cos, sin = turn(now[:, ROOT].reshape(-1, 3, 3))
        heading = torch.atan2(sin, cos).abs().rad2deg()
        trunk = motion.joints[:, 1:, NECK] - motion.joints[:, 1:, 0]
        lean = torch.atan2(trunk[..., :2].norm(dim=-1), trunk[..., 2]).rad2deg()
        return Novelty(divergence.sum(-1).view(shape), 100.0 * apart.view(shape), heading.view(shape), lean, shown)


def smoothed(values: Tensor) -> Tensor:
    """Values (B, T) in which the largest one reaches ``REACH`` frames, and which then are averaged over ``BLUR``."""
    wide = functional.max_pool1d(values[:, None], 2 * REACH + 1, stride=1, padding=REACH)
    return functional.avg_pool1d(functional.pad(wide, (BLUR, BLUR), mode="replicate"), 2 * BLUR + 1, stride=1)[:, 0]


def _risen(values: Tensor, low: float, high: float) -> Tensor:
    """0 up to ``low``, 1 from ``high`` on, and a smooth step between."""
    share = ((values - low) / (high - low)).clamp(0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
