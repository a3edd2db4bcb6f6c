"""What an opened results folder has in place of an optimiser: the motions that were stored, and their loss terms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from viewer.protocol.commands import Command, Inspect
from viewer.protocol.view_model import ViewModel
from viewer.ui.drawing import psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import caption, number, table_row, tooltip


def moments_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """The stored motions; a click shows one."""
    caption("Results", view.scene.name)
    for snapshot, name in view.history.bookmarks:
        loss = float(view.history.total[view.history.row_of(snapshot)])
        text = name if np.isnan(loss) else f"{name} · loss {number(loss)}"
        if psim.Selectable(f"{text}##moment {snapshot}", snapshot == view.shown):
            yield Inspect(None if snapshot == view.current else snapshot)
        tooltip("Show this motion. Results hold motions only; a run file also holds every iteration between them")


def results_terms_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Loss terms at the moment that is shown, as far as they were stored."""
    caption("Loss terms")
    rows = [row for row in zip(view.scene.terms, view.weighted, view.raw, strict=True) if np.isfinite(row[1])]
    if not rows:
        psim.TextWrapped("No loss terms were stored for this motion.")
    elif psim.BeginTable("stored terms", 3, int(psim.ImGuiTableFlags_RowBg | psim.ImGuiTableFlags_ScrollY)):
        table_row(("term", "weighted", "without weight"), dim=True)
        for term, weighted, raw in rows:
            table_row((term.name.replace("_", " "), number(float(weighted)), f"{number(float(raw))} {term.unit}"))
            tooltip(term.formula)
        psim.EndTable()
    yield from ()


def contents_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """What the results hold besides motions."""
    caption("Contents")
    scene = view.scene
    seen = {
        "3D joints": scene.observed.joints3d,
        "points": scene.observed.points3d,
        "2D keypoints": scene.observed.joints2d,
    }
    observed = [name for name, data in seen.items() if data is not None]
    lines = [
        f"{scene.clip_frames} frames at {scene.fps:g} Hz",
        f"observations: {', '.join(observed) or 'not stored'}",
        f"ground truth: {'stored' if scene.ground_truth is not None else 'not stored'}",
        f"settings: {'stored' if view.about.settings else 'not stored'}",
    ]
    lines += [f"{len(scene.starts)} sub-sequences"] if len(scene.starts) > 1 else []
    for line in lines:
        psim.TextWrapped(line)
    yield from ()
