"""A phase of the schedule as data: its variables, steps, frames and weights. This module needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optim.schedule.presets import PRESETS, Preset
from optim.schedule.solvers import SolverName
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
    init_motion_frames: int | None = None
    """``init_motion_prior`` is scaled by (number of frames) / this number; None means by 1."""
    segment: int | None = None
    """Number of frames from node to node in multiple shooting (stage 3); None means one roll-out."""
    preset: Preset = PRESETS["humorscope"]
    solver: SolverName = "lbfgs"
    """Name of the solver (``solvers.SOLVERS``)."""

    def weight(self, name: str) -> float:
        """The weight of a name; 0 where the phase does not have it."""
        return self.weights.get(name, 0.0)

    @property
    def offers(self) -> frozenset[Need]:
        """Inputs of loss terms that depend on the phase, not on the problem (see ``Term.needs``)."""
        return frozenset() if self.segment is None else frozenset({"nodes"})

    @property
    def preconditioned(self) -> bool:
        """Whether the solver has a diagonal preconditioner, which is measured when the phase begins."""
        return self.stage == 3 and self.preset.preconditioner == "measured"
