"""The source of observations in an .npz: points, joints, vertices or keypoints, as in ``observations.npz`` of a fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optim.config.sources import DataSource
from optim.loading.files.observation_names import OF_A_CAMERA
from optim.reading.arrays import array_names
from optim.schedule.data_types import MODALITIES

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.loading.clip import Clip


def read(settings: Settings) -> Clip:
    """Read the observations that ``--data-path`` names."""
    from optim.loading.readers import observations

    return observations.read(settings)


def recognise(path: Path) -> bool:
    """Whether a file is an .npz of observations without a motion."""
    names = array_names(path)
    return bool(set(names) & set(MODALITIES)) and "trans" not in names


def through_camera(path: Path | None, observed: str) -> bool:
    """Whether the observations are in a camera's frame, judging by the names of the arrays."""
    return observed == "joints2d" if path is None else bool(OF_A_CAMERA & set(array_names(path)))


SOURCE = DataSource(
    "observations",
    MODALITIES,
    read,
    help="an .npz with points3d, joints3d, verts3d or joints2d",
    recognise=recognise,
    endings=(".npz",),
    held=array_names,
    through_camera=through_camera,
    options=("rgb_intrinsics", "rgb_planercnn_res", "unit", "up", "floor_height", "sides"),
)
