"""Pictures of every stage for a report: a few frames side by side, drawn by ``viewer.commands.stills``.

The command runs in a process of its own, because drawing may be impossible, and a graphics driver can end its process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.loading.clip import moved
from optim.problem.frames import PriorFrame
from optim.problem.variables import Trajectory
from optim.results.figures import world_of
from optim.results.results import FitResult

SHOWN = 6
"""Largest number of frames in a picture."""
SPACING = 1.15
"""Distance between neighbouring frames in a picture [m]."""
SECONDS = 180.0
"""Time after which drawing is given up [s]."""


def stage_pictures(result: FitResult, stages: Sequence[str]) -> tuple[dict[str, bytes], str]:
    """Pictures of some stages.

    Each frame is moved horizontally to its place in the row, by the root of the true motion or, without one, of the
    last stage. The error of a stage therefore stays visible. All stages stand on one floor, the true one if it is
    known.

    Returns:
        Stage → PNG, and the reason if nothing could be drawn.
    """
    with tempfile.TemporaryDirectory() as name, torch.no_grad():
        folder = Path(name)
        np.savez(folder / "scenes.npz", **_scenes(result, stages))  # type: ignore[arg-type]
        command = [sys.executable, "-m", "viewer.commands.stills", str(folder / "scenes.npz"), name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return {}, f"drawing took more than {SECONDS:g} s"
        pictures = {stage: file.read_bytes() for stage in stages if (file := folder / f"{stage}.png").is_file()}
        if pictures:
            return pictures, ""
        said = done.stderr.strip().splitlines()
        return {}, said[-1] if said else f"drawing ended with status {done.returncode}"


def _scenes(result: FitResult, stages: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays that ``viewer.commands.stills`` reads."""
    reference = result.last_stage
    frame = world_of(result, reference)
    truth_body = result.body_truth or result.body
    lead = result.motion(reference) if result.truth is None else result.truth
    lead = moved(lead, frame, result.body if result.truth is None else truth_body)
    rows = np.linspace(0, result.frames - 1, min(SHOWN, result.frames)).round().astype(int)
    turn = _facing(lead)
    root = lead.joints[0, rows, 0].clone()
    root[:, 2] = 0.0
    place = torch.zeros_like(root)
    place[:, 0] = SPACING * torch.arange(len(rows))

    def arranged(points: Tensor) -> np.ndarray:
        """Points (K, N, 3) in the world, moved to where they are drawn."""
        return ((points - root[:, None]) @ turn.T + place[:, None]).numpy()

    scenes = {"faces": result.body.faces, "faces_truth": truth_body.faces}
    seen = _seen(result, frame, rows)
    for stage in stages:
        scenes[f"{stage}/bodies"] = arranged(_vertices(result.motion(stage), frame, result.body, rows))
        if result.truth is not None:
            scenes[f"{stage}/truth"] = arranged(_vertices(result.truth, frame, truth_body, rows))
        if seen is not None:
            points = arranged(seen).reshape(-1, 3)
            scenes[f"{stage}/seen"] = points[np.isfinite(points).all(1)]
    return scenes


def _facing(motion: Trajectory) -> Tensor:
    """Rotation (3, 3) about z that turns the body of the first frame to a three-quarter view."""
    left = motion.root_orient[0, 0, :, 0]
    angle = -torch.atan2(left[1], left[0]) + 0.6
    cos, sin = float(angle.cos()), float(angle.sin())
    return torch.tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def _vertices(motion: Trajectory, frame: PriorFrame, body: BodyModel, rows: np.ndarray) -> Tensor:
    """Vertices (K, V, 3) [m] of some frames in the world."""
    placed = moved(motion, frame, body)
    parts = (placed.trans[:, rows], placed.root_orient[:, rows], placed.pose_body[:, rows], placed.betas)
    return body.mesh(*parts)[0]


def _seen(result: FitResult, frame: PriorFrame, rows: np.ndarray) -> Tensor | None:
    """Observed points (K, N, 3) [m] in the world. None if the observations are only keypoints in an image."""
    seen = result.observations
    if seen is None:
        return None
    for points in (seen.joints3d, seen.verts3d, seen.points3d):
        if points is not None:
            return frame.points(points[:, rows])[0]
    return None
