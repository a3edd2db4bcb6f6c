"""Draws the window frame by frame: scene and panels, each guarded against errors, and filming.

It draws the last view that the worker published and posts commands. It waits for nothing and knows no optimiser.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from viewer.film.capture import drawn_by_processor
from viewer.film.studio import Studio
from viewer.panels.program.help import help_windows
from viewer.panels.program.opening import opening_windows
from viewer.panels.shortcuts import shortcuts
from viewer.panels.table import PANELS, SLOTS, shown_panels
from viewer.protocol.commands import Command
from viewer.protocol.view_model import Note
from viewer.scene.camera import Viewpoint
from viewer.ui import theme
from viewer.ui.drawing import ps, psim, window_flags
from viewer.ui.layout import ROOM, Rect, fitting_scale, lanes_of, layout
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import caption, font, tab_row, wide_switch
from viewer.window.client import Client
from viewer.window.front_end import FrontEnd, become_nicer
from viewer.window.overlay import draw_caption, draw_overlay, draw_side, free_of_overlay
from viewer.window.scene_limits import limit_scene
from viewer.window.scene_view import SceneView
from viewer.window.still import StillTaker

FAST_FRAME, SOFTWARE_FRAME, CALM_FRAME, LEAST_SLEEP = 1 / 30, 1 / 12.5, 1 / 12, 0.002  # seconds
"""Seconds per frame while the user acts or the clip plays, with and without a graphics card, and otherwise.

