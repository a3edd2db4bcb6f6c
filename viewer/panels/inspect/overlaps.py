"""The panel Overlaps: distances of neighbouring sub-sequences in shared frames, and the jumps at the seams."""

from __future__ import annotations

from collections.abc import Iterator

import polyscope.imgui as psim

from optim.diagnostics.quantities import QUANTITIES
from viewer.protocol.commands import Command
from viewer.protocol.findings import OverlapPair, Overlaps, Seam
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.asking import ask
from viewer.ui.plots import Curve, frame_plot
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import font, table_row, tooltip

_COLUMNS = ("pair", "frames", "most apart", "betas", "floor", "seam: cut → stitched")
_HELP = (
    f"most apart: the largest overlap distance, {QUANTITIES['position_cm'].definition}. betas: distance of the "
    "shape coefficients. floor: angle [°] and offset [cm] between the two floors. seam: the jump from one frame to the "
    "next after a hard cut, and in the stitched motion [cm]."
)


def overlaps_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A row per pair of neighbours; below, their distance over the shared frames."""
    if len(view.scene.starts) < 2:
        psim.TextWrapped("One sub-sequence only. A long clip is split by --rgb-seq-len and --rgb-overlap-len.")
        return
    yield from ask(view, ui, "overlaps")
    found = view.analyses.get("overlaps")
    if found is None or found.value is None:
        psim.TextDisabled(found.error if found is not None and found.error else "Computed when the run pauses…")
        return
    _table(view, ui, found.value)
    curves = []
    for index, pair in enumerate(found.value.pairs):
        color = theme.term_color(index)
        curves.append(Curve(f"apart {_pair(pair)} [cm]", int(pair.frames[0]), pair.position_cm, color, 2.0))
        dim = theme.mix(color, theme.PANEL, 0.45)
        curves.append(Curve(f"moves {_pair(pair)} [cm/frame]", int(pair.frames[0]) + 1, pair.velocity_cm, dim, 1.2))
    frame_plot("overlaps", view, ui, curves)


def _pair(pair: OverlapPair) -> str:
    return f"{pair.before + 1}–{pair.before + 2}" if pair.before >= 0 else "before–1"


def _table(view: ViewModel, ui: UiState, found: Overlaps) -> None:
    flags = int(psim.ImGuiTableFlags_BordersInnerH) | int(psim.ImGuiTableFlags_SizingFixedFit)
    with font(theme.SMALL_FONT):
        if psim.BeginTable("overlap table", len(_COLUMNS), flags):
            table_row(_COLUMNS, dim=True)
            tooltip(_HELP)
            seams = {seam.frame: seam for seam in found.seams}
            for pair in found.pairs:
                psim.TableNextRow()
                psim.TableNextColumn()
                if psim.Selectable(_pair(pair), False):
                    ui.go_to(int(pair.frames[int(pair.position_cm.argmax())]), view.scene.clip_frames)
                tooltip("Go to the frame where they are farthest apart")
                for text in _cells(pair, seams.get(int(pair.frames[-1]) + 1)):
                    psim.TableNextColumn()
                    psim.TextUnformatted(text)
            psim.EndTable()


def _cells(pair: OverlapPair, seam: Seam | None) -> tuple[str, ...]:
    floor = "–"
    if pair.floor_angle_deg is not None and pair.floor_offset_cm is not None:
        floor = f"{pair.floor_angle_deg:.1f}° {pair.floor_offset_cm:+.1f} cm"
    jump = "–"
    if seam is not None and seam.cut is not None and seam.stitched is not None:
        jump = f"{seam.cut[0]:.1f} → {seam.stitched[0]:.1f} cm"
    frames = f"{len(pair.frames)}: {pair.frames[0]}–{pair.frames[-1]}"
    return frames, QUANTITIES["position_cm"].text(pair.position_cm.max()), f"{pair.betas:.2f}", floor, jump
