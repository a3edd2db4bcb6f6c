"""The panel Profile: the time that each phase of the fit has taken, by section, since the counts were cleared."""

from __future__ import annotations

from collections.abc import Iterator

from viewer.protocol.commands import ClearProfile, Command
from viewer.protocol.view_model import PhaseTimes, ViewModel
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import disabled, font, scale, tooltip


def profile_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A bar per phase, split into the parts of an evaluation; ms per evaluation; the table of parts."""
    phases = view.times
    with disabled(not phases):
        if psim.SmallButton("Clear"):
            yield ClearProfile()
    tooltip("Set all counts back to zero")
    psim.SameLine()
    psim.TextColored(theme.rgba(theme.DIM), "seconds of the optimiser, by part")
    if not phases:
        psim.TextDisabled("Nothing has run yet.")
        return
    if psim.BeginChild("profile body", (0.0, 0.0)):
        _bars(phases)
        _table(phases)
    psim.EndChild()


def _bars(phases: tuple[PhaseTimes, ...]) -> None:
    longest = max(sum(phase.seconds.values()) for phase in phases) or 1e-9
    for phase in phases:
        total = sum(phase.seconds.values())
        with font(theme.SMALL_FONT):
            each = 1000 * total / max(phase.evaluations, 1)
            psim.TextUnformatted(f"{phase.name}: {total:.1f} s, {phase.evaluations} evaluations, {each:.1f} ms each")
        x, y = psim.GetCursorScreenPos()
        width = psim.GetContentRegionAvail()[0] * total / longest
        psim.Dummy((max(width, 1.0), 9.0 * scale()))
        draw, left = psim.GetWindowDrawList(), x
        for index, seconds in enumerate(phase.seconds.values()):
            right = left + width * seconds / max(total, 1e-9)
            color = theme.packed(theme.term_color(index), 0.9)
            draw.AddRectFilled((left, y), (right, y + 9.0 * scale()), color)
            left = right


def _table(phases: tuple[PhaseTimes, ...]) -> None:
    """Parts as rows with their colour, share per phase as columns."""
    flags = int(psim.ImGuiTableFlags_BordersInnerH) | int(psim.ImGuiTableFlags_SizingStretchProp)
    with font(theme.SMALL_FONT):
        if not psim.BeginTable("parts", 1 + len(phases), flags):
            return
        for label in ("share", *(phase.name for phase in phases)):
            psim.TableNextColumn()
            psim.TextColored(theme.rgba(theme.DIM), label)
        for index, part in enumerate(phases[0].seconds):
            psim.TableNextRow()
            psim.TableNextColumn()
            psim.TextColored(theme.rgba(theme.term_color(index)), part)
            for phase in phases:
                psim.TableNextColumn()
                psim.TextUnformatted(f"{100 * phase.seconds[part] / max(sum(phase.seconds.values()), 1e-9):.1f} %")
        psim.EndTable()
