"""The source of joints and markers in space: BVH, TRC, C3D, and HumanML3D's .npy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from optim.config.sources import DataSource
from optim.reading.files import is_file

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.loading.clip import Clip

_STARTS = {".bvh": b"HIERARCHY", ".trc": b"PathFileType"}
_C3D = 0x50
"""Second byte of C3D files."""


def read(settings: Settings) -> Clip:
    """Read the file that ``--data-path`` names."""
    from optim.loading.readers import skeletons

    return skeletons.read(settings)


def held(path: Path) -> tuple[str, ...]:
    """What a file holds: joints, or markers if their names are not those of joints."""
    from optim.common.errors import InputError
    from optim.loading.files.skeletons import read_recording

    try:
        return ("joints3d",) if read_recording(path).joints else ("points3d",)
    except InputError:
        return ("joints3d",)  # the reader says what is wrong


def recognise(path: Path) -> bool:
    """Whether a file begins as BVH, TRC or C3D does and has the ending."""
    start = _STARTS.get(path.suffix.lower())
    if not is_file(path) or (start is None and path.suffix.lower() != ".c3d"):
        return False
    with path.open("rb") as file:
        if start is None:
            return file.read(2)[1:] == bytes([_C3D])
        return file.read(len(start) + 3).lstrip(b"\xef\xbb\xbf").startswith(start)


SOURCE = DataSource(
    "skeleton",
    ("joints3d", "points3d"),
    read,
    help="joints or markers: BVH, TRC, C3D, .npy of HumanML3D's 22 joints",
    recognise=recognise,
    endings=(".bvh", ".trc", ".c3d", ".npy"),
    held=held,
    options=("unit", "up", "floor_height", "sides"),
)
