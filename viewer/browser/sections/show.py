"""What is drawn: the views of the scene, a switch for each layer, the legend, and each browser's own viewpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import viser

from viewer.browser.canvas import css
from viewer.browser.controls import Inbox
from viewer.browser.scene import BrowserScene, look_from
from viewer.panels.program.layers import SIDES
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui.actions import HOME
from viewer.ui.focus import FOCUSES, Entry, absent, focus_on, in_order, legend
from viewer.ui.ui_state import LAYER_GROUPS, UiState


class Show:
    """The switches; the layers are everybody's, the viewpoint is the clicking browser's own."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState, scene: BrowserScene) -> None:
        self._ui, self._inbox, self._scene = ui, inbox, scene
        self._view: ViewModel | None = None
        self.focus = gui.add_button_group("view", [row.title for row in FOCUSES.values()])
        self.sides = gui.add_button_group("from", [HOME.label, *(label for label, _ in SIDES.values())])
        inbox.clicked_by(self.focus, self._focus)
        inbox.clicked_by(self.sides, self._look)
        self.layers: dict[str, viser.GuiCheckboxHandle] = {}
        for title, group in LAYER_GROUPS.items():
            with gui.add_folder(title, expand_by_default=title in ("Motion", "Data")):
                for name, label in group.items():
                    self.layers[name] = gui.add_checkbox(label, False)
                    inbox.changed(self.layers[name], self._switch_of(name))

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Switches of layers that have nothing to draw are greyed out."""
        self._view = view
        for layer in self._scene.layers:
            switch = self.layers[layer.name]
            self._inbox.show(switch, ui.layers[layer.name])
            switch.disabled = not layer.exists(view)
        yield from ()

    def _switch_of(self, name: str) -> Callable[[bool], None]:
        def switch(on: bool) -> None:
            if self._ui.layers[name] != on:
                self._ui.switch(name)

        return switch

    def _focus(self, client: viser.ClientHandle | None, title: str) -> None:
        name = next(name for name, row in FOCUSES.items() if row.title == title)
        if self._view is None or absent(name, self._view) is not None:
            return
        focus_on(self._ui, name)
        request, self._ui.camera_request = self._ui.camera_request, None
        if client is not None and request is not None:
            look_from(client, request, self._view, self._ui)

    def _look(self, client: viser.ClientHandle | None, pressed: str) -> None:
        if client is not None and self._view is not None:
            side = next((name for name, (label, _) in SIDES.items() if label == pressed), "home")
            look_from(client, side, self._view, self._ui)


class Legend:
    """What the colours in the scene mean."""

    def __init__(self, gui: viser.GuiApi, scene: BrowserScene) -> None:
        self._scene = scene
        self.html = gui.add_html("")

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """A line for each colour."""
        names = {layer.name for layer in self._scene.visible(view, ui)}
        self.html.content = legend_html(legend(view, in_order(ui, names)))
        yield from ()


def legend_html(entries: list[Entry]) -> str:
    """A dot and a text for each entry."""
    lines = (f'<div><span style="color:{css(entry.color)}">●</span> {_escaped(entry.text)}</div>' for entry in entries)
    return f'<div style="font-size:0.8em;line-height:1.5;padding:0.2em 0.8em">{"".join(lines)}</div>'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
