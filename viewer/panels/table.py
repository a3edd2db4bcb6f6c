"""Every panel by name: the title on its tab, and what draws it. Where it stands is in ``viewer.ui.layout.SLOTS``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from viewer.panels.fit.breakpoints import traps_panel
from viewer.panels.fit.losses import losses_panel
from viewer.panels.fit.stages import stages_panel
from viewer.panels.fit.timeline import timeline_panel
from viewer.panels.fit.transport import transport_panel
from viewer.panels.fit.variables import variables_panel
from viewer.panels.fit.weights import weights_panel
from viewer.panels.inspect.diagnosis import diagnosis_panel
from viewer.panels.inspect.drift import drift_panel
from viewer.panels.inspect.floor import floor_panel
from viewer.panels.inspect.frames import frames_panel
from viewer.panels.inspect.overlaps import overlaps_panel
from viewer.panels.inspect.profile import profile_panel
from viewer.panels.inspect.search import search_panel
from viewer.panels.inspect.selection import selection_panel
from viewer.panels.program.data import data_panel
from viewer.panels.program.export import export_panel
from viewer.panels.program.layers import layers_panel
from viewer.panels.program.messages import messages_panel
from viewer.panels.program.record import record_panel
from viewer.panels.program.settings import settings_panel
from viewer.panels.program.view import view_panel
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState

Panel = Callable[[ViewModel, UiState], Iterable[Command]]
PANELS: dict[str, tuple[str, Panel]] = {
    "transport": ("Optimiser", transport_panel),
    "variables": ("Freeze", variables_panel),
    "layers": ("Show", layers_panel),
    "view": ("View", view_panel),
    "selection": ("Selection", selection_panel),
    "weights": ("Weights", weights_panel),
    "stages": ("Schedule", stages_panel),
    "losses": ("Loss", losses_panel),
    "frames": ("Frames", frames_panel),
    "search": ("Search", search_panel),
    "diagnosis": ("Why?", diagnosis_panel),
    "drift": ("Drift", drift_panel),
    "floor": ("Floor", floor_panel),
    "overlaps": ("Overlaps", overlaps_panel),
    "profile": ("Profile", profile_panel),
    "data": ("Data", data_panel),
    "traps": ("Traps", traps_panel),
    "record": ("Record", record_panel),
    "export": ("Export", export_panel),
    "timeline": ("Timeline", timeline_panel),
}
"""Panels about the fit."""
OWN_PANELS: dict[str, tuple[str, Callable[[UiState], Iterable[Command]]]] = {
    "messages": ("Messages", messages_panel),
    "settings": ("Settings", settings_panel),
}
"""Panels of the window itself, which are there before there is anything to show."""
