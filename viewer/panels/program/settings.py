"""The panel Settings: theme and size of the window, which are kept for the next start."""

from __future__ import annotations

from collections.abc import Iterator

from viewer.protocol.commands import Command
from viewer.ui import theme
from viewer.ui.drawing import ps, psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import tooltip

SCALES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5)


def settings_panel(ui: UiState) -> Iterator[Command]:
    """Dark or light, how large texts and widgets are, and what else can be opened."""
    for index, name in enumerate(theme.THEMES):
        if index:
            psim.SameLine()
        if psim.RadioButton(name, ui.theme == name):
            ui.theme = name
    tooltip("Colours of the window")
    psim.SameLine()
    psim.SetNextItemWidth(-1.0)
    label = f"as the desktop ({ui.desktop_scale:g} ×)" if ui.scale is None else f"{ui.scale:g} × size"
    wanted, drawn = ui.scale or ui.desktop_scale, ps.get_ui_scale()
    if drawn < wanted - 1e-3:
        label += f", {drawn:.2g} here"
    if psim.BeginCombo("##size", label):
        if psim.Selectable(f"as the desktop ({ui.desktop_scale:g} ×)", ui.scale is None):
            ui.scale = None
        for scale in SCALES:
            if psim.Selectable(f"{scale:g} × size", ui.scale == scale):
                ui.scale = scale
        psim.EndCombo()
    tooltip("Size of texts and widgets, for screens with small pixels; no larger than the window has room for")
    if psim.SmallButton("Open…"):
        ui.opening.show("open")
    tooltip("Open another file, run or results in place of what is shown (Ctrl+O); files can be dropped, too")
    psim.SameLine()
    if psim.SmallButton("Show the help of the first start"):
        ui.show_hint = True
    yield from ()