The last is long, so that the optimiser has the processor.
"""
CALM_AFTER = 0.5  # seconds without input

_PANEL_FLAGS = ("NoTitleBar", "NoResize", "NoMove", "NoCollapse", "NoSavedSettings", "NoBringToFrontOnFocus")


class App(FrontEnd):
    """One window over one client; ``frame`` is what Polyscope calls back."""

    def __init__(self, make_client: Callable[[], Client], ui: UiState | None = None) -> None:
        super().__init__(make_client, ui)
        self.scene_view = SceneView(self._guard)
        self.studio = Studio(self)
        self._theme = theme.THEMES[0]
        self._told_size = 0.0  # the size of texts that there was no room for
        self.software = False  # the processor draws
        self.still = StillTaker(self.ui)
        self._last_time = time.monotonic()
        self._last_input = self._last_time

    @property
    def viewpoint(self) -> Viewpoint:
        """The viewpoint of the scene."""
        return self.scene_view.viewpoint

    def frame(self) -> None:
        """Draw one frame; no exception leaves it, since Polyscope would not survive one."""
        try:
            self._frame()
        except Exception as error:
            self.ui.note(Note(level="error", text=f"window: {error!r}", advice=_where(error)))

    def _frame(self) -> None:
        now = time.monotonic()
        seconds, self._last_time = min(now - self._last_time, 0.5), now
        self.receive()
        size = ps.get_window_size()
        self._dress()
        filmed = self.studio.picture_seconds
        commands = [*shortcuts(self.view, self.ui), *self.compare()]
        if self.view is not None:
            scene = self.view.scene
            self.ui.advance(seconds if filmed is None else filmed, fps=scene.fps, num_frames=scene.clip_frames)
            commands += self.scene_view.draw(self.view, self.ui, self.free(), size)
        commands += self._draw_over(size)
        if self.software:
            covered = self.ui.panels_shown and self.studio.side is None
            limit_scene(self.free() if covered else None, size)
        self.still.follow(self.view)
        self.post(commands)
        if commands or self.ui.playing or _input_pending():
            self._last_input = now

    def _draw_over(self, size: tuple[int, int]) -> list[Command]:
        """Panels or what there is without them, and what a script writes over the scene."""
        side, commands = self.studio.side, []
        if side is not None and self.view is not None:
            draw_side(side, self.view, size)
        elif self.ui.panels_shown:
            commands = self._draw_panels(self._rects())
        elif self.view is not None:
            self._guard("overlay", partial(draw_overlay, self.view, size))
        if self.studio.caption:
            draw_caption(self.studio.caption, self.free() if side is None else side.whole(size))
        return commands

    def _dress(self) -> None:
        """Follow the settings of theme and size."""
        if self.ui.theme != self._theme:
            self._theme = self.ui.theme
            theme.use(self._theme)
            self.scene_view.redraw()
        wanted = self.ui.scale or self.ui.desktop_scale
        scale = fitting_scale(wanted, *ps.get_window_size())
        self._tell_size(wanted, scale)
        if abs(scale - ps.get_ui_scale()) > 1e-3:
            ps.set_ui_scale(scale)
            theme.apply_style()
        theme.scale_texts(scale)

    def _tell_size(self, wanted: float, scale: float) -> None:
        """Say once why texts are smaller than they should be."""
        if scale > wanted - 1e-3 or self._told_size == wanted:
            return
        self._told_size = wanted
        text = f"Texts are {scale:.2g} times as large as usual, not {wanted:g} times, so that all panels fit."
        width, height = (round(wanted * side) for side in ROOM)
        self.ui.note(Note(level="info", text=text, advice=f"Make the window {width} × {height} pixels or larger."))

    def _rects(self) -> dict[str, Rect]:
        size, ui = ps.get_window_size(), self.ui
        split = self.view is not None and self.view.scene.split
        lanes = lanes_of(len(self.view.scene.begins)) if self.view is not None and split else 0
        return layout(*size, scale=ps.get_ui_scale(), wide=ui.wide, broad=ui.wide_weights, lanes=lanes)

    def free(self) -> Rect:
        """The part of the window in which the scene can be seen."""
        size, side = ps.get_window_size(), self.studio.side
        if side is not None:
            return side.free(size)
        return self._rects()["view"] if self.ui.panels_shown else free_of_overlay(size)

    def tick(self) -> None:
        """One turn of the window: draw a frame, and film it while filming is on."""
        self.studio.obey()
        self.studio.prepare()
        ps.frame_tick()
        self.studio.take()

    # --- panels

    def _draw_panels(self, rects: dict[str, Rect]) -> list[Command]:
        commands: list[Command] = []
        for slot in SLOTS:
            if slot in rects:
                names = shown_panels(slot, self.about.kind)
                _open(slot, rects[slot])
                name = names[0] if len(names) == 1 else self._tabs(slot, names)
                commands += self._draw_panel(name)
                psim.End()
        if self.view is None and self.failed is None:
            _centred(rects["view"], self.loading)
        if self.lost:
            self._offer_restart(rects["view"])
        self._guard("opening", partial(opening_windows, self.ui, rects["view"]))
        if self.ui.opening.leaves:
            self.ui.quit = True
        commands += self._guard("help", partial(_listed, help_windows, self.ui, rects["view"])) or []
        return commands

    def _tabs(self, slot: str, names: tuple[str, ...]) -> str:
        """Titles of the panels that share a place; the one in front."""
        kept = self.ui.tabs.get(slot)
        front = kept if kept in names else names[0]
        titles = {name: PANELS[name].title for name in names}
        if self.ui.filming.active and "record" in titles:
            titles["record"] = "Filming"
        chosen = tab_row(titles, front, marked="record" if self.ui.filming.active else None)
        if slot == "losses":
            self.ui.wide = wide_switch(self.ui.wide)
        self.ui.tabs[slot] = chosen
        return chosen

    def _draw_panel(self, name: str) -> list[Command]:
        panel, view = PANELS[name], self.view
        if not panel.of_fit:
            return self._guard(name, partial(_listed, panel.draw, self.ui)) or []
        if view is None:
            caption(panel.title)
            psim.TextDisabled("Loading…" if self.failed is None else "Not loaded.")
        elif name in self.ui.broken:
            self._broken(name)
        else:
            return self._guard(name, partial(_listed, panel.draw, view, self.ui)) or []
        return []

    def _guard(self, name: str, draw: Callable[[], list[Command] | None]) -> list[Command] | None:
        """Run a piece of drawing code. If it fails, its error becomes a message, and the piece is not drawn again."""
        if name in self.ui.broken:
            return None
        try:
            return draw()
        except Exception as error:
            self.ui.broken[name] = f"{type(error).__name__}: {error}"
            text = f"{name}: {type(error).__name__}: {error}"
            self.ui.note(Note(level="error", text=text, advice=f"{_where(error)}; the rest of the window goes on."))
            return None

    def _broken(self, name: str) -> None:
        caption(name)
        psim.PushTextWrapPos(0.0)
        psim.TextColored(theme.rgba(theme.BAD), self.ui.broken[name])
        psim.PopTextWrapPos()
        if psim.Button(f"Try again##{name}"):
            del self.ui.broken[name]

    def _offer_restart(self, free: Rect) -> None:
        psim.SetNextWindowPos((free.x + free.width / 2, free.y + free.height / 2), 0, (0.5, 0.5))
        psim.Begin("lost", window_flags(*_PANEL_FLAGS, "AlwaysAutoResize"))
        psim.TextColored(theme.rgba(theme.BAD), self.client.obituary)
        where = "goes on from its last iteration" if self.client.recorded else "begins anew"
        psim.TextDisabled(f"A new one {where}.")
        restart = psim.Button("Restart")
        psim.End()
        if restart:
            self.restart()

    def drop(self, paths: Sequence[str]) -> None:
        """Open the first dropped file that can be opened, after a question if a fit is in progress."""
        opening = self.ui.opening
        fitting = next((path for path in paths if opening.kind_of(path) is not None), None)
        if fitting is None:
            text = f"{', '.join(paths)}: not a file or folder that the program reads"
            advice = "It reads run files, folders of results, motions, videos, keypoints and configurations (.cfg)."
            self.ui.note(Note(level="warning", text=text, advice=advice))
            self.ui.show_panel("messages")
            return
        opening.ask_for(fitting)
        self.ui.quit = self.ui.quit or opening.leaves

    def yield_to_worker(self) -> None:
        """Where the processor draws, let the optimiser go first."""
        self.software = drawn_by_processor()
        if self.software:
            become_nicer()

    def rest(self, spent: float) -> float:
        """How long to sleep after a frame that took ``spent`` seconds."""
        calm = time.monotonic() - self._last_input > CALM_AFTER
        fast = SOFTWARE_FRAME if self.software else FAST_FRAME
        return max(LEAST_SLEEP, (CALM_FRAME if calm else fast) - spent)


def _listed(panel: Callable[..., Iterable[Command]], *arguments: object) -> list[Command]:
    return list(panel(*arguments))


def _open(name: str, rect: Rect) -> None:
    psim.SetNextWindowPos((rect.x, rect.y))
    psim.SetNextWindowSize((rect.width, rect.height))
    psim.Begin(name, window_flags(*_PANEL_FLAGS))


def _centred(free: Rect, text: str) -> None:
    with font(theme.LARGE_FONT):
        width, height = psim.CalcTextSize(text)
        at = (free.x + (free.width - width) / 2, free.y + (free.height - height) / 2)
        psim.GetBackgroundDrawList().AddText(at, theme.packed(theme.TEXT), text)


def _input_pending() -> bool:
    io = psim.GetIO()
    moved = io.MouseDelta[0] or io.MouseDelta[1] or io.MouseWheel
    return bool(moved or psim.IsAnyMouseDown() or psim.IsAnyItemActive())


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
