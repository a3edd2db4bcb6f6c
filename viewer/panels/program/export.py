"""The panel Export: writes the motion of the current iteration to files for other programs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from viewer.protocol.commands import Command, Export
from viewer.protocol.view_model import ViewModel
from viewer.ui.drawing import psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import disabled, scale, tooltip

FORMATS = {
    "gltf": "glTF (.glb): skinned mesh and skeleton, y up; opens in Blender",
    "bvh": "BVH: skeleton only, y up",
    "amass": "AMASS .npz: metres, z up, axis-angle",
    "humor": "HuMoR's results_out folder, every stage",
    "csv": "Tables of losses and diagnostics",
    "json": "Camera and floor",
    "obj": "Mesh of the frame that is shown, metres, y up",
}
"""Name → what it is; ``optim.config.formats`` and docs/frames.md say more."""
BONES = {
    "smpl": "Bones are called as SMPL's joints: left_hip, left_knee",
    "mixamo": "Bones are called as in Mixamo's rigs: mixamorig:LeftUpLeg, mixamorig:LeftLeg",
    "unreal": "Bones are called as in Unreal's mannequin: thigh_l, calf_l",
}
"""Names of bones in gltf and bvh → what they are; ``optim.results.saving.bones`` has all of them."""
WITH_BONES = frozenset({"gltf", "bvh"})
"""Formats with names of bones and a unit of length."""
SCALE_HELP = "Factor on lengths in gltf and bvh: 1 gives metres, 100 centimetres"
EXPORT = "Export"
EXPORT_HELP = "The motion at the current iteration, one file for each sub-sequence and for their stitched motion"


def export_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A box per format, names of bones and scale, the folder, and the button."""
    if psim.BeginChild("export body", (0.0, 0.0)):
        _formats(ui)
        _skeleton(ui)
        yield from _folder(view, ui)
    psim.EndChild()


def _formats(ui: UiState) -> None:
    for index, (name, text) in enumerate(FORMATS.items()):
        if index % 4:
            psim.SameLine()
        _, chosen = psim.Checkbox(name, name in ui.export_formats)
        tooltip(text)
        ui.export_formats = ui.export_formats | {name} if chosen else ui.export_formats - {name}


def _skeleton(ui: UiState) -> None:
    """Names of bones and unit of length, which only glTF and BVH have."""
    with disabled(not WITH_BONES & ui.export_formats):
        for name, text in BONES.items():
            if psim.RadioButton(name, ui.export_bones == name):
                ui.export_bones = name
            tooltip(text)
            psim.SameLine()
        psim.SetNextItemWidth(90.0 * scale())
        _, entered = psim.InputDouble("##export scale", ui.export_scale, 0.0, 0.0, "× %g")
        tooltip(SCALE_HELP)
        ui.export_scale = entered if math.isfinite(entered) and entered > 0 else 1.0


def _folder(view: ViewModel, ui: UiState) -> Iterator[Command]:
    psim.SetNextItemWidth(-70.0 * scale())
    _, ui.export_folder = psim.InputTextWithHint("##export folder", "folder, e.g. ~/fits", ui.export_folder)
    tooltip("Folder for the files; it is made if missing. docs/frames.md names the units and frames of each file")
    psim.SameLine()
    running = view.status.state == "running"
    with disabled(running or not ui.export_folder or not ui.export_formats):
        if psim.Button(EXPORT):
            yield export_of(ui, ui.export_folder)
    tooltip(EXPORT_HELP)


def export_of(ui: UiState, folder: str) -> Export:
    """The command that writes what is chosen into a folder."""
    ordered = tuple(name for name in FORMATS if name in ui.export_formats)
    return Export(ordered, folder, ui.frame, ui.export_bones, ui.export_scale)
