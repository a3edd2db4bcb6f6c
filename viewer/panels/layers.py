"""Layers: what is drawn in the 3D view, and where it is seen from."""

from __future__ import annotations

from collections.abc import Iterator

import polyscope.imgui as psim

from viewer import theme
from viewer.commands import Command
from viewer.ui_state import LAYERS, UiState
from viewer.view_model import ViewModel
from viewer.widgets import caption, disabled, dot, styled, tooltip


def layers_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A switch per layer, then the viewpoint."""
    caption("Show")
    for index, (name, label) in enumerate(LAYERS.items()):
        reason = missing(view, name)
        with disabled(reason is not None), styled(FramePadding=(1.0, 0.0)):
            dot(theme.LAYER_COLORS[name], hollow=not ui.layers[name])
            changed, ui.layers[name] = psim.Checkbox(label, ui.layers[name])
        if changed:
            ui.broken.pop(f"layer {name}", None)  # another chance
        tooltip(reason or f"Switch on or off ({index + 1})")
    psim.Separator()
    _, ui.follow = psim.Checkbox("Follow", ui.follow)
    tooltip("The viewpoint moves along with the body (F)")
    psim.SameLine()
    if psim.Button("Home"):
        ui.camera_request = "home"
    tooltip("Back to the viewpoint of the start (H)")
    psim.SameLine()
    with disabled(view.scene.camera is None):
        if psim.Button("From camera"):
            ui.camera_request, ui.follow = "camera", False
    tooltip("See the scene as the video camera did" if view.scene.camera else "The data has no camera")
    yield from ()


def missing(view: ViewModel, layer: str) -> str | None:
    """Why a layer has nothing to draw; None if it has."""
    if layer in ("rollout", "rollout_body") and view.drift is None:
        return "The roll-out exists from stage 3 on"
    if layer == "ground_truth" and view.scene.ground_truth is None:
        return "The data has no ground truth"
    if layer == "floor" and view.floors is None:
        return "There is no floor"
    return None
