"""The floor as it is estimated now, as a chequered plane under the motion."""

from __future__ import annotations

import numpy as np

from viewer import theme
from viewer.layers.base import Layer
from viewer.ui_state import UiState
from viewer.view_model import ViewModel

TILES, TILE = 14, 0.5  # per side; metres


class FloorLayer(Layer):
    """One plane, or one per sub-sequence where they differ."""

    name = "floor"

    def exists(self, view: ViewModel) -> bool:
        """Some data has none."""
        return view.floors is not None

    def key(self, view: ViewModel, ui: UiState) -> int:
        """The same at all frames."""
        return view.version

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Lay the tiles under the middle of the motion."""
        assert view.floors is not None
        same = np.allclose(view.floors, view.floors[:1], atol=1e-6)
        for b, plane in enumerate(view.floors[:1] if same else view.floors):
            center = view.motion.joints[b, :, 0].mean(axis=0)
            tint = theme.LAYER_COLORS[self.name]
            base = tint if same else theme.mix(tint, theme.sequence_color(b), 0.4)
            for parity in (0, 1):
                vertices, faces = tiles(plane, center, parity)
                color = theme.mix(base, theme.BACKGROUND, 0.25 + 0.3 * parity)
                self.mesh(f"{b} {parity}", vertices, faces, color=color, material="flat", smooth=False)


def tiles(plane: np.ndarray, center: np.ndarray, parity: int) -> tuple[np.ndarray, np.ndarray]:
    """The black (0) or white (1) squares of a chessboard on a plane, its middle below ``center``.

    Args:
        plane: (4,) unit normal and offset, n·p = offset. center: (3,) metres.

    Returns:
        Vertices (V, 3) and quads (F, 4), facing along the normal.
    """
    normal, offset = plane[:3], float(plane[3])
    side = np.cross([0.0, 1.0, 0.0], normal)
    side /= np.linalg.norm(side)
    ahead = np.cross(normal, side)
    u0, v0 = (np.round(float(center @ axis) / (2 * TILE)) * 2 * TILE for axis in (side, ahead))
    cells = [(i, j) for i in range(TILES) for j in range(TILES) if (i + j) % 2 == parity]
    corners = np.array([[(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)] for i, j in cells], dtype=float)
    uv = (corners - TILES / 2) * TILE
    points = offset * normal + (uv[..., :1] + u0) * side + (uv[..., 1:] + v0) * ahead
    return points.reshape(-1, 3), np.arange(4 * len(cells)).reshape(-1, 4)
