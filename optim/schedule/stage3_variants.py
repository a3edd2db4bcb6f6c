"""Variants of stage 3 in place of tune, freeze, refine: multiple shooting, or the whole roll-out at once; as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from optim.schedule.phases import NODES, Phase

DEFECT = "shooting_gap"
"""The loss term of the defects of multiple shooting, and its weight."""


@dataclass(frozen=True)
class VariantPhase:
    """A phase of a variant."""

    name: str
    segment: int | None
    """Frames from node to node; None: the single roll-out."""
    tightening: float
    """Factor on the weight of the defects."""
    steps: int


SHOOTING = (
    VariantPhase("stage 3 shoot", 10, 1.0, 1),
    VariantPhase("stage 3 tighten", 10, 3.0, 2),
    VariantPhase("stage 3 join", None, 0.0, 1),
    VariantPhase("stage 3 refine", None, 0.0, 12),
)
"""After ``tighten`` the defects are small enough for the single roll-out; after ``join``, which brings it together, the
solver begins once more with a preconditioner measured there (docs/lab/shooting.md)."""
DIRECT = (VariantPhase("stage 3 begin", None, 0.0, 1), VariantPhase("stage 3 refine", None, 0.0, 15))
"""The single roll-out over all frames from the start; the solver begins once more after the first step."""
VARIANTS = {"shooting": SHOOTING, "direct": DIRECT}
"""By ``Preset.stage_3``."""


def steps_of(variant: Sequence[VariantPhase]) -> int:
    """Total number of outer steps."""
    return sum(phase.steps for phase in variant)


def node_frames(frames: int, segment: int) -> list[int]:
    """Frames that the nodes of multiple shooting are at: every ``segment``-th but for the first and the last."""
    return list(range(segment, frames - 1, segment))


def phases_of(variant: Sequence[VariantPhase], whole: Phase, *, frames: int) -> list[Phase]:
    """The phases of a variant in as many steps as the whole of stage 3 has; where these are few, the last is kept.

    Args:
        whole: Stage 3 as one phase; its weight of the defects is that of the first phase.
        frames: Frames of the tune phase that this takes the place of, for the scale of ``init_motion_prior``.
    """
    phases, left = [], whole.steps
    rest = {name: value for name, value in whole.weights.items() if name != DEFECT}
    for row in variant:
        wanted = max(1, round(row.steps * whole.steps / steps_of(variant)))
        phase = replace(
            whole,
            name=row.name,
            steps=left if row is variant[-1] else min(left - 1, wanted),
            init_motion_frames=frames,
            weights=rest,
        )
        if row.segment is not None:
            variables = (*whole.variables, NODES)
            weights = rest | {DEFECT: whole.weight(DEFECT) * row.tightening}
            phase = replace(phase, segment=row.segment, variables=variables, weights=weights)
        phases.append(phase)
        left -= phase.steps
    return phases


def tightness(phases: Iterable[Phase], current: Phase | None) -> float:
    """Weight of the defects that other phases' are in proportion to: the current phase's, else the first; or 0."""
    first = next((phase.weight(DEFECT) for phase in phases if phase.weight(DEFECT)), 0.0)
    return first if current is None else current.weight(DEFECT) or first
