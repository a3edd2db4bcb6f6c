"""A demo clip, named by ``--data``: with what is stored of its observations, or others made of its motion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optim.config.sources import DEMO, DataSource

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.loading.clip import Clip


def read(settings: Settings) -> Clip:
    """The clip that ``--data`` names."""
    from optim.loading.readers import demo

    return demo.read(settings)


def through_camera(path: Path | None, observed: str) -> bool:
    """Only the stored keypoints are seen through the clip's camera."""
    return observed == "joints2d"


SOURCE = DataSource(
    DEMO,
    ("joints3d", "joints3d_partial", "joints2d", "verts3d", "points3d"),
    read,
    through_camera=through_camera,
    made=("verts3d", "points3d"),
    knows_rate=True,
)
