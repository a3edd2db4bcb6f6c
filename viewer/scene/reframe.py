"""Shows views in another frame of reference: the camera's or the prior's, instead of the world's.

The worker sends everything in the world frame, the display frame. Fields that change with the frame are declared with
``view_model.placed``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from viewer.protocol.view_model import BodyMesh, Motion, Scene, ViewModel

FRAMES = {"world": "World", "prior": "Prior", "camera": "Camera"}
"""Name → label."""
_UP = {"world": (0.0, 0.0, 1.0), "prior": (0.0, 0.0, 1.0), "camera": (0.0, -1.0, 0.0)}
Value = TypeVar("Value")


@dataclass(frozen=True)
class Rigid:
    """A rigid transform of points: p' = R p + t."""

    R: np.ndarray  # (3, 3)
    t: np.ndarray  # (3,)

    def points(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) → (..., 3)."""
        return (points @ self.R.T + self.t).astype(np.float32)

    def vectors(self, vectors: np.ndarray) -> np.ndarray:
        """(..., 3) → (..., 3)."""
        return (vectors @ self.R.T).astype(np.float32)

    def planes(self, planes: np.ndarray) -> np.ndarray:
        """(..., 4) unit normal and offset, n·p = offset."""
        normal = planes[..., :3] @ self.R.T
        return np.concatenate((normal, planes[..., 3:] + (normal @ self.t)[..., None]), axis=-1).astype(np.float32)

    def rotations(self, rotations: np.ndarray) -> np.ndarray:
        """(..., 3, 3)."""
        return (self.R @ rotations).astype(np.float32)

    def poses(self, rotations: np.ndarray) -> np.ndarray:
        """(..., J, 3, 3) rotations of all joints; only the root's changes."""
        turned = rotations.copy()
        turned[..., 0, :, :] = self.R @ rotations[..., 0, :, :]
        return turned

    def frames(self, matrices: np.ndarray) -> np.ndarray:
        """(..., 4, 4) transforms from the old frame to another one."""
        return matrices @ self.inverse.matrix

    @property
    def matrix(self) -> np.ndarray:
        """(4, 4)."""
        found = np.eye(4)
        found[:3, :3], found[:3, 3] = self.R, self.t
        return found

    @property
    def inverse(self) -> Rigid:
        """The inverse transform."""
        return Rigid(self.R.T, -self.R.T @ self.t)


def rigid_to(view: ViewModel, frame: str) -> Rigid:
    """The transform from the world to a frame of ``FRAMES``; the prior frame is that of the first sub-sequence."""
    camera = view.scene.camera
    if frame == "camera" and camera is not None:
        return Rigid(camera.R_display_camera, camera.t_display_camera).inverse
    matrix = view.prior_frames[0] if frame == "prior" else np.eye(4)
    return Rigid(matrix[:3, :3], matrix[:3, 3])


def moved(value: Value, rigid: Rigid, body: BodyMesh) -> Value:
    """A dataclass, with the dataclasses inside it, in another frame."""
    changed: dict[str, Any] = {}
    body = getattr(value, "body", body)  # that of a compared motion may be another
    for item in fields(value):  # type: ignore[arg-type]
        old, kind = getattr(value, item.name), item.metadata.get("placed")
        if old is None or isinstance(old, BodyMesh | Scene):
            continue
        if kind == "translations":
            assert isinstance(value, Motion)
            pelvis = body.joint_template[0] + value.betas @ body.joint_shape_directions[0].T
            changed[item.name] = rigid.points(old + pelvis[:, None]) - pelvis[:, None]
        elif kind is not None:
            change: Callable[[np.ndarray], np.ndarray] = getattr(rigid, kind)
            changed[item.name] = change(old)
        elif is_dataclass(old):
            changed[item.name] = moved(old, rigid, body)
        elif isinstance(old, tuple) and old and isinstance(old[0], Motion):
            changed[item.name] = tuple(moved(motion, rigid, body) for motion in old)
    return replace(value, **changed) if changed else value  # type: ignore[type-var]


class Reframer:
    """Transforms views to a frame; parts that seldom change are transformed only once."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[object, bytes, Any]] = {}

    def __call__(self, view: ViewModel, frame: str) -> ViewModel:
        """The view in the given frame."""
        if frame == "world" or (frame == "camera" and view.scene.camera is None):
            return view
        rigid, body = rigid_to(view, frame), view.scene.body
        analyses = {kind: self._once(kind, answer, rigid, body) for kind, answer in view.analyses.items()}
        scene = self._once("scene", view.scene, rigid, body)
        return replace(self._once("view", view, rigid, body), scene=scene, analyses=analyses, up=_UP[frame])

    def _once(self, name: str, value: Value, rigid: Rigid, body: BodyMesh) -> Value:
        place, kept = rigid.matrix.tobytes(), self._kept.get(name)
        if kept is None or kept[0] is not value or kept[1] != place:
            kept = self._kept[name] = value, place, moved(value, rigid, body)
        found: Value = kept[2]
        return found
