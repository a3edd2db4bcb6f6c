"""The page that a server shows in every browser, and one turn of the loop behind it.

It draws the last view that the worker published and posts commands. It waits for nothing and knows no optimiser. While
no browser is connected it draws nothing.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from functools import partial

import viser

from viewer.browser.canvas import rgb
from viewer.browser.controls import Inbox
from viewer.browser.scene import BrowserScene, home, look_from, place
from viewer.browser.sections.breakpoints import Breakpoints
from viewer.browser.sections.compare import Compare
from viewer.browser.sections.curves import Curves
from viewer.browser.sections.diagnosis import Why
from viewer.browser.sections.effects import Effects
from viewer.browser.sections.export import ExportFiles
from viewer.browser.sections.freeze import Freeze
from viewer.browser.sections.losses import Losses
from viewer.browser.sections.messages import Messages, small
from viewer.browser.sections.observed import Data, NewFloor
from viewer.browser.sections.schedule import Schedule
from viewer.browser.sections.section import Section
from viewer.browser.sections.show import Legend, Show
from viewer.browser.sections.timeline import Timeline
from viewer.browser.sections.transport import Transport
from viewer.browser.sections.weights import Weights
from viewer.panels.table import PANELS
from viewer.protocol.commands import Command
from viewer.protocol.view_model import Note, ViewModel
from viewer.ui import theme
from viewer.ui.ui_state import UiState
from viewer.window.client import Client
from viewer.window.front_end import FrontEnd
from viewer.window.scene_view import stage_shown

FAST, CALM, ALONE = 1 / 25, 1 / 12, 0.1
"""Seconds a turn: while the clip plays or a user acts, otherwise, and with no browser."""
CALM_AFTER = 0.5  # seconds without an action of a user
PANEL_WIDTH = 400  # pixels
TITLES = {"drift": "Curves"}
"""Tabs that show what several panels of the window do."""


class Page(FrontEnd):
    """One page over one client, the same in all browsers but for the viewpoint."""

    how_to_restart = "Restart it with the button at the top."

    def __init__(self, make_client: Callable[[], Client], server: viser.ViserServer, ui: UiState | None = None) -> None:
        super().__init__(make_client, ui)
        self.ui.plot_per_frame = False  # uPlot writes small numbers as 0
        self.server = server
        self.scene = BrowserScene(server)
        self._inbox = Inbox()
        self._broken: set[str] = set()
        self._built = False
        self._last_time = self._last_act = time.monotonic()
        self.sections: dict[str, Section] = {}
        self._build(server.gui)
        server.on_client_connect(self._welcome)

    def turn(self) -> float:
        """Take in what came from the worker and the users, and show it; returns the seconds to wait before the next."""
        now = time.monotonic()
        seconds, self._last_time = min(now - self._last_time, 0.5), now
        self.receive()
        commands = self._inbox.carry_out(partial(self._failed, "control"))
        watched = bool(self.server.get_clients())
        if commands or self.ui.playing:
            self._last_act = now
        commands += self.compare()
        if watched and self.view is not None:
            self.ui.advance(seconds, fps=self.view.scene.fps, num_frames=self.view.scene.clip_frames)
            commands += self._show()
        self.post(commands)
        self._tell()
        wanted = ALONE if not watched else FAST if now - self._last_act < CALM_AFTER else CALM
        return max(wanted - (time.monotonic() - now), 0.002)

    def close(self) -> None:
        """End the second run and what the layers hold; the client is the caller's."""
        self.other_run.close()
        self.scene.close()

    def _build(self, gui: viser.GuiApi) -> None:
        gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False, brand_color=rgb(theme.ACCENT))
        gui.main_panel.dock_right()
        gui.main_panel.set_width(PANEL_WIDTH)
        legend = gui.add_panel()
        legend.float(x=10, y=10, width=220)
        with legend.add_tab("Legend"):
            self.sections["legend"] = Legend(gui, self.scene)
        with legend.add_tab(PANELS["layers"].title):
            self.sections["layers"] = Show(gui, self._inbox, self.ui, self.scene)
        bar = gui.add_panel()
        bar.float(x=10, y=-10, width=640)
        with bar.add_tab(PANELS["timeline"].title):
            self.sections["timeline"] = Timeline(gui, self._inbox, self.ui)
        self.state = gui.add_html(f"<b>{self.loading}</b>")
        self.again = gui.add_button("Restart", visible=False, icon=viser.Icon.REFRESH)
        self._inbox.clicked(self.again, self.restart)
        self._messages = Messages(gui)

    def _build_sections(self, gui: viser.GuiApi, view: ViewModel) -> None:
        """The parts of the page that need to know what is shown; made when the first view comes."""
        inbox, ui, of_results = self._inbox, self.ui, view.about.kind == "results"
        makers: dict[str, Callable[[], Section]] = {
            "weights": lambda: Weights(gui, inbox, ui, view),
            "variables": lambda: Freeze(gui, inbox, ui, view),
            "stages": lambda: Schedule(gui, inbox, ui, view),
            "breakpoints": lambda: Breakpoints(gui, inbox, ui, view),
            "data": lambda: Data(gui, inbox, ui, view),
            "floor": lambda: NewFloor(gui, inbox, ui, view),
            "losses": lambda: Losses(gui, inbox, ui),
            "diagnosis": lambda: Why(gui, inbox, ui),
            "drift": lambda: Curves(gui, inbox, ui, view),
            "effects": lambda: Effects(gui, inbox, ui, view),
            "compare": lambda: Compare(gui, inbox, ui),
            "export": lambda: ExportFiles(gui, inbox, ui),
        }
        if not of_results:
            self.sections["transport"] = Transport(gui, inbox, ui)
        tabs = gui.add_tab_group()
        for name, make in makers.items():
            if PANELS[name].results or not of_results:
                with tabs.add_tab(TITLES.get(name, PANELS[name].title)):
                    self.sections[name] = make()
        self._messages.html.remove()
        with tabs.add_tab(PANELS["messages"].title):
            self._messages = Messages(gui)

    def _show(self) -> list[Command]:
        assert self.view is not None
        view, ui = self.view, self.ui
        if not self._built:
            self._built = True
            self._build_sections(self.server.gui, view)
        ui.frame = min(ui.frame, view.scene.clip_frames - 1)
        ui.follow_stage(stage_shown(view))
        ui.settle_drafts(view.obeyed)
        if ui.camera_request is not None:
            ui.camera_request = None
            self._place_all()
        commands = self._guard("scene", lambda: self.scene.draw(view, ui))
        for name, section in self.sections.items():
            commands += self._guard(name, lambda section=section: section.follow(view, ui))  # type: ignore[misc]
        return commands

    def _tell(self) -> None:
        """What has to be said with or without a view."""
        self._messages.tell(self.ui.notes)
        self.again.visible = self.lost
        self.state.visible = self.view is None or self.failed is not None
        self.state.content = small(self.loading if self.failed is None else self.failed.text)

    def _guard(self, name: str, draw: Callable[[], Iterable[Command]]) -> list[Command]:
        """Run a piece of drawing code. If it fails, its error becomes a message, and the piece is not drawn again."""
        if name in self._broken:
            return []
        try:
            return list(draw())
        except Exception as error:
            self._broken.add(name)
            self._failed(name, error)
            return []

    def _failed(self, name: str, error: Exception) -> None:
        """Say that something of the page has failed."""
        traceback.print_exception(error)
        self.ui.note(Note(level="error", text=f"{name}: {type(error).__name__}: {error}"))

    async def _welcome(self, client: viser.ClientHandle) -> None:
        """Give a new browser a viewpoint as soon as there is something to see."""
        self._inbox.put(lambda: self._place_one(client))

    def _place_one(self, client: viser.ClientHandle) -> None:
        if self.view is not None:
            look_from(client, "home", self.view, self.ui)

    def _place_all(self) -> None:
        assert self.view is not None
        place(self.server.initial_camera, *home(self.view, self.ui.frame, following=self.ui.follow), self.view)
        for client in self.server.get_clients().values():
            look_from(client, "home", self.view, self.ui)
