"""Breakpoints: conditions that pause a run, with their bounds, and the way back to the last good iteration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from optim.session.edits import Rewind
from viewer.protocol.commands import Command, SetBreakpoints
from viewer.protocol.view_model import BreakpointSetting, Caught, ViewModel
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import disabled, font, scale, tooltip

HELP = {
    "not finite": "NaN or Inf in the loss, a term, a gradient, a variable or a point that the line search tried",
    "line search failed": "The direction leads uphill, or no point along it was better",
    "loss up": "The loss is more than so many times what it was before the iteration",
    "axis-angle flip": "root_orient jumps by 2π although the rotation does not (stages 1 and 2)",
    "foot skate": "Mean skate of the feet near the floor [mm/frame]",
    "penetration": "Depth of the lowest vertex below the floor [cm]; poses the whole mesh at every iteration",
    "floor tilt": "Angle between the fitted and the observed floor [°]; only with a camera",
    "phase begins": "Stop at every phase boundary",
    "term above": "A weighted loss term is above its bound",
}
BACK, BACK_HELP = "Back to the last good one", "Rewind to the newest iteration before whose numbers are all finite"


def breakpoints_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Draw a switch and a bound per breakpoint, and the latest one that was hit."""
    yield from _caught(view)
    if psim.BeginChild("breakpoints body", (0.0, 0.0)):
        for index, setting in enumerate(view.breakpoints):
            changed = _row(view, index, setting)
            if changed != setting:
                yield with_breakpoint(view, index, changed)
    psim.EndChild()


def with_breakpoint(view: ViewModel, index: int, changed: BreakpointSetting) -> SetBreakpoints:
    """The command that changes one breakpoint."""
    return SetBreakpoints((*view.breakpoints[:index], changed, *view.breakpoints[index + 1 :]))


def caught_text(view: ViewModel, caught: Caught) -> str:
    """Which breakpoint paused the run, and where."""
    return f"Iteration {view.history.number(caught.snapshot)}: {caught.text}"


def _caught(view: ViewModel) -> Iterator[Command]:
    caught = view.caught
    if caught is None:
        return
    with font(theme.SMALL_FONT):
        psim.PushTextWrapPos(0.0)
        psim.TextColored(theme.rgba(theme.WARN), caught_text(view, caught))
        psim.PopTextWrapPos()
    with disabled(caught.last_good is None):
        if psim.SmallButton(BACK):
            assert caught.last_good is not None
            yield Rewind(caught.last_good)
    tooltip(BACK_HELP)


def _row(view: ViewModel, index: int, setting: BreakpointSetting) -> BreakpointSetting:
    psim.PushID(f"breakpoint {index}")
    _, on = psim.Checkbox(setting.name, setting.on)
    tooltip(HELP[setting.name])
    changed = replace(setting, on=on)
    if setting.bound is not None:
        psim.SameLine()
        psim.SetNextItemWidth(70.0 * scale())
        enter = int(psim.ImGuiInputTextFlags_EnterReturnsTrue)
        entered, bound = psim.InputDouble("##bound", setting.bound, 0.0, 0.0, f"%g {setting.unit}", enter)
        if entered:
            changed = replace(changed, bound=float(bound))
    if setting.term is not None:
        psim.SameLine()
        psim.SetNextItemWidth(-1.0)
        if psim.BeginCombo("##term", setting.term.replace("_", " ")):
            for name in view.scene.loss_terms:
                if psim.Selectable(name.replace("_", " "), name == setting.term):
                    changed = replace(changed, term=name)
            psim.EndCombo()
    psim.PopID()
    return changed
