"""Which kind of data a path holds, told from names alone. Opens no array and needs no torch."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from optim.common.errors import InputError

MODALITIES = ("points3d", "joints2d", "joints3d", "verts3d")
"""Names of observations in an .npz; where there are several, the first one here decides the weights."""
OF_A_CAMERA = ("camera_matrix", "cam_mtx", "floor_plane", "joints2d")
"""Arrays of an .npz of observations that say that its frame is a camera's."""
VIDEO_ENDINGS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif")


@dataclass(frozen=True)
class Kind:
    """A kind of data and what can be observed of it; the first of these is the default."""

    observed: tuple[str, ...]
    through_camera: bool = False
    reads: str = ""
    """For ``--help``."""


KINDS: dict[str, Kind] = {
    "demo": Kind(("joints3d", "joints3d_partial", "joints2d", "verts3d", "points3d")),
    "AMASS": Kind(("joints3d", "verts3d", "points3d"), reads="a motion .npz, or a folder of them"),
    "RGB": Kind(("joints2d",), through_camera=True, reads="a video of one person"),
    "RGBD": Kind(("points3d",), through_camera=True, reads="a folder of depth images or point clouds"),
    "PROX-RGB": Kind(("joints2d",), through_camera=True, reads="recordings of PROX, their keypoints"),
    "PROX-RGBD": Kind(("points3d",), through_camera=True, reads="recordings of PROX"),
    "observations": Kind(MODALITIES, reads="an .npz with points3d, joints3d, verts3d or joints2d"),
}
"""``Settings.kind`` → what it is. All but ``demo`` are values of ``--data-type``."""
NOT_READ = {
    "iMapper-RGB": "iMapper's scenes are not read; give their video, or --op-keypts, with --data-type RGB",
}
"""Data types of HuMoR that are refused → why, and what to do."""


def kind_of(path: Path | None, data_type: str | None) -> str:
    """The kind of ``--data-path``: as ``--data-type`` says, or by ending, folder names and names of arrays.

    Raises:
        InputError: A data type that is not read, or one without a path.
    """
    if data_type in NOT_READ:
        raise InputError(f"--data-type {data_type}: {NOT_READ[data_type]}")
    if path is None:
        if data_type is not None:
            raise InputError(f"--data-type {data_type}: it goes with --data-path")
        return "demo"
    if data_type is not None:
        return data_type
    if path.suffix.lower() in VIDEO_ENDINGS:
        return kind_of(path, "RGB")
    if any((path / name).is_dir() for name in ("qualitative", "recordings")):
        return "PROX-RGBD"
    if any((path / name).is_dir() for name in ("Depth", "depth", "Points", "points")) or any(path.glob("*.ply")):
        return "RGBD"
    names = set(array_names(path))
    return "observations" if names & set(MODALITIES) and "trans" not in names else "AMASS"


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays in an .npz; none where it is no such file (its reader will say what is wrong)."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return ()


def default_observed(kind: str, path: Path | None) -> str:
    """What is observed of a kind of data unless the user says otherwise."""
    offered = KINDS[kind].observed
    there = set(array_names(path)) if kind == "observations" and path is not None else set()
    return next((name for name in offered if name in there), offered[0])


def has_camera(kind: str, path: Path | None, observed: str) -> bool:
    """Whether what is observed is in the frame of a camera rather than of a world with z up."""
    if kind == "observations" and path is not None:
        return bool(set(array_names(path)) & set(OF_A_CAMERA))
    return KINDS[kind].through_camera or observed == "joints2d"
