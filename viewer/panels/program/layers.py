"""Layers: what is drawn in the 3D view, and where it is seen from."""

from __future__ import annotations

from collections.abc import Iterator

from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.actions import HOME
from viewer.ui.drawing import psim
from viewer.ui.focus import FOCUSES, absent, focus_on
from viewer.ui.ui_state import LAYER_GROUPS, LAYERS, UiState
from viewer.ui.widgets import colored, disabled, dot, font, scale, styled, tooltip

COLUMNS = 2


def layers_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A switch per layer, in two columns under small headings; scrolls where it does not fit."""
    _focus(view, ui)
    psim.PushID("show")
    psim.BeginChild("layers list", (0.0, -44.0 * scale()))
    with font(theme.SMALL_FONT), styled(ItemSpacing=(5.0, 2.0)):
        for title, group in LAYER_GROUPS.items():
            psim.TextColored(theme.rgba(theme.DIM), title)
            width = psim.GetContentRegionAvail()[0] / COLUMNS
            left = psim.GetCursorPosX()
            for place, (name, label) in enumerate(group.items()):
                if place % COLUMNS:
                    psim.SameLine(left + width * (place % COLUMNS))
                _switch(view, ui, name, label)
    psim.EndChild()
    psim.PopID()
    _viewpoint(view, ui)
    yield from ()


def _focus(view: ViewModel, ui: UiState) -> None:
    """A button for each view."""
    psim.PushID("focus")
    with font(theme.SMALL_FONT), styled(FramePadding=(5.0, 2.0), ItemSpacing=(4.0, 4.0)):
        for index, (name, row) in enumerate(FOCUSES.items()):
            if index:
                psim.SameLine()
            reason = absent(name, view)
            shade = theme.mix(theme.ACCENT, theme.PANEL, 0.45) if name == ui.focus else theme.RAISED
            with disabled(reason is not None), colored(Button=theme.rgba(shade)):
                if psim.Button(row.title):
                    focus_on(ui, name)
            tooltip(reason or f"{row.help} ({row.key})")
    psim.PopID()


def _viewpoint(view: ViewModel, ui: UiState) -> None:
    with font(theme.SMALL_FONT), styled(FramePadding=(5.0, 1.0), ItemSpacing=(5.0, 3.0)):
        _, ui.follow = psim.Checkbox("Follow", ui.follow)
        tooltip("The viewpoint moves along with the body (F)")
        psim.SameLine()
        if psim.Button(HOME.label):
            ui.camera_request = "home"
        tooltip(HOME.tooltip)
        psim.SameLine()
        with disabled(view.scene.camera is None):
            if psim.Button("From camera"):
                ui.camera_request, ui.follow = "camera", False
        tooltip("See the scene as the video camera did" if view.scene.camera else "The data has no camera")
        for side, (label, text) in SIDES.items():
            if psim.Button(label):
                ui.camera_request = side
            tooltip(text)
            psim.SameLine()
        _, ui.orthographic = psim.Checkbox("Ortho", ui.orthographic)
        tooltip("Orthographic: no perspective, so that lengths [m] can be compared over the whole picture (U)")


SIDES = {
    "top": ("Top", "From above; where the body faces at this frame is up (T)"),
    "side": ("Side", "From the left of the body at this frame (S)"),
    "front": ("Front", "From where the body faces at this frame (V)"),
}
"""Viewpoint → label and help."""


def _switch(view: ViewModel, ui: UiState, name: str, label: str) -> None:
    reason = missing(view, name)
    with disabled(reason is not None), styled(FramePadding=(1.0, 0.0), ItemSpacing=(5.0, 2.0)):
        dot(theme.LAYER_COLORS[name], hollow=not ui.layers[name])
        changed, _ = psim.Checkbox(label, ui.layers[name])
    if changed:
        ui.switch(name)
    key = list(LAYERS).index(name) + 1
    tooltip(reason or HELP.get(name, "Switch on or off") + (f" ({key})" if key <= 9 else ""))


HELP = {
    "body": "The fitted body; each sub-sequence has its colour",
    "skeleton": "Joints and bones of the body model",
    "ghosts": "The body at other frames, coarse; how many and how far apart is set under View",
    "regressed": "Joints that the prior's decoder predicts, and how far they are from the body's",
    "contacts": "How probable it is that a joint touches the floor",
    "ground_truth": "The true motion",
    "observations": "What was seen (green), and crosses where something was not seen",
    "camera": "Where the video camera stood, and its image plane",
    "film": "The video behind the body",
    "floor": "The floor as it is estimated now",
    "floors": "The floor as observed and that of every sub-sequence, with tilt and offset",
    "axes": "The prior's frame: x red, y green, z blue",
    "rollout": "The motion that stage 3 starts with (orange) against that of stage 2 (blue)",
    "rollout_body": "Bodies of the first roll-out",
    "rollout_now": "The motion at this iteration against that of stage 2 (blue)",
    "one_step": "Every frame decoded from the true one before it: the error of encoding, without accumulated errors",
    "futures": "Samples of the prior from a frame on; set under View",
    "nodes": "Defects of multiple shooting: where its segments do not meet",
    "overlaps": "The two sub-sequences that share this frame, how far they are apart, and where",
    "stitched": "The joined motion: cut (red) and blended (green)",
    "compared": "The pinned motion as a second body; what is pinned is set in the tab Compare",
    "pull": "Where a loss term pulls each joint; the term is chosen under View",
    "before": "The body as it was before the last edit, while Live is on",
    "predicted": "The body that the tab Effect predicts for another weight",
}
_FROM_STAGE_3 = {"rollout", "rollout_body", "rollout_now", "one_step"}


def missing(view: ViewModel, layer: str) -> str | None:
    """Why a layer has nothing to draw; None if it has something."""
    scene = view.scene
    reasons = {
        "The roll-out exists from stage 3 on": layer in _FROM_STAGE_3 and view.drift is None,
        "The decoder takes part from stage 3 on": layer == "regressed" and view.regressed is None,
        "Contacts are known from stage 3 on": layer == "contacts" and view.motion.contacts is None,
        "The data has no ground truth": layer == "ground_truth" and scene.ground_truth is None,
        "The data has no camera": layer in ("camera", "floors") and scene.camera is None,
        "The data has no video": layer == "film" and scene.footage is None,
        "There is no floor": layer == "floor" and view.floors is None,
        "Only a fit by multiple shooting has nodes": layer == "nodes" and view.nodes is None,
        "Nothing is pinned: see the tab Compare": layer == "compared" and view.compared is None,
        "The clip is not split into sub-sequences": layer in ("overlaps", "stitched") and not scene.split,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
