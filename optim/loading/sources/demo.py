"""The source of demo clips, named by ``--data``: stored observations, or others made from the motion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optim.config.sources import DEMO, DataSource

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.loading.clip import Clip


def read(settings: Settings) -> Clip:
    """Read the clip that ``--data`` names."""
    from optim.loading.readers import demo

    return demo.read(settings)


def through_camera(path: Path | None, observed: str) -> bool:
    """Whether the observations are in the camera's frame. Only the stored 2D keypoints are."""
    return observed == "joints2d"


SOURCE = DataSource(
    DEMO,
    ("joints3d", "joints3d_partial", "joints2d", "verts3d", "points3d"),
    read,
    through_camera=through_camera,
    made=("verts3d", "points3d"),
    knows_rate=True,
)
