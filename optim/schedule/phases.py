"""A phase as data: which variables move, for how long, on how many frames, under which weights. Knows no tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optim.schedule.presets import PRESETS, Preset
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
"""The variables of stage 3; with a camera there is ``floor_plane`` too."""
NODES = "nodes"
"""The variable of multiple shooting."""


@dataclass(frozen=True)
class Phase:
    """A stretch of outer steps under one objective and one solver; ``weights`` must not be changed in place."""

    name: str
    stage: int
    variables: tuple[str, ...]
    steps: int
    iterations: int = 20
    """L-BFGS iterations per step."""
    frames: int | None = None
    """Only the first so many frames are rolled out and observed; None means all."""
    weights: Mapping[str, float] = field(default_factory=dict)
    init_motion_frames: int | None = None
    """``init_motion_prior`` is scaled by (all frames) / this; None means by 1."""
    segment: int | None = None
    """Stage 3: frames from node to node of multiple shooting; None means one roll-out."""
    preset: Preset = PRESETS["humorscope"]

    def weight(self, name: str) -> float:
        """A weight by name; 0 where the phase does not have it."""
        return self.weights.get(name, 0.0)

    @property
    def offers(self) -> frozenset[Need]:
        """What a loss term may need that depends on the phase rather than on the problem."""
        return frozenset() if self.segment is None else frozenset({"nodes"})

    @property
    def preconditioned(self) -> bool:
        """Whether its solver has a diagonal preconditioner, measured where the phase begins."""
        return self.stage == 3 and self.preset.units == "measured"
