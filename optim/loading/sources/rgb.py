"""A video of one person, seen as 2D keypoints through a camera."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from optim.config.sources import DataSource
from optim.reading.files import is_file

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.loading.clip import Clip

OF_IMAGES = ("op_keypts", "person", "mask_joints2d", "rgb_intrinsics", "rgb_planercnn_res")
"""Settings of whatever is seen in images."""
SIGNATURE = re.compile(
    rb"....(ftyp|moov|mdat|wide)"  # MP4 and QuickTime
    rb"|RIFF....AVI "
    rb"|\x1a\x45\xdf\xa3"  # Matroska and WebM
    rb"|GIF8[79]a"
    rb"|\x00\x00\x01[\xb3\xba]"  # MPEG
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # Windows Media
    re.DOTALL,
)
"""How the files of a video begin."""


def read(settings: Settings) -> Clip:
    """The video that ``--data-path`` names."""
    from optim.loading.readers import rgb

    return rgb.read(settings)


def recognise(path: Path) -> bool:
    """A file that begins as videos do."""
    if not is_file(path):
        return False
    with path.open("rb") as file:
        return SIGNATURE.match(file.read(16)) is not None


def through_camera(path: Path | None, observed: str) -> bool:
    """Always."""
    return True


SOURCE = DataSource(
    "RGB",
    ("joints2d",),
    read,
    help="a video of one person",
    recognise=recognise,
    endings=(".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif"),
    through_camera=through_camera,
    options=OF_IMAGES,
    knows_rate=True,
)
