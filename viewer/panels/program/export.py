"""The panel Export: writes the motion of the current iteration to files for other programs."""

from __future__ import annotations

from collections.abc import Iterator

import polyscope.imgui as psim

from viewer.protocol.commands import Command, Export
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import disabled, scale, tooltip

FORMATS = {
    "gltf": "glTF (.glb): skinned mesh and skeleton, metres, y up; opens in Blender",
    "bvh": "BVH: skeleton only, metres, y up",
    "amass": "AMASS .npz: metres, z up, axis-angle",
    "humor": "HuMoR's results_out folder, every stage",
    "csv": "Tables of losses and diagnostics",
    "json": "Camera and floor",
    "obj": "Mesh of the frame that is shown, metres, y up",
}
"""Name → what it is; ``optim.config.formats`` and docs/frames.md say more."""


def export_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A box per format, the folder, and the button."""
    if psim.BeginChild("export body", (0.0, 0.0)):
        _formats(ui)
        yield from _folder(view, ui)
    psim.EndChild()


def _formats(ui: UiState) -> None:
    for index, (name, text) in enumerate(FORMATS.items()):
        if index % 4:
            psim.SameLine()
        _, chosen = psim.Checkbox(name, name in ui.export_formats)
        tooltip(text)
        ui.export_formats = ui.export_formats | {name} if chosen else ui.export_formats - {name}


def _folder(view: ViewModel, ui: UiState) -> Iterator[Command]:
    psim.SetNextItemWidth(-70.0 * scale())
    _, ui.export_folder = psim.InputTextWithHint("##export folder", "folder, e.g. ~/fits", ui.export_folder)
    tooltip("Folder for the files; it is made if missing. docs/frames.md names the units and frames of each file")
    psim.SameLine()
    running = view.status.state == "running"
    with disabled(running or not ui.export_folder or not ui.export_formats):
        if psim.Button("Export"):
            ordered = tuple(name for name in FORMATS if name in ui.export_formats)
            yield Export(ordered, ui.export_folder, ui.frame)
    tooltip("The motion at the current iteration, one file for each sub-sequence and for their stitched motion")
