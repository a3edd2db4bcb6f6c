"""Draws the whole 3D view: layers in the chosen frame, viewpoint and labels; and handles clicks into it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import polyscope as ps
import polyscope.imgui as psim

from viewer.layers.table import LAYER_TYPES
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.scene.camera import SIDES, Viewpoint, on_screen
from viewer.scene.layer import Label, Layer
from viewer.scene.picking import Clicks, marker
from viewer.scene.reframe import Reframer
from viewer.ui import theme
from viewer.ui.layout import Rect
from viewer.ui.ui_state import UiState

Guard = Callable[[str, Callable[[], list[Command] | None]], list[Command] | None]
"""Runs a piece of drawing by its name; what it raises must not end the window."""
_UP_NAMES = {(0.0, 0.0, 1.0): "z_up", (0.0, -1.0, 0.0): "neg_y_up"}


class SceneView:
    """The 3D view of one window."""

    def __init__(self, guard: Guard) -> None:
        self.layers = [layer() for layer in LAYER_TYPES]
        self.viewpoint = Viewpoint()
        self._guard = guard
        self._reframe = Reframer()
        self._clicks = Clicks()
        self._frame = "world"

    def draw(self, view: ViewModel, ui: UiState, free: Rect, size: tuple[int, int]) -> list[Command]:
        """Bring the scene up to date; returns the questions of the layers for the worker."""
        ui.follow_stage(stage_shown(view))
        commands: list[Command] = []
        for layer in self.layers:
            if layer.visible(view, ui):
                commands += self._guard(f"layer {layer.name}", partial(_asked, layer, view, ui)) or []
        view = self._reframe(view, ui.look.frame)
        self._turn(view, ui)
        for layer in self.layers:
            self._guard(f"layer {layer.name}", partial(layer.draw, view, ui))
        self._place(view, ui, free)
        self._guard("overlays", lambda: draw_overlays(self.layers, view, ui, free, size))
        self._guard("clicks", lambda: self._clicks.follow(self.layers, view, ui, size))
        return commands

    def redraw(self) -> None:
        """Draw everything again, after a change of colours."""
        ps.remove_all_structures()
        for layer in self.layers:
            layer.close()
        self.layers = [layer() for layer in LAYER_TYPES]

    def _turn(self, view: ViewModel, ui: UiState) -> None:
        """Another frame has another direction that is up."""
        if ui.look.frame != self._frame:
            self._frame = ui.look.frame
            ps.set_up_dir(_UP_NAMES[view.up])
            ui.camera_request = ui.camera_request or "home"

    def _place(self, view: ViewModel, ui: UiState, free: Rect) -> None:
        request, ui.camera_request = ui.camera_request, None
        if request == "camera" or (request or "").startswith("saved "):
            ui.orthographic = False
        self.viewpoint.project(ui.orthographic)
        if request == "home" or request in SIDES:
            side = None if request == "home" else request
            self.viewpoint.home(view, free, ui.frame, following=ui.follow, side=side)
        elif request == "camera":
            self.viewpoint.from_camera(view)
        elif request is not None:
            name = request.removeprefix("saved ")
            self.viewpoint.recall(next(saved for saved in ui.look.saved if saved.name == name))
        self.viewpoint.follow(view, ui.frame, free, ps.get_window_size(), active=ui.follow)


def stage_shown(view: ViewModel) -> int:
    """Stage of the iteration that is drawn."""
    return view.phases[int(view.history.phase[view.history.row_of(view.shown)])].stage


def _asked(layer: Layer, view: ViewModel, ui: UiState) -> list[Command]:
    return list(layer.questions(view, ui))


def draw_overlays(layers: list[Layer], view: ViewModel, ui: UiState, free: Rect, size: tuple[int, int]) -> None:
    """The layers' flat drawings and texts over the scene, behind the panels."""
    visible_layers = [layer for layer in layers if layer.visible(view, ui) and f"layer {layer.name}" not in ui.broken]
    for layer in visible_layers:
        layer.overlay(view, ui, free)
    labels = [label for layer in visible_layers for label in layer.labels(view, ui)]
    selected = marker(view, ui)
    if selected is not None:
        labels.insert(0, selected)
    if labels:
        draw_labels(labels, size, free)
    if selected is not None:
        _ring(selected, size)


def draw_labels(labels: list[Label], size: tuple[int, int], free: Rect) -> None:
    """Write texts at their places in the world, clear of the panels; earlier ones win where two would overlap."""
    pixels, front = _pixels(np.stack([label.position for label in labels]), size)
    draw = psim.GetBackgroundDrawList()
    taken: list[Rect] = []
    for label, (x, y), visible in zip(labels, pixels, front, strict=True):
        width, height = psim.CalcTextSize(label.text)
        left = min(float(x) + 6.0, free.x + free.width - width - 6.0) if x < free.x + free.width else float(x) + 6.0
        box = Rect(left, float(y) - height / 2 - 1, width + 6, height + 2)
        if visible and not any(box.overlaps(other) for other in taken):
            taken.append(box)
            corners = (box.x, box.y), (box.x + box.width, box.y + box.height)
            draw.AddRectFilled(*corners, theme.packed(theme.BACKGROUND, 0.7), 3.0)
            draw.AddText((box.x + 3, box.y + 1), theme.packed(label.color), label.text)


def _ring(label: Label, size: tuple[int, int]) -> None:
    """Around what is selected."""
    pixels, front = _pixels(label.position[None], size)
    if front[0]:
        at = (float(pixels[0, 0]), float(pixels[0, 1]))
        psim.GetBackgroundDrawList().AddCircle(at, 8.0, theme.packed(label.color), 24, 2.0)


def _pixels(points: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return on_screen(points, size)
