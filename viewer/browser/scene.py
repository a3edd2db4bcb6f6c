"""The 3D scene in browsers: the window's layers and their labels, and where each browser looks from."""

from __future__ import annotations

import numpy as np
import viser

from viewer.browser.canvas import BrowserCanvas, rgb
from viewer.layers.table import LAYER_TYPES
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.scene.camera import FOV_DEGREES, SIDES, camera_fov_degrees, camera_view_matrix, direction_of, extent, reach
from viewer.scene.camera import frame_points as framing
from viewer.scene.labels import in_turn
from viewer.scene.layer import Label, Layer
from viewer.ui import theme
from viewer.ui.layout import Rect
from viewer.ui.ui_state import LAYERS, UiState

MOST_LABELS = 14
WIDE = (880.0, 720.0)  # pixels of the scene in a page of 1280 × 720, beside the control panel
STEEP = 0.98  # cosine between the viewing direction and the vertical from which on up in the picture is not up
FREE = 0.75  # of the height of the scene that the timeline leaves free


class BrowserScene:
    """The scene of one server; everyone sees the same scene from their own viewpoint."""

    def __init__(self, server: viser.ViserServer) -> None:
        self._server, canvas = server, BrowserCanvas(server)
        self.layers: list[Layer] = [layer() for layer in LAYER_TYPES if layer.name in LAYERS]
        for layer in self.layers:
            layer.canvas = canvas
        self._labels: list[viser.LabelHandle] = []
        image = np.full((2, 2, 3), rgb(theme.BACKGROUND), np.uint8)
        server.scene.set_background_image(image, format="png")
        server.scene.configure_default_lights(True, cast_shadow=False)

    def draw(self, view: ViewModel, ui: UiState) -> list[Command]:
        """Bring the layers and their labels up to date; returns what the visible layers ask the worker."""
        visible = self.visible(view, ui)
        with self._server.atomic():
            for layer in self.layers:
                layer.draw(view, ui)
            self._write(in_turn([list(layer.labels(view, ui)) for layer in visible]))
        return [command for layer in visible for command in layer.questions(view, ui)]

    def visible(self, view: ViewModel, ui: UiState) -> list[Layer]:
        """The layers that are switched on and have something to draw."""
        return [layer for layer in self.layers if layer.visible(view, ui)]

    def close(self) -> None:
        """Release what the layers hold."""
        for layer in self.layers:
            layer.close()

    def _write(self, labels: list[Label]) -> None:
        """Show the first labels; handles that are left over are hidden."""
        for index, label in enumerate(labels[:MOST_LABELS]):
            if index == len(self._labels):
                self._labels.append(self._server.scene.add_label(f"/label {index}", label.text))
            handle = self._labels[index]
            handle.text, handle.position, handle.visible = label.text, label.position, True
        for handle in self._labels[len(labels) :]:
            handle.visible = False


def home(view: ViewModel, frame: int, *, following: bool, side: str | None = None) -> tuple[np.ndarray, float]:
    """View matrix (4, 4), world to eye, and vertical field of view [deg] that show the clip, or the body at a frame.

    Args:
        side: Of ``SIDES``; None: obliquely.
    """
    points, margin = (reach(view, frame), 1.6) if following else (extent(view), 1.0)
    towards = None if side is None else direction_of(side, view, frame)
    free = Rect(0.0, 0.0, WIDE[0], FREE * WIDE[1])
    return framing(points, view=free, size=WIDE, margin=margin, up=view.up, side=towards), FOV_DEGREES


def look_from(client: viser.ClientHandle, request: str, view: ViewModel, ui: UiState) -> None:
    """Move one browser's viewpoint; requests are those of ``UiState.camera_request``."""
    if request == "camera" and view.scene.camera is not None:
        place(client.camera, camera_view_matrix(view.scene.camera), camera_fov_degrees(view.scene.camera), view)
    else:
        side = request if request in SIDES else None
        place(client.camera, *home(view, ui.frame, following=ui.follow, side=side), view)


def place(
    camera: viser.CameraHandle | viser.InitialCameraConfig, matrix: np.ndarray, fov_degrees: float, view: ViewModel
) -> None:
    """Put a viewpoint where a view matrix (4, 4) has it, turning around the nearest point to the bodies on its axis."""
    eye, ahead = -matrix[:3, :3].T @ matrix[:3, 3], -matrix[2, :3]
    depth = max(float((view.motion.joints.reshape(-1, 3).mean(axis=0) - eye) @ ahead), 0.5)
    upwards = tuple(np.asarray(view.up) if abs(ahead @ view.up) < STEEP else matrix[1, :3])
    if isinstance(camera, viser.CameraHandle):
        camera.up_direction = upwards
    else:
        camera.up = upwards
    camera.fov, camera.position, camera.look_at = float(np.radians(fov_degrees)), eye, eye + depth * ahead
