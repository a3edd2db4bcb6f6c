"""Draws the observations at the current frame: 3D joints and points, or keypoints on the camera's image plane."""

from __future__ import annotations

import numpy as np

from viewer.layers.camera import image_points, plane_depth, unproject
from viewer.protocol.view_model import BodyMesh, ViewModel
from viewer.scene.layer import Layer, sequences_at
from viewer.scene.skinning import Skinner, part
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.layout import Rect
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import scale as ui_scale

BODY25_JOINTS = (12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7)
"""Body joints that are BODY_25 keypoints 1 to 14; keypoints 0 and 15 to 24 are vertices of the mesh."""
INSET_WIDTH = 230.0  # pixels
LEAST_SHARE = 0.05
"""Smallest half width of the inset, as a share of the whole image, since all keypoints may lie in one place."""


class ObservationsLayer(Layer):
    """Observations in green, with thin lines to the fitted points; crosses mark points that were not observed."""

    name = "observations"

    def __init__(self) -> None:
        super().__init__()
        self._body: BodyMesh | None = None
        self._skinners: dict[tuple[int, ...], Skinner] = {}
        self._pixels: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        """Observed, reprojected, and reprojected where nothing was seen; for the inset."""

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Draw each kind of observation that the data has."""
        self._pixels = []
        seen = view.scene.observed
        for b, local in sequences_at(view, ui.frame):
            fitted = view.motion.joints[b, local]
            if seen.joints3d is not None:
                self._matched(f"joints {b}", seen.joints3d[b, local], fitted, radius=0.022)
            if seen.verts3d is not None:
                vertices = self._vertices(view, view.scene.key_vertices, b, local)
                self._matched(f"key vertices {b}", seen.verts3d[b, local], vertices, radius=0.014)
            if seen.points3d is not None:
                points = seen.points3d[b, local]
                there = np.isfinite(points).all(axis=-1)
                self.points(f"points {b}", points[there], color=theme.LAYER_COLORS[self.name], radius=0.006)
            self._keypoints(view, b, local)

    def _matched(self, name: str, observed: np.ndarray, fitted: np.ndarray, *, radius: float) -> None:
        """Draw observed points as spheres with lines to the fitted points; crosses at those that were not observed."""
        seen, color = np.isfinite(observed).all(axis=-1), theme.LAYER_COLORS[self.name]
        self.points(name, observed[seen], color=color, radius=radius)
        self.segments(f"residuals, {name}", observed[seen], fitted[seen], color=color, radius=0.004)
        self.crosses(f"missing {name}", fitted[~seen], color=theme.MISSING, size=3.6 * radius, radius=0.3 * radius)

    def _keypoints(self, view: ViewModel, b: int, local: int) -> None:
        camera, observed = view.scene.camera, view.scene.observed.joints2d
        if camera is None or observed is None:
            return
        depth = plane_depth(view)
        seen = np.isfinite(observed[b, local, :, 0]) & (observed[b, local, :, 2] > 0)
        pixels, fitted = observed[b, local, :, :2], image_points(camera, self._keypoints25(view, b, local))
        self._pixels.append((pixels[seen], fitted[seen], fitted[~seen]))
        on_plane = unproject(camera, pixels[seen], depth)
        back, missing = unproject(camera, fitted[seen], depth), unproject(camera, fitted[~seen], depth)
        size = 0.015 * depth
        self.points(f"keypoints {b}", on_plane, color=theme.LAYER_COLORS[self.name], radius=0.6 * size)
        self.points(f"reprojected {b}", back, color=theme.REPROJECTED, radius=0.45 * size)
        self.segments(f"pixel residuals {b}", on_plane, back, color=theme.RESIDUAL, radius=0.15 * size)
        self.crosses(f"missing keypoints {b}", missing, color=theme.MISSING, size=1.2 * size, radius=0.1 * size)

    def overlay(self, view: ViewModel, ui: UiState, free: Rect) -> Rect | None:
        """A small image in a corner, with keypoints, reprojected points, and the lines between them."""
        camera = view.scene.camera
        if camera is None or view.scene.observed.joints2d is None:
            return None
        low, high = crop(view.scene.observed.joints2d, camera.size)
        scale = min(INSET_WIDTH * ui_scale(), 0.45 * free.width) / (high - low)[0]
        width, height = (high - low) * scale
        unit = ui_scale()
        title, arm = psim.GetTextLineHeight() + 6.0 * unit, 3.0 * unit
        corner = np.array([free.x + 8.0, free.y + free.height - height - 8.0])
        top = (float(corner[0]), float(corner[1]) - title)
        box = top, (corner[0] + width, corner[1] + height)
        draw = psim.GetBackgroundDrawList()
        draw.AddRectFilled(*box, theme.packed(theme.BACKGROUND, 0.85), 4.0)
        draw.PushClipRect(tuple(corner), box[1], True)
        for observed, fitted, missing in self._pixels:
            for x, y in corner + (missing - low) * scale:
                for way in (-arm, arm):
                    draw.AddLine((x - arm, y - way), (x + arm, y + way), theme.packed(theme.MISSING), 1.2 * unit)
            for a, b in zip(corner + (observed - low) * scale, corner + (fitted - low) * scale, strict=True):
                draw.AddLine(tuple(a), tuple(b), theme.packed(theme.RESIDUAL), 1.5 * unit)
                draw.AddCircleFilled(tuple(b), 2.5 * unit, theme.packed(theme.REPROJECTED))
                draw.AddCircleFilled(tuple(a), 2.5 * unit, theme.packed(theme.LAYER_COLORS[self.name]))
        draw.PopClipRect()
        draw.AddRect(*box, theme.packed(theme.BORDER), 4.0)
        draw.AddText((top[0] + 6.0 * unit, top[1] + 3.0 * unit), theme.packed(theme.DIM), "image: seen, reprojected")
        return Rect(*top, float(width), float(height) + title)

    def _vertices(self, view: ViewModel, ids: tuple[int, ...], b: int, local: int) -> np.ndarray:
        """Some vertices (N, 3) of the fit."""
        if self._body is not view.scene.body:
            self._body, self._skinners = view.scene.body, {}
        if ids not in self._skinners:
            self._skinners[ids] = Skinner(part(view.scene.body, ids))
        return self._skinners[ids].vertices(view.motion, b, local)

    def _keypoints25(self, view: ViewModel, b: int, local: int) -> np.ndarray:
        """BODY_25 keypoints (25, 3) of the fit."""
        vertices = self._vertices(view, view.scene.openpose_vertices[:11], b, local)
        joints = view.motion.joints[b, local][list(BODY25_JOINTS)]
        return np.concatenate((vertices[:1], joints, vertices[1:]))


def crop(keypoints: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Opposite corners [px] of the smallest part of the image, in its proportions, that holds all keypoints.

    Args:
        keypoints: (B, T, 25, 3) with NaN where nothing was seen.
        size: Width and height of the image [px].
    """
    whole = np.array(size, float)
    seen = keypoints[..., :2].reshape(-1, 2)
    seen = seen[np.isfinite(seen).all(axis=1)]
    if not len(seen):
        return np.zeros(2), whole
    low, high = seen.min(axis=0), seen.max(axis=0)
    half = min(max(0.6 * float(((high - low) / whole).max()), LEAST_SHARE), 0.5) * whole
    middle = np.clip((low + high) / 2, half, whole - half)
    return middle - half, middle + half
