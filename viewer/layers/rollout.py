"""The roll-out that stage 3 starts from beside the stage-2 motion it encodes: paths, skeleton and drift."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polyscope.imgui as psim

from viewer import theme
from viewer.layers.base import Label, Layer, bones, sequences_at
from viewer.layout import Rect
from viewer.ui_state import UiState
from viewer.view_model import Drift, ViewModel
from viewer.widgets import scale

EVERY = 10  # frames between two numbered drift segments


class RolloutLayer(Layer):
    """Blue: root path and skeleton of stage 2. Orange: those of its roll-out. Segments: the drift, in cm."""

    name = "rollout"

    def exists(self, view: ViewModel) -> bool:
        """From stage 3 on."""
        return view.drift is not None

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Paths over all frames, skeleton at the current one."""
        drift = view.drift
        assert drift is not None
        color = theme.LAYER_COLORS[self.name]
        for b in range(len(view.scene.starts)):
            self._path(f"stage 2 path {b}", drift.stage2.joints[b, :, 0], theme.STAGE2)
            self._path(f"path {b}", drift.initial.joints[b, :, 0], color)
            frames = numbered_frames(view.scene.num_frames)
            starts, ends = drift.stage2.joints[b, frames, 0], drift.initial.joints[b, frames, 0]
            self.segments(f"drift {b}", starts, ends, color=theme.RESIDUAL, radius=0.006)
        edges = bones(view.scene.body.parents)
        for b, local in sequences_at(view, ui.frame):
            joints = np.ascontiguousarray(drift.initial.joints[b, local])
            self.lines(f"bones {b}", joints, edges, color=color, radius=0.008)
            joints = np.ascontiguousarray(drift.stage2.joints[b, local])
            self.lines(f"stage 2 bones {b}", joints, edges, color=theme.STAGE2, radius=0.008)
            now = slice(local, local + 1)
            starts, ends = drift.stage2.joints[b, now, 0], drift.initial.joints[b, now, 0]
            self.segments(f"drift now {b}", starts, ends, color=theme.TEXT, radius=0.009)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """Centimetres at the numbered frames, and larger at the current one."""
        drift = view.drift
        assert drift is not None
        for b, local in sequences_at(view, ui.frame):
            yield _label(drift, b, local, theme.TEXT, f"{drift.root_cm[b, local]:.1f} cm")
        for b in range(len(view.scene.starts)):
            for frame in reversed(numbered_frames(view.scene.num_frames)):
                yield _label(drift, b, frame, theme.LAYER_COLORS[self.name], f"{drift.root_cm[b, frame]:.0f}")

    def overlay(self, view: ViewModel, ui: UiState, free: Rect) -> None:
        """The drift over the frames as a small curve, and which line is which."""
        assert view.drift is not None
        size = scale()
        width, height = 210.0 * size, 92.0 * size
        box = Rect(free.x + free.width - width - 8.0, free.y + free.height - height - 8.0, width, height)
        draw = psim.GetBackgroundDrawList()
        corners = (box.x, box.y), (box.x + box.width, box.y + box.height)
        draw.AddRectFilled(*corners, theme.packed(theme.BACKGROUND, 0.85), 4.0)
        draw.AddRect(*corners, theme.packed(theme.BORDER), 4.0)
        x = box.x + 6.0
        for text, color in (("stage 2", theme.STAGE2), ("  its roll-out", theme.LAYER_COLORS[self.name])):
            draw.AddText((x, box.y + 3.0), theme.packed(color), text)
            x += psim.CalcTextSize(text)[0]
        highest = float(view.drift.root_cm.max())
        draw.AddText((box.x + 6.0, box.y + 20.0 * size), theme.packed(theme.DIM), f"drift, up to {highest:.0f} cm")
        for b in range(len(view.scene.starts)):
            self._curve(view, ui, b, box)

    def _curve(self, view: ViewModel, ui: UiState, b: int, box: Rect) -> None:
        assert view.drift is not None
        drift = view.drift.root_cm[b]
        left, width = box.x + 8.0, box.width - 16.0
        x = left + width * np.arange(len(drift)) / max(len(drift) - 1, 1)
        y = (
            box.y
            + box.height
            - 6.0
            - (box.height - 44.0 * scale()) * drift / max(float(view.drift.root_cm.max()), 1e-6)
        )
        draw = psim.GetBackgroundDrawList()
        for i in range(len(drift) - 1):
            ends = (float(x[i]), float(y[i])), (float(x[i + 1]), float(y[i + 1]))
            draw.AddLine(*ends, theme.packed(theme.LAYER_COLORS[self.name]), 1.8)
        local = view.scene.local_frame(b, ui.frame)
        if local is not None:
            draw.AddCircleFilled((float(x[local]), float(y[local])), 3.5, theme.packed(theme.TEXT))

    def _path(self, name: str, nodes: np.ndarray, color: theme.Color) -> None:
        edges = np.stack((np.arange(len(nodes) - 1), np.arange(1, len(nodes))), axis=1)
        self.lines(name, np.ascontiguousarray(nodes), edges, color=color, radius=0.010)


def numbered_frames(count: int) -> list[int]:
    """Frames whose drift is written out: every tenth and the last."""
    return sorted({*range(EVERY, count, EVERY), count - 1})


def _label(drift: Drift, b: int, frame: int, color: theme.Color, text: str) -> Label:
    middle = (drift.stage2.joints[b, frame, 0] + drift.initial.joints[b, frame, 0]) / 2
    return Label(middle, text, color)
