"""The source of videos of one person, observed as 2D keypoints."""

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
"""Settings of all sources that observe images."""
SIGNATURE = re.compile(
    rb"....(ftyp|moov|mdat|wide)"  # MP4 and QuickTime
    rb"|RIFF....AVI "
    rb"|\x1a\x45\xdf\xa3"  # Matroska and WebM
    rb"|GIF8[79]a"
    rb"|\x00\x00\x01[\xb3\xba]"  # MPEG
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # Windows Media
    re.DOTALL,
)
"""First bytes of video files."""


def read(settings: Settings) -> Clip:
    """Read the video that ``--data-path`` names."""
    from optim.loading.readers import rgb

    return rgb.read(settings)


def recognise(path: Path) -> bool:
    """Whether a file begins with the first bytes of a video."""
    if not is_file(path):
        return False
    with path.open("rb") as file:
        return SIGNATURE.match(file.read(16)) is not None


def through_camera(path: Path | None, observed: str) -> bool:
    """Whether the observations are in a camera's frame. Those from images always are."""
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
