"""The panel View: frame of reference, ghosts, arrows, futures, the floor's handle, saved viewpoints and sizes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.session.edits import SetFloor
from viewer.layers.pull import pulling, words
from viewer.protocol.commands import Command
from viewer.protocol.planes import plane_of, seen_from_camera
from viewer.protocol.view_model import ViewModel
from viewer.scene.reframe import FRAMES
from viewer.ui import theme
from viewer.ui.drawing import ps, psim
from viewer.ui.look import MOST_VIEWS, Look, Sampling, SavedView
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import colored, disabled, font, scale, styled, tooltip

MOST_GHOSTS, MOST_FUTURES = 12, 8
LABELS = 62.0  # width of the column of names, pixels


def view_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Everything about the 3D view that is no layer's switch; scrolls where it does not fit."""
    psim.BeginChild("view settings")
    with font(theme.SMALL_FONT), styled(FramePadding=(5.0, 1.5), ItemSpacing=(6.0, 3.5)):
        _frame(view, ui)
        _ghosts(ui)
        _pull(view, ui)
        _futures(view, ui)
        if view.scene.camera is not None:
            yield from _floor(view, ui)
        _saved(ui)
        _sizes(ui.look)
        _name("legend")
        _, ui.legend = psim.Checkbox("what the colours mean", ui.legend)
        tooltip("In the upper left corner of the scene, for the layers that are shown")
    psim.EndChild()


def _name(text: str) -> None:
    """Write the name of a line; the widgets that follow stand in the second column."""
    psim.AlignTextToFramePadding()
    psim.TextColored(theme.rgba(theme.DIM), text)
    psim.SameLine(LABELS * scale())


def _frame(view: ViewModel, ui: UiState) -> None:
    _name("frame")
    for index, (frame, label) in enumerate(FRAMES.items()):
        if index:
            psim.SameLine()
        absent = frame == "camera" and view.scene.camera is None
        with disabled(absent or ui.look.drag_floor):
            shade = theme.mix(theme.ACCENT, theme.PANEL, 0.45) if ui.look.frame == frame else theme.RAISED
            with colored(Button=theme.rgba(shade)):
                if psim.Button(label):
                    ui.look.frame = frame
        tooltip(_FRAME_HELP[frame] if not absent else "The data has no camera")


_FRAME_HELP = {
    "world": "z up; with a camera, the floor observed at first at z = 0",
    "prior": "Of the first sub-sequence: floor at z = 0, the first frame's body above the origin, facing y",
    "camera": "x right, y down, z ahead: what the camera saw upright is upright",
}


def _ghosts(ui: UiState) -> None:
    _name("ghosts")
    psim.SetNextItemWidth(70.0 * scale())
    _, ui.look.ghosts = psim.DragInt("##ghosts", ui.look.ghosts, 0.1, 1, MOST_GHOSTS, "%d bodies")
    tooltip("How many other frames have a ghost; each costs about a tenth of a body to draw")
    psim.SameLine()
    psim.SetNextItemWidth(-1.0)
    _, ui.look.ghost_spacing = psim.DragInt("##ghost spacing", ui.look.ghost_spacing, 0.3, 2, 60, "every %d")
    tooltip("Frames between two ghosts; drag, or double-click to type")


def _pull(view: ViewModel, ui: UiState) -> None:
    _name("arrows")
    shown = pulling(view, ui)
    psim.SetNextItemWidth(-1.0)
    text, flags = words(shown) if ui.look.pull_term else f"{words(shown)} (largest)", psim.ImGuiComboFlags_HeightLarge
    if psim.BeginCombo("##arrows of", text, int(flags)):
        if psim.Selectable("the largest share", ui.look.pull_term is None):
            ui.look.pull_term = None
        for term in view.scene.terms:
            if psim.Selectable(words(term.name), ui.look.pull_term == term.name):
                ui.look.pull_term = term.name
                if not ui.layers["pull"]:
                    ui.switch("pull")
        psim.EndCombo()
    tooltip("The term whose pull on each joint is drawn: minus the gradient of its loss by the joint's position")


def _futures(view: ViewModel, ui: UiState) -> None:
    look = ui.look
    _name("futures")
    psim.SetNextItemWidth(34.0 * scale())
    _, look.futures = psim.DragInt("##futures", look.futures, 0.1, 1, MOST_FUTURES)
    tooltip("How many are sampled")
    psim.SameLine()
    psim.SetNextItemWidth(56.0 * scale())
    _, look.future_frames = psim.DragInt("##future frames", look.future_frames, 0.5, 10, 120, "%d fr.")
    tooltip(f"How long they are; {view.scene.fps:g} frames a second")
    psim.SameLine()
    if psim.Button("Sample"):
        old = look.sampling
        again = old is not None and old.frame == ui.frame
        seed = old.seed + 1 if again and old is not None else 0
        look.sampling = Sampling(ui.frame, look.futures, look.future_frames, seed)
        if not ui.layers["futures"]:
            ui.switch("futures")
    tooltip("Sample futures of the prior from this frame on; press again for other samples")


def _floor(view: ViewModel, ui: UiState) -> Iterator[Command]:
    look = ui.look
    _name("floor")
    if not look.drag_floor:
        if psim.Button("Drag floor"):
            look.drag_floor, look.frame = True, "world"
        tooltip("Move the floor by a handle in the scene: its arrows lift the floor, its rings tilt it")
        return
    if psim.Button("Apply"):
        look.drag_floor = False
        yield SetFloor(seen_from_camera(plane_of(*ui.floor_draft), view.scene.camera))
    tooltip("Makes this floor the observed and the estimated one from now on (undo: Ctrl+Z)")
    psim.SameLine()
    if psim.Button("Cancel"):
        look.drag_floor = False
    x, y, lift = ui.floor_draft
    _name("")
    psim.TextUnformatted(f"{x:+.1f}° {y:+.1f}° {lift:+.1f} cm")


def _saved(ui: UiState) -> None:
    look = ui.look
    _name("viewpoint")
    with disabled(len(look.saved) >= MOST_VIEWS):
        if psim.Button("Save this one"):
            number = next(n for n in range(1, MOST_VIEWS + 1) if all(v.name != f"view {n}" for v in look.saved))
            matrix = tuple(float(x) for x in np.array(ps.get_camera_view_matrix()).ravel())
            look.save(SavedView(f"view {number}", look.frame, matrix, ps.get_vertical_fov_degrees()))
    tooltip(f"Up to {MOST_VIEWS}; they are kept for the next time")
    for saved in list(look.saved):
        psim.PushID(saved.name)
        if psim.Button("Go"):
            ui.camera_request, look.frame, ui.follow = f"saved {saved.name}", saved.frame, False
        tooltip("Look from there; following the body is switched off")
        psim.SameLine()
        if psim.Button("x"):
            look.forget(saved.name)
        tooltip("Delete this viewpoint")
        psim.SameLine()
        psim.SetNextItemWidth(-1.0)
        changed, name = psim.InputText("##name", saved.name)
        if changed:
            look.rename(saved, name)
        psim.PopID()


def _sizes(look: Look) -> None:
    _name("sizes")
    psim.SetNextItemWidth(70.0 * scale())
    _, look.point_size = psim.DragFloat("##points", look.point_size, 0.01, 0.3, 3.0, "points %.1f")
    psim.SameLine()
    psim.SetNextItemWidth(-1.0)
    _, look.line_size = psim.DragFloat("##lines", look.line_size, 0.01, 0.3, 3.0, "lines %.1f")
    tooltip("Factor for the thickness; drag, or double-click to type")
