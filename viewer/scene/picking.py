"""Turns clicks into the scene into selections: a joint, or a vertex of a body, under the mouse."""

from __future__ import annotations

import numpy as np

from viewer.protocol.view_model import ViewModel
from viewer.scene.camera import on_screen
from viewer.scene.layer import Label, Layer, sequences_at
from viewer.scene.skinning import Skinner, part
from viewer.ui import theme
from viewer.ui.drawing import ps, psim
from viewer.ui.look import Selection
from viewer.ui.ui_state import UiState

NEAR = 9.0  # pixels around a joint that count as the joint
STILL = 4.0  # pixels that the mouse may move between press and release


class Clicks:
    """Distinguishes clicks from drags, which move the viewpoint."""

    def __init__(self) -> None:
        self._pressed: tuple[float, float] | None = None

    def follow(self, layers: list[Layer], view: ViewModel, ui: UiState, size: tuple[int, int]) -> None:
        """Select the joint or vertex that is clicked; a click on the background clears the selection."""
        io = psim.GetIO()
        place = float(io.MousePos[0]), float(io.MousePos[1])
        if psim.IsMouseClicked(0):
            self._pressed = None if io.WantCaptureMouse else place
        if psim.IsMouseReleased(0) and self._pressed is not None:
            moved = np.hypot(place[0] - self._pressed[0], place[1] - self._pressed[1])
            self._pressed = None
            if moved < STILL:
                ui.selection = joint_at(view, ui, place, size) or surface_at(layers, view, ui, place)
                if ui.selection is not None:
                    ui.show_panel("selection")


def joint_at(view: ViewModel, ui: UiState, place: tuple[float, float], size: tuple[int, int]) -> Selection | None:
    """The joint nearest to a position on the screen, of all bodies at the current frame; None if none is near."""
    best, found = NEAR * ps.get_ui_scale(), None
    for b, local in sequences_at(view, ui.frame):
        pixels, front = on_screen(view.motion.joints[b, local], size)
        distance = np.where(front, np.linalg.norm(pixels - place, axis=1), np.inf)
        if distance.min() < best:
            best, found = float(distance.min()), Selection(b, int(distance.argmin()))
    return found


def surface_at(layers: list[Layer], view: ViewModel, ui: UiState, place: tuple[float, float]) -> Selection | None:
    """The vertex of a body at a position on the screen; None without one, or on the mock backend."""
    if ps.get_render_engine_backend_name() == "openGL_mock":
        return None
    hit = ps.pick(screen_coords=place)
    if not hit.is_hit:
        return None
    for layer in layers:
        if hit.structure_name.startswith(f"{layer.name} ") and layer.visible(view, ui):
            return layer.picked(view, ui, hit.structure_name.removeprefix(f"{layer.name} "), hit.position)
    return None


def marker(view: ViewModel, ui: UiState) -> Label | None:
    """A label at the selected joint or vertex; None if it does not exist at the current frame."""
    chosen = ui.selection
    if chosen is None or chosen.sequence >= len(view.scene.starts):
        return None
    frame = ui.frame if chosen.frame is None else chosen.frame
    local = view.scene.local_frame(chosen.sequence, frame)
    if local is None:
        return None
    name = joint_name(view, chosen.joint)
    if chosen.vertex is None:
        return Label(view.motion.joints[chosen.sequence, local, chosen.joint], name, theme.TEXT)
    place = Skinner(part(view.scene.body, [chosen.vertex])).vertices(view.motion, chosen.sequence, local)[0]
    return Label(place, f"vertex {chosen.vertex}, {name}", theme.TEXT)


def joint_name(view: ViewModel, joint: int) -> str:
    """Name of a joint, with spaces."""
    names = view.scene.joint_names
    return names[joint].replace("_", " ") if joint < len(names) else f"joint {joint}"
