"""The motion of the current iteration as files, sent to the browser that asked for them."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import viser

from viewer.browser.controls import Inbox, Posting
from viewer.panels.program.export import BONES, EXPORT, EXPORT_HELP, FORMATS, SCALE_HELP, WITH_BONES, export_of
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState


class ExportFiles:
    """A tick for each format, and a button; the worker writes into a temporary folder, and what it wrote is sent."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState) -> None:
        self._ui, self._inbox = ui, inbox
        self._asked: list[tuple[Posting, viser.ClientHandle, tempfile.TemporaryDirectory[str]]] = []
        self.ticks = {
            name: gui.add_checkbox(name, name in ui.export_formats, hint=text) for name, text in FORMATS.items()
        }
        hint = "\n".join(f"{name}: {text}" for name, text in BONES.items())
        self.bones = gui.add_dropdown("bones", tuple(BONES), hint=hint)
        self.scale = gui.add_number("scale ×", ui.export_scale, min=0.001, max=10_000.0, step=0.001, hint=SCALE_HELP)
        self.button = gui.add_button(EXPORT, hint=f"{EXPORT_HELP}. It is downloaded.", icon=viser.Icon.DOWNLOAD)
        for name, tick in self.ticks.items():
            inbox.changed(tick, partial(self._choose, name))
        inbox.changed(self.bones, partial(setattr, ui, "export_bones"))
        inbox.changed(self.scale, partial(setattr, ui, "export_scale"))
        inbox.clicked_by(self.button, self._export)

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """What is chosen; files that were written since the last call are sent."""
        for name, tick in self.ticks.items():
            self._inbox.show(tick, name in ui.export_formats)
        self._inbox.show(self.bones, ui.export_bones)
        self._inbox.show(self.scale, ui.export_scale)
        self.bones.disabled = self.scale.disabled = not WITH_BONES & ui.export_formats
        self.button.disabled = view.status.state == "running" or not ui.export_formats
        for entry in [entry for entry in self._asked if entry[0].obeyed(view)]:
            self._asked.remove(entry)
            _, client, folder = entry
            with folder as place:
                name, content = packed(Path(place), view.scene.name)
            if content:
                client.send_file_download(name, content, save_immediately=True)
        yield from ()

    def _choose(self, name: str, on: bool) -> None:
        self._ui.export_formats = self._ui.export_formats | {name} if on else self._ui.export_formats - {name}

    def _export(self, client: viser.ClientHandle | None, pressed: object) -> Iterator[Command]:
        if client is not None and self._ui.export_formats:
            folder = tempfile.TemporaryDirectory(prefix="humorscope-")
            self._asked.append((Posting(self._ui), client, folder))
            yield export_of(self._ui, folder.name)


def packed(folder: Path, name: str) -> tuple[str, bytes]:
    """Name and content of the file in a folder, or of an archive of all that is in it; no content if it is empty."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if len(files) == 1:
        return files[0].name, files[0].read_bytes()
    if not files:
        return "", b""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder))
    return f"{name or 'clip'}.zip", content.getvalue()
