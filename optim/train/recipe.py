"""All numbers of a training run of the motion prior, and how they change during the run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple


class Phase(NamedTuple):
    """Sizes of an update, which stay the same for a part of the run."""

    length: int  # transitions per window
    windows: int
    closed: int  # of them rolled out closed-loop; the others give single transitions from true states
    sampled: int  # of those with latents of the prior instead of the posterior


@dataclass(frozen=True)
class Recipe:
    """All numbers of a training run. Lengths are in frames, and times are fractions of the run."""

    updates: int = 9_000
    minutes: float = math.inf  # the run also ends after this time; fractions are of what ends it
    transitions: int = 640  # per update; more if windows are long
    fewest_windows: int = 22  # per update
    learning_rate: float = 5e-5
    gathering: float = 0.0  # end of the time in which weights rest while the optimiser learns the sizes of gradients
    warm_up: float = 0.02  # time after that in which the learning rate rises linearly
    linear_start: int = 20_000  # transitions to which the initial weights are fitted; 0 gives random weights
    supervised: float = 0.06  # end of the time with single transitions only
    full_closed_loop: float = 0.15  # time from which 80 % of the windows are rolled out closed-loop
    window_growth: tuple[tuple[float, int], ...] = (
        *((0.0, 10), (0.25, 15), (0.36, 22)),
        *((0.48, 32), (0.62, 45), (0.85, 59)),
    )
    sampling: float = 0.25  # time from which some closed-loop windows follow the prior
    sampled_share: float = 0.25  # of the closed-loop windows
    kl: float = 2e-3
    kl_annealed: float = 0.05
    contact: float = 0.12
    contact_velocity: float = 0.12
    parts: dict[str, float] = field(
        default_factory=lambda: {
            "trans": 360.0,
            "trans_vel": 6.0,
            "root_orient": 180.0,
            "root_orient_vel": 1.8,
            "pose_body": 36.0,
            "joints": 180.0,
            "joints_vel": 6.0,
        }
    )
    body_joints: float = 270.0  # joints of the body model under the predicted pose against the data
    joint_consistency: float = 720.0  # regressed joints against those of the body model
    sample_consistency: float = 72.0  # the same along motions drawn from the prior
    sample_slide: float = 0.05  # feet that leave their place on the floor, in motions drawn from the prior
    sample_speed: float = 0.0  # their speeds against those of the data that they begin with
    world: float = 24.0  # closed-loop root position [m²] and heading against the data, in the window's frame
    input_noise: float = 1.0  # × (1 cm, 0.1 m/s, 0.03 rad) on the first state of half the closed-loop windows
    beta_std: float = 0.8
    warp: bool = True  # windows are played faster or slower by up to 20 %
    rare_share: float = 0.2  # share of the windows that are drawn from those with a rare frame only
    lent_arms: float = 0.3  # share of the windows whose arms move like those of another window
    planted_share: float = 0.0  # share of the windows that are cut from clips whose planted feet stand (``plant_feet``)
    single_share: float = 0.5  # of the loss, for single transitions from true states where both kinds are trained
    weight_decay: float = 0.3  # by which weights shrink with each update, times the learning rate
    gradient_norm: float = 12.0
    average: float = 0.999  # decay per update of the running average of the weights
    seed: int = 0

    def phase(self, progress: float) -> Phase:
        """The sizes at a fraction of the run."""
        length = next(length for start, length in reversed(self.window_growth) if progress >= start)
        windows = max(self.fewest_windows, self.transitions // length)
        closed = round(windows * self.closed_loop_share(progress))
        return Phase(length, windows, closed, round(closed * self.sampled_share) if progress >= self.sampling else 0)

    def closed_loop_share(self, progress: float) -> float:
        """Share of the windows that are rolled out through their own predictions: none, then 40 %, then 80 %."""
        return 0.0 if progress < self.supervised else 0.4 if progress < self.full_closed_loop else 0.8

    def learning_rate_at(self, progress: float) -> float:
        """Learning rate at a fraction of the run: a linear rise, then a cosine to 1 % of the peak."""
        if progress < self.gathering:
            return 0.0
        risen = self.gathering + self.warm_up
        if progress < risen:
            return self.learning_rate * ((progress - self.gathering) / self.warm_up + 1e-3)
        decay = (progress - risen) / (1 - risen)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(decay, 1.0))))

    def kl_at(self, progress: float) -> float:
        """Weight of the KL divergence at a fraction of the run."""
        return self.kl if progress >= self.kl_annealed else self.kl * progress / self.kl_annealed

    def continued(self) -> Recipe:
        """The recipe for weights that were trained before: the sizes of its end from the first update.

        Without a time of gathering, the first steps of Adam are equally large in all weights and spoil what was learnt.
        """
        return replace(
            self,
            linear_start=0,
            gathering=0.1,
            supervised=0.0,
            full_closed_loop=0.0,
            sampling=0.0,
            kl_annealed=0.0,
            window_growth=((0.0, self.window_growth[-1][1]),),
        )
