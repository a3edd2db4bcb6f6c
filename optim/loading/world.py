"""Express data in metres, with z up and the floor at z = 0, as ``--unit``, ``--up`` and ``--floor-height`` say.

Also runs the checks of positions for the readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from optim.body.body_model import BodyModel
from optim.body.joints import MIRRORED_JOINTS
from optim.checks.check import Checked
from optim.checks.run import run_checks
from optim.checks.subjects import UNITS, Kind, Positions
from optim.checks.world import TOE, lowest
from optim.config.settings import Settings
from optim.loading.clip import moved
from optim.loading.files.amass import FPS
from optim.problem.frames import PriorFrame
from optim.problem.variables import Trajectory

KINDS: dict[str, Kind] = {"joints3d": "joints", "verts3d": "vertices", "points3d": "cloud"}
"""Observations that are positions in space → their kind."""

_TURNS = {
    "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "-z": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "-y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "x": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "-x": ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
}
"""Value of ``--up`` → rotation from the frame of the data to a world with z up."""


def answered(settings: Settings) -> frozenset[str]:
    """Names of the settings that the user gave and that answer a check."""
    names = (
        "unit",
        "up",
        "floor_height",
        "sides",
        "degrees",
        "euler",
        "intrinsics_size",
        "rotate",
        "depth_scale",
        "keypoints_size",
        "keypoints_axes",
    )
    given = {name: getattr(settings, name) for name in names}
    return frozenset(name for name, value in given.items() if value is not None and value is not False)


def metres(settings: Settings) -> float:
    """Metres in the unit of the data."""
    return UNITS[settings.unit or "m"]


def turn_up(settings: Settings) -> np.ndarray:
    """Rotation (3, 3) from the frame of the data to a world with z up."""
    return np.array(_TURNS[settings.up or "z"], np.float32)


def in_world(
    motion: Trajectory, body: BodyModel, settings: Settings, *, place: Path
) -> tuple[Trajectory, tuple[Checked, ...]]:
    """A whole motion (batch of one) in metres in a world with z up, and what the checks of its path found.

    Raises:
        CheckError: The path is certainly in another unit, or up and the floor are elsewhere.
    """
    if settings.unit not in (None, "m"):
        trans = motion.trans * metres(settings)
        joints = body.joints(trans, motion.root_orient, motion.pose_body, motion.betas)
        motion = replace(motion, trans=trans, joints=joints)
    if settings.up not in (None, "z"):
        motion = moved(motion, PriorFrame(torch.from_numpy(turn_up(settings))[None], torch.zeros(1, 3)), body)
    height = height_of_floor(_positions(motion), settings)
    if height:
        motion = moved(motion, PriorFrame(torch.eye(3)[None], torch.tensor([[0.0, 0.0, -height]])), body)
    return motion, run_checks(_positions(motion), place=place, answered=answered(settings))


def cut(motion: Trajectory, frames: slice) -> Trajectory:
    """Some frames of a motion."""
    names = ("trans", "root_orient", "pose_body", "joints")
    return replace(motion, **{name: getattr(motion, name)[:, frames] for name in names})


def points_in_world(
    seen: Mapping[str, np.ndarray], settings: Settings, *, fps: float, place: Path
) -> tuple[dict[str, np.ndarray], tuple[Checked, ...]]:
    """Observations (T, K, 3) by name in metres and, unless a camera saw them, in a world with z up; 2D is unchanged.

    Returns:
        The observations, and what the checks of the 3D ones found. Missing points stay as they are.

    Raises:
        CheckError: They are certainly in another unit, or up and the floor are elsewhere.
    """
    placed = {name: _placed(points, settings) if name in KINDS else points for name, points in seen.items()}
    if settings.sides == "swapped" and "joints3d" in placed:
        placed["joints3d"] = placed["joints3d"][:, list(MIRRORED_JOINTS)]
    subjects = {name: _observed(placed[name], name, settings, fps=fps) for name in KINDS if name in placed}
    if subjects and settings.floor_height is not None and not settings.through_camera:
        height = height_of_floor(next(iter(subjects.values())), settings)
        for name in subjects:
            placed[name] = placed[name] - np.array([0.0, 0.0, height], placed[name].dtype)
            subjects[name] = _observed(placed[name], name, settings, fps=fps)
    rows: tuple[Checked, ...] = ()
    for name, subject in subjects.items():
        rows += run_checks(subject, place=f"{place}: {name}", answered=answered(settings))
    return placed, rows


def checked_cloud(
    points: np.ndarray, settings: Settings, *, place: Path | str, from_depth: bool
) -> tuple[Checked, ...]:
    """What the checks find in a cloud (T, N, 3) [m] at 30 frames/s, in the frame that the settings say.

    Args:
        from_depth: Whether it was made from depth images.

    Raises:
        CheckError: It is certainly in another unit.
    """
    subject = replace(_observed(points, "points3d", settings, fps=FPS), from_depth=from_depth)
    return run_checks(subject, place=f"{place}: points3d", answered=answered(settings))


def _positions(motion: Trajectory) -> Positions:
    return Positions(motion.joints[0].double().numpy(), "joints", FPS, posed=True)


def _observed(points: np.ndarray, name: str, settings: Settings, *, fps: float) -> Positions:
    known = np.where(np.isfinite(points), points, np.nan).astype(np.float64)
    return Positions(known, KINDS[name], fps, in_camera=settings.through_camera)


def _placed(points: np.ndarray, settings: Settings) -> np.ndarray:
    """Points (T, K, 3) of the data in metres with z up. Missing points stay as they are."""
    if settings.unit not in (None, "m"):
        points = points * np.asarray(metres(settings), points.dtype)
    if settings.up in (None, "z") or settings.through_camera:
        return points
    known = np.isfinite(points).all(-1, keepdims=True)
    return np.where(known, np.where(known, points, 0.0) @ turn_up(settings).T, points).astype(points.dtype)


def height_of_floor(data: Positions, settings: Settings) -> float:
    """Height [m] of the floor in the data, as ``--floor-height`` says: a number in the data's unit, or measured."""
    if settings.floor_height is None:
        return 0.0
    if settings.floor_height == "auto":
        return lowest(data) - (TOE if data.kind == "joints" else 0.0)
    return float(settings.floor_height) * metres(settings)
