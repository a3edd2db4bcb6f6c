"""Draws floors: the estimated one as a chequered plane; the observed ones and all estimates as grids with numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.diagnostics.quantities import QUANTITIES, floor_angle_deg, floor_step_cm
from viewer.protocol.planes import axes_on, below
from viewer.protocol.view_model import ViewModel
from viewer.scene.layer import Label, Layer
from viewer.ui import theme
from viewer.ui.ui_state import UiState

TILES, TILE = 14, 0.5  # per side; metres
GRID, GRID_SIZE = 8, 4.0  # cells per side of an outlined floor; metres


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
            tint = theme.LAYER_COLORS[self.name]
            base = tint if same else theme.mix(tint, theme.sequence_color(view.scene.number(b)), 0.4)
            for parity in (0, 1):
                vertices, faces = tiles(plane, middle(view, b), parity)
                color = theme.mix(base, theme.BACKGROUND, 0.25 + 0.3 * parity)
                self.mesh(f"{b} {parity}", vertices, faces, color=color, material="flat", smooth=False)


class FloorsLayer(Layer):
    """Grids: the observed floors (green) and the estimated ones in the colours of their sub-sequences."""

    name = "floors"

    def exists(self, view: ViewModel) -> bool:
        """Without a camera the floor is given."""
        return view.scene.floors is not None and view.floors is not None

    def key(self, view: ViewModel, ui: UiState) -> int:
        """The same at all frames."""
        return view.version

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Draw the grids under the middle of each sub-sequence."""
        assert view.scene.floors is not None and view.floors is not None
        for b, (plane, observed) in enumerate(zip(view.floors, view.scene.floors, strict=True)):
            place = middle(view, b)
            self._grid(f"observed {b}", observed, place, theme.LAYER_COLORS[self.name])
            self._grid(f"estimated {b}", plane, place, theme.sequence_color(view.scene.number(b)))

    def _grid(self, name: str, plane: np.ndarray, center: np.ndarray, color: theme.Color) -> None:
        starts, ends = grid(plane, center)
        self.segments(name, starts, ends, color=color, radius=0.006)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """Tilt and offset of each floor against the observed one and against its neighbour's."""
        assert view.scene.floors is not None and view.floors is not None
        several = len(view.scene.begins) > 1
        for b, (plane, observed) in enumerate(zip(view.floors, view.scene.floors, strict=True)):
            place = middle(view, b)
            number = view.scene.number(b) + 1
            name = f"floor {number}" if several else "floor"
            corner = below(place, plane) + sum(axes_on(plane)) * (GRID_SIZE / 4)
            text = difference(observed, plane, place, ("floor_tilt", "floor_height_cm"))
            yield Label(corner, f"{name}: {text}", theme.sequence_color(view.scene.number(b)))
            if b:
                there = view.shared_place(b)
                text = difference(view.floors[b - 1], plane, there, ("floor_angle_deg", "pair_floor_cm"))
                at = below(place, plane) + axes_on(plane)[0] * (GRID_SIZE / 3)
                yield Label(at, f"{number} against {number - 1}: {text}", theme.WARN)


def difference(plane: np.ndarray, other: np.ndarray, place: np.ndarray, named: tuple[str, str]) -> str:
    """Angle between two planes (4,) with normals that point up, and height of the other one at a point, as text.

    Args:
        named: The names of both quantities in ``QUANTITIES``.
    """
    height = float(floor_step_cm(plane, other, place, up=plane[:3]))
    return f"{QUANTITIES[named[0]].text(floor_angle_deg(plane, other))}, {QUANTITIES[named[1]].text(height)}"


def middle(view: ViewModel, sequence: int) -> np.ndarray:
    """Mean (3,) of a sub-sequence's root joint."""
    return np.asarray(view.motion.joints[sequence, :, 0].mean(axis=0))


def grid(plane: np.ndarray, center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends (N, 3) of the lines of a square grid on a plane (4,), its middle below ``center``."""
    side, ahead = axes_on(plane)
    steps, half = np.linspace(-GRID_SIZE / 2, GRID_SIZE / 2, GRID + 1)[:, None], GRID_SIZE / 2
    starts = np.concatenate((steps * side - half * ahead, steps * ahead - half * side))
    ends = np.concatenate((steps * side + half * ahead, steps * ahead + half * side))
    place = below(center, plane)
    return place + starts, place + ends


def tiles(plane: np.ndarray, center: np.ndarray, parity: int) -> tuple[np.ndarray, np.ndarray]:
    """The black (0) or white (1) squares of a chessboard on a plane, its middle below ``center``.

    Args:
        plane: (4,) unit normal and offset, n·p = offset. center: (3,) metres.

    Returns:
        Vertices (V, 3) and quads (F, 4), facing along the normal.
    """
    normal, offset = plane[:3], float(plane[3])
    side, ahead = axes_on(plane)
    u0, v0 = (np.round(float(center @ axis) / (2 * TILE)) * 2 * TILE for axis in (side, ahead))
    cells = [(i, j) for i in range(TILES) for j in range(TILES) if (i + j) % 2 == parity]
    corners = np.array([[(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)] for i, j in cells], dtype=float)
    uv = (corners - TILES / 2) * TILE
    points = offset * normal + (uv[..., :1] + u0) * side + (uv[..., 1:] + v0) * ahead
    return points.reshape(-1, 3), np.arange(4 * len(cells)).reshape(-1, 4)
