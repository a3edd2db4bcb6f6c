"""Read a demo clip: a motion in AMASS format together with stored observations of it.

World frame: z up, floor at z = 0. Camera frame: x right, y down, z forward. ``python -m assets.build demo`` writes the
files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import assets
from optim.common.errors import InputError
from optim.loading.files.amass import FPS, Motion, read_motion
from optim.reading.arrays import read_arrays, require_finite

WHAT = "a demo clip (trans, poses, joints3d, joints2d, camera_matrix, …)"
_SHAPES: dict[str, tuple[int, ...]] = {
    "joints3d": (-1, 22, 3),
    "joints3d_partial": (-1, 22, 3),
    "joints2d": (-1, 25, 3),
    "camera_matrix": (3, 3),
    "image_size": (2,),
    "floor_plane": (4,),
    "R_camera_world": (3, 3),
    "t_camera_world": (3,),
}
"""Shapes of the stored arrays. -1 stands for the number of frames of the motion."""


@dataclass(frozen=True)
class DemoClip:
    """A motion of N frames with stored observations, float32."""

    motion: Motion
    joints3d: np.ndarray  # (N, 22, 3) [m], world frame, with noise
    joints3d_partial: np.ndarray  # (N, 22, 3) the same, with +inf where hidden
    joints2d: np.ndarray  # (N, 25, 3) x, y [px], confidence
    camera_matrix: np.ndarray  # (3, 3) px
    image_size: tuple[int, int]  # width, height, px
    floor_plane: np.ndarray  # (4,) normal and offset in the camera frame, as estimated
    floor_plane_true: np.ndarray  # (4,) the true normal and offset
    R_camera_world: np.ndarray  # (3, 3)
    t_camera_world: np.ndarray  # (3,) m


def clip_names(folder: Path = assets.DEMO_FOLDER) -> list[str]:
    """Names of the shipped clips."""
    return sorted(path.stem for path in folder.glob("*.npz"))


def find_clip(name: str) -> Path:
    """File of a clip, by the name of a shipped clip or by its path.

    Raises:
        InputError: There is no such clip or file; names the shipped clips.
    """
    shipped = assets.DEMO_FOLDER / f"{name}.npz"
    if shipped.is_file():
        return shipped
    if Path(name).suffix == ".npz" or Path(name).exists():
        return Path(name)
    raise InputError(f"no demo clip is called {name}; there are {', '.join(clip_names()) or 'none'}")


def read_demo(path: Path) -> DemoClip:
    """Read one clip.

    Raises:
        InputError: The file is missing, is not a demo clip, has wrong shapes or NaN, or is not at 30 frames/s.
    """
    motion = read_motion(path)
    if motion.resampled:
        raise InputError(f"{path}: {motion.source_fps:g} frames/s; the observations of a demo clip must be at {FPS:g}")
    arrays = read_arrays(path, tuple(_SHAPES), optional=("floor_plane_true",), what=WHAT)
    for name, shape in _SHAPES.items():
        expected = tuple(len(motion.trans) if n == -1 else n for n in shape)
        if arrays[name].shape != expected:
            raise InputError(f"{path}: {name} has shape {arrays[name].shape}; {expected} is expected")
        if not name.startswith("joints3d"):
            require_finite(arrays[name], name=name, path=path)
    size = arrays.pop("image_size")
    single = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    single.setdefault("floor_plane_true", single["floor_plane"])
    return DemoClip(motion=motion, image_size=(int(size[0]), int(size[1])), **single)
