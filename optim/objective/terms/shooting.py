"""Term of multiple shooting: the end of a segment and the beginning of the next one should be the same state."""

from __future__ import annotations

from torch import Tensor

from optim.objective.terms.scene import Scene, there


def shooting_gap(scene: Scene) -> Tensor:
    """½ squared defect [m²] at the frames of nodes and 0 elsewhere, (B, T); see ``shooting.Defects.residual``."""
    defects = there(scene.in_prior.defects)
    residual = scene.joints.new_zeros(scene.joints.shape[:2])
    residual[:, list(defects.frames)] = defects.residual()
    return residual
