"""Variants of stage 3 as data: multiple shooting, or one roll-out over all frames, in place of tune, freeze, refine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from optim.schedule.phases import NODES, Phase

DEFECT = "shooting_gap"
"""Name of the loss term of the defects of multiple shooting, and of its weight."""


@dataclass(frozen=True)
class VariantPhase:
    """One phase of a variant of stage 3."""

    name: str
    segment: int | None
    """Number of frames from node to node; None means a single roll-out."""
    tightening: float
    """Factor on the weight of the defects in this phase."""
    steps: int


SHOOTING = (
    VariantPhase("stage 3 shoot", 10, 1.0, 1),
    VariantPhase("stage 3 tighten", 10, 3.0, 2),
    VariantPhase("stage 3 join", None, 0.0, 1),
    VariantPhase("stage 3 refine", None, 0.0, 12),
)
"""Multiple shooting. After ``tighten`` the defects are small enough for the single roll-out. ``join`` fits that
roll-out; then the solver starts again with a preconditioner that is measured there (docs/lab/shooting.md)."""
DIRECT = (VariantPhase("stage 3 begin", None, 0.0, 1), VariantPhase("stage 3 refine", None, 0.0, 15))
"""A single roll-out over all frames from the start; the solver starts again after the first step."""
SINGLE = (VariantPhase("stage 3", None, 0.0, 10),)
"""A single roll-out over all frames in one phase, for a solver that needs no second start."""
VARIANTS = {"shooting": SHOOTING, "direct": DIRECT, "single": SINGLE}
"""Value of ``Preset.stage_3`` → phases of the variant."""


def steps_of(variant: Sequence[VariantPhase]) -> int:
    """Total number of outer steps."""
    return sum(phase.steps for phase in variant)


def node_frames(frames: int, segment: int) -> list[int]:
    """Indices of the frames with a node of multiple shooting: every ``segment``-th, without the first and the last."""
    return list(range(segment, frames - 1, segment))


def phases_of(variant: Sequence[VariantPhase], whole: Phase, *, frames: int) -> list[Phase]:
    """The phases of a variant, with as many steps in total as stage 3 has; with few steps, at least the last has one.

    Args:
        whole: Stage 3 as one phase; its weight of the defects holds for the first phase of the variant.
        frames: Frames of the tune phase that the variant replaces, for the scale of ``init_motion_prior``.
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
