"""A handle to move the floor by hand; the fit gets the new floor when the user applies it."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from viewer.layers.floor import grid, middle
from viewer.protocol.planes import axes_on, below, lean_of, plane_of
from viewer.protocol.view_model import ViewModel
from viewer.scene.camera import body_position
from viewer.scene.layer import Layer
from viewer.ui import theme
from viewer.ui.drawing import ps
from viewer.ui.ui_state import UiState

SIZE = 0.45  # of the handle, against the scene


class FloorHandleLayer(Layer):
    """The handle and a grid of the new floor. It has no switch: it is shown while the floor is dragged.

    The handle and the entries of the floor panel are two ways to change ``ui.floor_draft``.
    """

    name = "floor handle"

    def __init__(self) -> None:
        super().__init__()
        self._gizmo: ps.TransformationGizmo | None = None
        self._draft: tuple[float, float, float] | None = None  # that the handle stands for

    def visible(self, view: ViewModel, ui: UiState) -> bool:
        """While the floor is dragged."""
        return ui.look.drag_floor and view.floors is not None

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """The new floor."""
        return ui.floor_draft

    def draw(self, view: ViewModel, ui: UiState) -> None:
        """Read the position of the handle since the last frame, then draw."""
        if not self.visible(view, ui):
            self.close()
        elif self._gizmo is None:
            self._begin(view, ui)
        elif ui.floor_draft != self._draft:  # entered in the panel
            self._put(np.array(plane_of(*ui.floor_draft)), self._gizmo.get_position())
            self._draft = ui.floor_draft
        else:
            self._follow(ui)
        super().draw(view, ui)

    def close(self) -> None:
        """Take the handle away."""
        if self._gizmo is not None:
            self._gizmo.remove()
        self._gizmo = self._draft = None

    def update(self, view: ViewModel, ui: UiState) -> None:
        """The new floor as a grid."""
        starts, ends = grid(np.array(plane_of(*ui.floor_draft)), middle(view, 0))
        self.segments("grid", starts, ends, color=theme.ACCENT, radius=0.008)

    def _begin(self, view: ViewModel, ui: UiState) -> None:
        assert view.floors is not None
        self._gizmo = ps.add_transformation_gizmo("floor handle")
        self._gizmo.set_allow_scaling(False)
        self._gizmo.set_gizmo_scale(SIZE)
        self._gizmo.set_interact_in_local_space(True)
        ui.floor_draft = self._draft = lean_of(view.floors[0])
        here = body_position(view, ui.frame)
        self._put(view.floors[0], middle(view, 0) if here is None else here)

    def _put(self, plane: np.ndarray, above: np.ndarray) -> None:
        assert self._gizmo is not None
        matrix = np.eye(4)
        matrix[:3, :3] = np.stack((*axes_on(plane), plane[:3]), axis=1)
        matrix[:3, 3] = below(above, plane)
        self._gizmo.set_transform(matrix)
        self._known = np.array(self._gizmo.get_transform())

    def _follow(self, ui: UiState) -> None:
        assert self._gizmo is not None
        matrix = np.array(self._gizmo.get_transform())
        normal = matrix[:3, 2] / np.linalg.norm(matrix[:3, 2])
        if normal[2] > 0.1 and not np.allclose(matrix, self._known, atol=1e-6):
            self._known = matrix
            ui.floor_draft = self._draft = lean_of(np.append(normal, normal @ matrix[:3, 3]))
