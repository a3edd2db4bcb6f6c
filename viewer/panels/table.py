"""The table of panels, one row each: the title on its tab, its place in the window, and the function that draws it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from viewer.panels.fit.breakpoints import breakpoints_panel
from viewer.panels.fit.losses import losses_panel
from viewer.panels.fit.results import contents_panel, moments_panel, results_terms_panel
from viewer.panels.fit.stages import stages_panel
from viewer.panels.fit.timeline import timeline_panel
from viewer.panels.fit.transport import transport_panel
from viewer.panels.fit.variables import variables_panel
from viewer.panels.fit.weights import weights_panel
from viewer.panels.inspect.compare import compare_panel
from viewer.panels.inspect.diagnosis import diagnosis_panel
from viewer.panels.inspect.drift import drift_panel
from viewer.panels.inspect.effects import effects_panel
from viewer.panels.inspect.floor import floor_panel
from viewer.panels.inspect.frames import frames_panel
from viewer.panels.inspect.overlaps import overlaps_panel
from viewer.panels.inspect.profile import profile_panel
from viewer.panels.inspect.search import search_panel
from viewer.panels.inspect.selection import selection_panel
from viewer.panels.inspect.tuning import tuning_panel
from viewer.panels.program.data import data_panel
from viewer.panels.program.export import export_panel
from viewer.panels.program.layers import layers_panel
from viewer.panels.program.messages import messages_panel
from viewer.panels.program.record import record_panel
from viewer.panels.program.settings import settings_panel
from viewer.panels.program.view import view_panel
from viewer.protocol.commands import Command
from viewer.ui.layout import Slot


@dataclass(frozen=True)
class Panel:
    """One row of the table."""

    title: str
    """On its tab."""
    slot: Slot
    """Its place in the window; panels of one place share it as tabs, in the order of the table."""
    draw: Callable[..., Iterable[Command]]
    """From ``(view, ui)`` to commands; from ``(ui)`` where it is not about the fit."""
    results: bool | None = False
    """Whether it has something to show of an opened results folder; None: of nothing else."""
    of_fit: bool = True
    """Whether it shows the fit; the others are there before there is anything to show."""


PANELS: dict[str, Panel] = {
    "transport": Panel("Optimiser", "transport", transport_panel),
    "moments": Panel("Results", "transport", moments_panel, results=None),
    "contents": Panel("Contents", "variables", contents_panel, results=None),
    "variables": Panel("Freeze", "variables", variables_panel),
    "stages": Panel("Schedule", "variables", stages_panel),
    "data": Panel("Data", "variables", data_panel),
    "breakpoints": Panel("Breakpoints", "variables", breakpoints_panel),
    "layers": Panel("Show", "layers", layers_panel, results=True),
    "view": Panel("View", "layers", view_panel, results=True),
    "weights": Panel("Weights", "weights", weights_panel),
    "stored_terms": Panel("Loss terms", "weights", results_terms_panel, results=None),
    "losses": Panel("Loss", "losses", losses_panel),
    "frames": Panel("Frames", "losses", frames_panel),
    "search": Panel("Search", "losses", search_panel),
    "diagnosis": Panel("Why?", "losses", diagnosis_panel),
    "drift": Panel("Drift", "losses", drift_panel),
    "floor": Panel("Floor", "losses", floor_panel),
    "overlaps": Panel("Overlaps", "losses", overlaps_panel),
    "compare": Panel("Compare", "losses", compare_panel, results=True),
    "effects": Panel("Effect", "losses", effects_panel),
    "tuning": Panel("Tune", "losses", tuning_panel),
    "profile": Panel("Profile", "losses", profile_panel),
    "record": Panel("Film", "losses", record_panel, results=True),
    "export": Panel("Export", "losses", export_panel),
    "messages": Panel("Messages", "messages", messages_panel, of_fit=False, results=True),
    "selection": Panel("Selection", "messages", selection_panel, results=True),
    "settings": Panel("Settings", "messages", settings_panel, of_fit=False, results=True),
    "timeline": Panel("Timeline", "timeline", timeline_panel, results=True),
}
SLOTS: dict[str, tuple[str, ...]] = {
    slot: tuple(name for name, panel in PANELS.items() if panel.slot == slot and panel.results is not None)
    for slot in dict.fromkeys(panel.slot for panel in PANELS.values())
}
"""Place in the window → names of the panels that share it while a fit or a recorded run is shown."""


def shown_panels(slot: str, kind: str) -> tuple[str, ...]:
    """Names of the panels in a place of the window.

    Args:
        kind: What the window shows, see ``view_model.About``.
    """
    of_results = kind == "results"
    wanted = (True, None) if of_results else (True, False)
    return tuple(name for name, panel in PANELS.items() if panel.slot == slot and panel.results in wanted)
