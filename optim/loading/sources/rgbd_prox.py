"""The sources of recordings of the PROX data set: with depth, or with keypoints alone. Both read the same folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optim.config.sources import DataSource
from optim.loading.images.rgbd_files import is_prox, prox_names
from optim.loading.sources.rgb import OF_IMAGES, through_camera

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.loading.clip import Clip


def read(settings: Settings) -> Clip:
    """Read the recording that ``--data-path`` and ``--clip`` name."""
    from optim.loading.readers import rgbd

    return rgbd.read_prox(settings)


def names(settings: Settings) -> list[str]:
    """Names of the recordings below ``--data-path``."""
    assert settings.data_path is not None
    return prox_names(settings.data_path)


KEYPOINTS = DataSource(
    "PROX-RGB",
    ("joints2d",),
    read,
    help="recordings of PROX, their keypoints",
    through_camera=through_camera,
    options=OF_IMAGES,
    clips=names,
    in_stretches=True,
)
DEPTH = DataSource(
    "PROX-RGBD",
    ("points3d",),
    read,
    help="recordings of PROX",
    recognise=is_prox,
    through_camera=through_camera,
    options=(*OF_IMAGES, "depth_scale"),
    clips=names,
    in_stretches=True,
)
