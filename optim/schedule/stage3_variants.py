"""Ways through stage 3 other than tune, freeze, refine: by multiple shooting, or straight on; as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optim.schedule.stages import Phase

NODES = "nodes"
"""The variable of multiple shooting."""
GAP = "shooting_gap"
GAP_WEIGHTS = {"3d": 10.0, "verts3d": 10.0, "points3d": 10.0, "rgb": 1000.0, "rgbd": 1000.0}
"""Weight of the gap in the first phase, by data type: ten times that of ``joint_consistency``."""


@dataclass(frozen=True)
class Shot:
    """A phase of such a way."""

    name: str
    segment: int | None
    """Frames from node to node; None: the single roll-out."""
    tightening: float
    """Times the weight of the gap."""
    steps: int


SHOOTING = (
    Shot("stage 3 shoot", 10, 1.0, 1),
    Shot("stage 3 tighten", 10, 3.0, 2),
    Shot("stage 3 join", None, 0.0, 1),
    Shot("stage 3 refine", None, 0.0, 12),
)
"""After ``tighten`` the gaps are small enough for the single roll-out; after ``join``, which brings it together, the
solver begins once more with units measured there (docs/shooting.md)."""
DIRECT = (Shot("stage 3 begin", None, 0.0, 1), Shot("stage 3 refine", None, 0.0, 15))
"""The single roll-out over all frames from the start; the solver begins once more after the first step."""
SHOTS = {"shooting": SHOOTING, "direct": DIRECT}
"""By ``Preset.stage_3``."""


def steps_of(shots: Sequence[Shot]) -> int:
    """In all."""
    return sum(shot.steps for shot in shots)


def node_frames(frames: int, segment: int) -> list[int]:
    """Frames that the nodes of multiple shooting stand at: every ``segment``-th but for the first and the last."""
    return list(range(segment, frames - 1, segment))


def phases_of(shots: Sequence[Shot], whole: Phase, *, gap: float, frames: int) -> list[Phase]:
    """These phases in as many steps as the whole of stage 3 has; where these are few, the last one is served first.

    Args:
        gap: Weight of the gap in the first phase, where ``whole`` has none.
        frames: Frames of the tune phase that this takes the place of, for the scale of ``init_motion_prior``.
    """
    phases, left = [], whole.steps
    gap = whole.weight(GAP) or gap
    rest = {name: value for name, value in whole.weights.items() if name != GAP}
    for shot in shots:
        wanted = max(1, round(shot.steps * whole.steps / steps_of(shots)))
        phase = replace(
            whole,
            name=shot.name,
            steps=left if shot is shots[-1] else min(left - 1, wanted),
            init_motion_frames=frames,
            weights=rest,
        )
        if shot.segment is not None:
            nodes = (*whole.variables, NODES)
            phase = replace(phase, segment=shot.segment, variables=nodes, weights=rest | {GAP: gap * shot.tightening})
        phases.append(phase)
        left -= phase.steps
    return phases


def tightness(phases: Iterable[Phase], current: Phase | None) -> float:
    """Weight of the gap that those of other phases are in proportion to: the current phase's, or the first; or 0."""
    first = next((phase.weight(GAP) for phase in phases if phase.weight(GAP)), 0.0)
    return first if current is None else current.weight(GAP) or first
