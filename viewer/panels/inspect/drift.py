"""The panel Drift: distance of the first roll-out of stage 3 from the stage-2 motion, and the share of encoding."""

from __future__ import annotations

from collections.abc import Iterator

from optim.diagnostics.quantities import QUANTITIES
from viewer.protocol.commands import Command
from viewer.protocol.findings import DriftCurves
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.asking import ask
from viewer.ui.drawing import psim
from viewer.ui.plots import Curve, frame_plot
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import sequence_choice, tooltip

NO_DRIFT = "The roll-out exists from stage 3 on: run to the end of stage 2, then one more iteration."
SHORT = {"root_cm": "root", "joints_cm": "joints", "heading_deg": "heading", "lowest_foot_cm": "feet"}
"""Field of ``DriftCurves`` → the word on its button."""


def drift_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """The free-running error and its two parts over the frames, for one quantity and one sub-sequence."""
    if view.drift is None:
        psim.TextWrapped(NO_DRIFT)
        return
    yield from ask(view, ui, "drift")
    for index, (name, label) in enumerate(SHORT.items()):
        if index:
            psim.SameLine()
        if psim.RadioButton(label, ui.drift_quantity == name):
            ui.drift_quantity = name
        tooltip(f"{QUANTITIES[name].label} [{QUANTITIES[name].unit}]: {QUANTITIES[name].definition}")
    if len(view.scene.starts) > 1:
        psim.SameLine()
    ui.sequence = sequence_choice("drift of", ui.sequence, view.scene)
    found = view.analyses.get("drift")
    if found is None or found.value is None:
        psim.TextDisabled(found.error if found is not None and found.error else "Computed when the run pauses…")
        return
    frame_plot("drift", view, ui, drift_curves(view, ui, found.value))


def drift_curves(view: ViewModel, ui: UiState, found: DriftCurves) -> list[Curve]:
    """The chosen quantity and its two parts over the frames of the chosen sub-sequence."""
    b = min(ui.sequence, len(view.scene.starts) - 1)
    unit = QUANTITIES[ui.drift_quantity].unit
    parts = (
        (f"free-running [{unit}]", "total", theme.LAYER_COLORS["rollout"], 2.2),
        ("one step: encoding", "encoding", theme.STAGE2, 1.5),
        ("accumulated", "accumulation", theme.RESIDUAL, 1.2),
    )
    return [
        Curve(label, view.scene.starts[b], getattr(found, part)[ui.drift_quantity][b], color, weight)
        for label, part, color, weight in parts
    ]
