"""Draws the whole 3D view: layers in the chosen frame, viewpoint and labels; and handles clicks into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from viewer.layers.table import LAYER_TYPES
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.scene.camera import SIDES, Viewpoint, on_screen
from viewer.scene.labels import in_turn, place_labels
from viewer.scene.layer import Label, Layer
from viewer.scene.picking import Clicks, marker
from viewer.scene.reframe import Reframer
from viewer.ui import theme
from viewer.ui.drawing import ps, psim
from viewer.ui.focus import Entry, in_order, legend
from viewer.ui.layout import Rect
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import font

Guard = Callable[[str, Callable[[], list[Command] | None]], list[Command] | None]
"""Runs a piece of drawing by its name; what it raises must not end the window."""
LEGEND_SHARE = 0.5  # of the height of the scene that the legend may take
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
    """The layers' flat drawings, their legend and their texts over the scene, behind the panels."""
    visible_layers = [layer for layer in layers if layer.visible(view, ui) and f"layer {layer.name}" not in ui.broken]
    taken = [box for box in (layer.overlay(view, ui, free) for layer in visible_layers) if box is not None]
    if ui.legend:
        names = {layer.name for layer in visible_layers}
        taken += draw_legend(legend(view, in_order(ui, names)), free)
    selected = marker(view, ui)
    groups = [list(layer.labels(view, ui)) for layer in visible_layers]
    labels = in_turn([[] if selected is None else [selected], *groups])
    if labels:
        draw_labels(labels, size, free, taken)
    if selected is not None:
        _ring(selected, size)


def draw_legend(entries: list[Entry], free: Rect) -> list[Rect]:
    """Draw the legend in the upper left corner of the scene; returns what it covers."""
    if not entries:
        return []
    draw, unit = psim.GetBackgroundDrawList(), ps.get_ui_scale()
    with font(theme.SMALL_FONT):
        line = psim.GetTextLineHeight() + 3.0 * unit
        entries = entries[: max(int(LEGEND_SHARE * free.height / line), 1)]
        width = max(psim.CalcTextSize(entry.text)[0] for entry in entries) + 26.0 * unit
        box = Rect(free.x + 8.0, free.y + 8.0, width, len(entries) * line + 8.0 * unit)
        corners = (box.x, box.y), (box.x + box.width, box.y + box.height)
        draw.AddRectFilled(*corners, theme.packed(theme.BACKGROUND, 0.8), 4.0)
        for index, entry in enumerate(entries):
            y = box.y + 4.0 * unit + index * line
            draw.AddCircleFilled((box.x + 11.0 * unit, y + line / 2), 4.0 * unit, theme.packed(entry.color))
            draw.AddText((box.x + 20.0 * unit, y + 1.5 * unit), theme.packed(theme.TEXT), entry.text)
    return [box]


def draw_labels(labels: list[Label], size: tuple[int, int], free: Rect, taken: Sequence[Rect] = ()) -> None:
    """Write a few texts at their places in the world, clear of the panels, of ``taken`` and of each other."""
    pixels, front = _pixels(np.stack([label.position for label in labels]), size)
    seen = [(label, (float(x), float(y))) for label, (x, y), there in zip(labels, pixels, front, strict=True) if there]
    sizes = [(width + 6.0, height + 2.0) for width, height in (psim.CalcTextSize(label.text) for label, _ in seen)]
    boxes = place_labels([at for _, at in seen], sizes, free=free, taken=taken)
    draw = psim.GetBackgroundDrawList()
    for (label, _), box in zip(seen, boxes, strict=True):
        if box is not None:
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
