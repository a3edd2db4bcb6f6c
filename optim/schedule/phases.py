"""A phase of the schedule as data: its variables, steps, frames and weights. This module needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optim.common.errors import InputError
from optim.schedule.presets import PRESETS, Preset
from optim.schedule.solvers import MODELLED, SolverName
from optim.schedule.terms import Need

INITIAL_STATE = ("trans", "root_orient", "latent_pose", "trans_vel", "joints_vel", "root_orient_vel")
"""The variables of x_0, the state of the first frame, in stage 3."""
STAGE_3 = (
    "trans",
    "root_orient",
    "latent_pose",
    "betas",
    "latent_motion",
    "trans_vel",
    "joints_vel",
    "root_orient_vel",
)
"""The variables of stage 3. With a camera, ``floor_plane`` is added."""
NODES = "nodes"
"""The variable of multiple shooting: the states at which its segments begin."""

FLAT_ITERATIONS = PRESETS["reference"].flat_iterations
"""Default of ``Phase.flat_iterations``."""


def check_flat(gain: float, iterations: int) -> None:
    """Check the numbers of the rule that ends a phase early (see ``Phase.flat_gain``).

    Raises:
        InputError: The gain is not a share from 0 up to 1, or there are no iterations over which it is counted.
    """
    if not 0 <= gain < 1:
        raise InputError(f"flat_gain is {gain:g}; give a share of the loss from 0 (never ends early) up to 1")
    if iterations < 1:
        raise InputError(f"flat_iterations is {iterations}; the gain is counted over at least 1 iteration")


@dataclass(frozen=True)
class Phase:
    """A sequence of outer steps with one objective and one solver. ``weights`` must not be changed in place."""

    name: str
    stage: int
    variables: tuple[str, ...]
    steps: int
    iterations: int = 20
    """Largest number of the solver's iterations in a step."""
    frames: int | None = None
    """Number of first frames that are rolled out and observed; None means all."""
    weights: Mapping[str, float] = field(default_factory=dict)
    joining: Mapping[str, float] = field(default_factory=dict)
    """Name of a weight → the value with which its term joins only where the motion is unknown (``is_joining``)."""
    init_motion_frames: int | None = None
    """``init_motion_prior`` is scaled by (number of frames) / this number; None means by 1."""
    segment: int | None = None
    """Number of frames from node to node in multiple shooting (stage 3); None means one roll-out."""
    preset: Preset = PRESETS["humorscope"]
    solver: SolverName = "lbfgs"
    """Name of the solver (``solvers.SOLVERS``)."""
    flat_gain: float = 0.0
    """The phase ends before its steps are done when ``flat_iterations`` iterations have lowered the loss by less than
    this share of its size; 0 means never."""
    flat_iterations: int = FLAT_ITERATIONS
    for_hidden: bool = False
    """Whether the fit leaves the phase out unless the observations hide much of the body (``Preset.hidden_joints``)."""

    def weight(self, name: str) -> float:
        """The weight of a name; 0 where the phase does not have it."""
        return self.weights.get(name, 0.0)

    def is_joining(self, name: str) -> bool:
        """Whether a weight counts only where the motion is unknown: the preset has added it, and nobody changed it."""
        return name in self.joining and self.weight(name) == self.joining[name]

    @property
    def offers(self) -> frozenset[Need]:
        """Inputs of loss terms that depend on the phase, not on the problem (see ``Term.needs``)."""
        return frozenset() if self.segment is None else frozenset({"nodes"})

    def is_flat(self, losses: Sequence[float], size: float) -> bool:
        """Whether the last iterations have gained too little for the phase to go on.

        Args:
            losses: The loss of the last iterations, the newest last.
            size: Sum of the absolute values of the terms of the loss. It is not the loss itself, because the loss may
                be near 0 or negative.
        """
        if not self.flat_gain or len(losses) <= self.flat_iterations:
            return False
        return losses[-1 - self.flat_iterations] - losses[-1] < self.flat_gain * size

    @property
    def flat_rule(self) -> str:
        """The rule by which ``is_flat`` ends the phase, in words; empty if it never does."""
        if not self.flat_gain:
            return ""
        return f"the loss gains less than {100 * self.flat_gain:g} % in {self.flat_iterations} iterations"

    @property
    def preconditioned(self) -> bool:
        """Whether the solver has a diagonal preconditioner, or a model, which is made when the phase begins."""
        return self.stage == 3 and (self.preset.preconditioner == "measured" or self.solver == MODELLED)
