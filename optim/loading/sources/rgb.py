"""The source of videos of one person, observed as 2D keypoints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from optim.config.sources import DataSource
from optim.loading.images.rgbd_files import IMAGE_ENDINGS, is_plain, is_prox
from optim.reading.files import is_file, is_folder

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.loading.clip import Clip

OF_IMAGES = ("op_keypts", "person", "mask_joints2d", "rgb_intrinsics", "rgb_planercnn_res")
"""Settings of all sources that observe images."""
OF_KEYPOINTS = ("keypoints_set", "keypoints_size", "keypoints_axes", "sides")
"""Settings that describe the user's keypoints of a video."""
SIGNATURE = re.compile(
    rb"....(ftyp|moov|mdat|wide)"  # MP4 and QuickTime
    rb"|RIFF....AVI "
    rb"|\x1a\x45\xdf\xa3"  # Matroska and WebM
    rb"|GIF8[79]a"
    rb"|\x00\x00\x01[\xb3\xba]"  # MPEG
    rb"|FLV\x01"
    rb"|OggS"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # Windows Media
    re.DOTALL,
)
"""First bytes of video files."""
PACKETS = ((0, 188), (4, 192))
"""Offset and distance [bytes] of the byte 0x47 that begins each packet of an MPEG transport stream."""


def read(settings: Settings) -> Clip:
    """Read the video that ``--data-path`` names."""
    from optim.loading.readers import rgb

    return rgb.read(settings)


def recognise(path: Path) -> bool:
    """Whether a file begins with the first bytes of a video, or a folder holds images and no data of another kind."""
    if is_folder(path):
        names = {file.suffix.lower() for file in path.iterdir()}
        return bool(names & set(IMAGE_ENDINGS)) and ".npz" not in names and not is_plain(path) and not is_prox(path)
    if not is_file(path):
        return False
    with path.open("rb") as file:
        start = file.read(1024)
    packets = any(len(start) > 3 * step and set(start[first::step]) == {0x47} for first, step in PACKETS)
    return packets or SIGNATURE.match(start) is not None


def through_camera(path: Path | None, observed: str) -> bool:
    """Whether the observations are in a camera's frame. Those from images always are."""
    return True


SOURCE = DataSource(
    "RGB",
    ("joints2d",),
    read,
    help="a video of one person, or a folder of its images",
    recognise=recognise,
    endings=(
        *(".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif"),
        *(".mts", ".m2ts", ".ts", ".3gp", ".3g2", ".flv", ".f4v", ".ogv", ".asf", ".vob"),
    ),
    through_camera=through_camera,
    options=(*OF_IMAGES, "rotate", *OF_KEYPOINTS),
    of_keypoints=OF_KEYPOINTS,
)
