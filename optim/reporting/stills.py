"""Pictures of every stage for a report: a few frames side by side, drawn by ``viewer.commands.stills``.

That runs as a process of its own, since drawing may be impossible here and a driver may take its process with it.
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
SPACING = 1.15  # m between frames
SECONDS = 180.0


def stage_pictures(result: FitResult, stages: Sequence[str]) -> tuple[dict[str, bytes], str]:
    """Stage → PNG, and why there is none where nothing can be drawn.

    Every frame is moved sideways only, by the root of the truth (without one, of the last stage) to its place in the
    row: what is left is the error. All stages stand on one floor, the true one where it is known.
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
        """(K, N, 3) in the world to where they are drawn."""
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
    """Rotation (3, 3) about z after which the first frame's body looks at the viewer, three quarters."""
    left = motion.root_orient[0, 0, :, 0]
    angle = -torch.atan2(left[1], left[0]) + 0.6
    cos, sin = float(angle.cos()), float(angle.sin())
    return torch.tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def _vertices(motion: Trajectory, frame: PriorFrame, body: BodyModel, rows: np.ndarray) -> Tensor:
    """(K, V, 3) in the world."""
    placed = moved(motion, frame, body)
    parts = (placed.trans[:, rows], placed.root_orient[:, rows], placed.pose_body[:, rows], placed.betas)
    return body.mesh(*parts)[0]


def _seen(result: FitResult, frame: PriorFrame, rows: np.ndarray) -> Tensor | None:
    """Observed points (K, N, 3) in the world; None of what is only seen in an image."""
    seen = result.observations
    if seen is None:
        return None
    for points in (seen.joints3d, seen.verts3d, seen.points3d):
        if points is not None:
            return frame.points(points[:, rows])[0]
    return None
