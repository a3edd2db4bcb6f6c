"""A summary of a fit to a video with one row per stage: time, reprojection error, foot skate and penetration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optim.diagnostics.agreement import reprojection
from optim.diagnostics.ground import ground
from optim.session.fit import Fit
from optim.session.history import Snapshot


@dataclass(frozen=True)
class StageFigures:
    """Figures of one snapshot; NaN where there is nothing to measure."""

    name: str
    minutes: float
    loss: float
    reprojection_px: float
    """Median over the keypoints that weigh and are not doubted [px]."""
    skate_mm: float
    """Mean horizontal move [mm/frame] of feet near the floor."""
    penetration_cm: float
    """Depth [cm] of the lowest vertex below the floor, mean over the frames."""
    deep_share: float
    """Share of frames in which the depth is more than 3 cm."""


def stage_figures(fit: Fit, snapshot: Snapshot, *, name: str, minutes: float) -> StageFigures:
    """Compute the figures of a snapshot; this poses the whole mesh."""
    image, feet = reprojection(fit, snapshot), ground(fit, snapshot)
    assert feet.depth_cm is not None
    return StageFigures(
        name,
        minutes,
        float(snapshot.evaluation.total),
        np.nan if image is None else float(np.nanmedian(np.where(image.used, image.error_px, np.nan))),
        float(feet.skate_mean_mm.mean()),
        float(feet.depth_cm.mean()),
        float((feet.depth_cm > 3.0).mean()),
    )


def table(rows: Sequence[StageFigures]) -> str:
    """The rows as a Markdown table."""
    heads = ("minutes", "reprojection, median [px]", "foot skate [mm/frame]", "in the floor, mean [cm]", "over 3 cm")
    lines = [f"| | {' | '.join(heads)} |", "|---" * 6 + "|"]
    for row in rows:
        lines.append(
            f"| {row.name} | {row.minutes:.1f} | {row.reprojection_px:.1f} | {row.skate_mm:.1f} |"
            f" {row.penetration_cm:.1f} | {100 * row.deep_share:.0f} % |"
        )
    return "\n".join(lines)
