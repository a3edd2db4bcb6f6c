"""The source of motions in AMASS format, or folders of them, observed as in HuMoR's experiments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optim.config.sources import MOTION, DataSource
from optim.loading.clips import motion_names
from optim.reading.arrays import array_names

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.loading.clip import Clip

OBSERVED = ("joints3d", "verts3d", "points3d")


def read(settings: Settings) -> Clip:
    """Read the motion file that ``--data-path`` names, or one of its folder."""
    from optim.loading.readers import motion

    return motion.read(settings)


def names(settings: Settings) -> list[str]:
    """Names of the motions below ``--data-path``. A folder of something else is refused with the flag that takes it."""
    from optim.loading.kinds import require_data

    assert settings.data_path is not None
    require_data(settings.data_path)
    return motion_names(settings)


def recognise(path: Path) -> bool:
    """Whether a file is an .npz with a trajectory.

    Folders need not be recognised here, because this source is taken for a path that no source recognises.
    """
    return "trans" in array_names(path)


SOURCE = DataSource(
    MOTION,
    OBSERVED,
    read,
    help="a motion .npz, or a folder of them",
    recognise=recognise,
    endings=(".npz",),
    made=OBSERVED,
    options=("unit", "up", "floor_height", "degrees", "euler"),
    knows_rate=True,
    clips=names,
)
