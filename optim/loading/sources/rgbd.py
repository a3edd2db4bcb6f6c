"""The source of folders of depth images or point files, in the frame of the colour camera."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optim.config.sources import DataSource
from optim.loading.images.rgbd_files import is_plain, is_prox
from optim.loading.sources.rgb import OF_IMAGES, through_camera

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.loading.clip import Clip


def read(settings: Settings) -> Clip:
    """Read the folder that ``--data-path`` names."""
    from optim.loading.readers import rgbd

    return rgbd.read_folder(settings)


def recognise(path: Path) -> bool:
    """Whether a folder holds ``Depth``, ``Points`` or .ply files and is not PROX's data set."""
    return is_plain(path) and not is_prox(path)


RGBD = DataSource(
    "RGBD",
    ("points3d",),
    read,
    help="a folder of depth images or point clouds",
    recognise=recognise,
    through_camera=through_camera,
    options=(*OF_IMAGES, "depth_scale", "unit"),
)
