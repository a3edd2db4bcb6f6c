"""Draws roll-outs beside the stage-2 motion that they come from: paths of root and feet, skeletons, and the drift."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np

from optim.diagnostics.quantities import QUANTITIES, root_distance_cm
from viewer.protocol.view_model import Motion, ViewModel
from viewer.scene.layer import Label, Layer, bones, sequences_at
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.layout import Rect
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import scale

EVERY = 10  # frames between two numbered drift segments
FEET = (10, 11)
FADED = 0.72  # share of the background in the colours of faint paths


class RolloutLayer(Layer):
    """The stage-2 motion in blue, the first roll-out of its latents in orange, and segments for the drift."""

    name = "rollout"
    title = "first roll-out"
    measured = QUANTITIES["root_cm"].label
    fades = True
    place = 0  # position of its curve in the corner, counted from the bottom

    def exists(self, view: ViewModel) -> bool:
        """From stage 3 on."""
        return view.drift is not None

    def rolled(self, view: ViewModel) -> Motion:
        """The motion that is compared with stage 2."""
        assert view.drift is not None
        return view.drift.initial

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """Whether the paths are faint, too."""
        return view.version, ui.frame, self.faded(view, ui)

    def faded(self, view: ViewModel, ui: UiState) -> bool:
        """Whether the paths are faint: after the first phase of stage 3, which starts from them; not in their view."""
        phase = int(view.history.phase[view.history.row_of(view.shown)])
        first = next((index for index, p in enumerate(view.phases) if p.stage == 3), phase)
        return self.fades and phase > first and ui.focus != "drift"

    def drift_cm(self, view: ViewModel) -> np.ndarray:
        """(B, T) distance of the root joints."""
        assert view.drift is not None
        return view.drift.root_cm

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Paths over all frames, skeletons at the current one."""
        assert view.drift is not None
        before, after, color = view.drift.stage2.joints, self.rolled(view).joints, theme.LAYER_COLORS[self.name]
        for b in range(len(view.scene.starts)):
            share = FADED if self.faded(view, ui) else 0.0
            blue, other, red = (theme.mix(c, theme.BACKGROUND, share) for c in (theme.STAGE2, color, theme.RESIDUAL))
            self._paths(f"stage 2 {b}", before[b], blue)
            self._paths(f"rolled {b}", after[b], other)
            self.segments(f"drift {b}", before[b, :, 0], after[b, :, 0], color=red, radius=0.003)
        edges = bones(view.scene.body.parents)
        for b, local in sequences_at(view, ui.frame):
            for name, joints, shade in (("stage 2", before, theme.STAGE2), ("rolled", after, color)):
                self.lines(
                    f"{name} bones {b}", np.ascontiguousarray(joints[b, local]), edges, color=shade, radius=0.008
                )
            now = slice(local, local + 1)
            starts, ends = before[b, now, 0], after[b, now, 0]
            self.segments(f"drift now {b}", starts, ends, color=theme.TEXT, radius=0.009)

    def _paths(self, name: str, joints: np.ndarray, color: theme.Color) -> None:
        self.path(f"path {name}", joints[:, 0], color=color, radius=0.010)
        for foot in FEET:
            self.path(f"foot {foot} {name}", joints[:, foot], color=color, radius=0.004)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """Centimetres at the numbered frames, and larger at the current one."""
        assert view.drift is not None
        drift = self.drift_cm(view)
        middle = (self.rolled(view).joints[:, :, 0] + view.drift.stage2.joints[:, :, 0]) / 2
        for b, local in sequences_at(view, ui.frame):
            yield Label(middle[b, local], QUANTITIES["root_cm"].text(drift[b, local]), theme.TEXT)
        for b in range(0 if self.faded(view, ui) else len(view.scene.starts)):
            for frame in reversed(numbered_frames(view.scene.num_frames)):
                yield Label(middle[b, frame], f"{drift[b, frame]:.0f} cm", theme.LAYER_COLORS[self.name])

    def overlay(self, view: ViewModel, ui: UiState, free: Rect) -> Rect:
        """The drift over the frames as a small curve, with a legend."""
        drift, size = self.drift_cm(view), scale()
        width, height = 210.0 * size, 92.0 * size
        top = free.y + free.height - (self.place + 1) * (height + 8.0)
        box = Rect(free.x + free.width - width - 8.0, top, width, height)
        draw = psim.GetBackgroundDrawList()
        corners = (box.x, box.y), (box.x + box.width, box.y + box.height)
        draw.AddRectFilled(*corners, theme.packed(theme.BACKGROUND, 0.85), 4.0)
        draw.AddRect(*corners, theme.packed(theme.BORDER), 4.0)
        x = box.x + 6.0
        for text, color in (("stage 2", theme.STAGE2), (f"  {self.title}", theme.LAYER_COLORS[self.name])):
            draw.AddText((x, box.y + 3.0), theme.packed(color), text)
            x += psim.CalcTextSize(text)[0]
        text = f"{self.measured}, up to {drift.max():.{0 if drift.max() >= 10 else 1}f} cm"
        draw.AddText((box.x + 6.0, box.y + 20.0 * size), theme.packed(theme.DIM), text)
        for b in range(len(view.scene.starts)):
            self._curve(drift[b] / max(float(drift.max()), 1e-6), view.scene.local_frame(b, ui.frame), box)
        return box

    def _curve(self, share: np.ndarray, now: int | None, box: Rect) -> None:
        """Shares (T,) of the largest drift as a line, with a dot at the current frame."""
        x = box.x + 8.0 + (box.width - 16.0) * np.arange(len(share)) / max(len(share) - 1, 1)
        y = box.y + box.height - 6.0 - (box.height - 44.0 * scale()) * share
        draw, color = psim.GetBackgroundDrawList(), theme.packed(theme.LAYER_COLORS[self.name])
        for i in range(len(share) - 1):
            draw.AddLine((float(x[i]), float(y[i])), (float(x[i + 1]), float(y[i + 1])), color, 1.8)
        if now is not None:
            draw.AddCircleFilled((float(x[now]), float(y[now])), 3.5, theme.packed(theme.TEXT))


class RolloutNowLayer(RolloutLayer):
    """The motion of the iteration that is shown beside the stage-2 motion."""

    name = "rollout_now"
    title = "roll-out now"
    measured = "root from stage 2"
    fades = False
    place = 1

    def exists(self, view: ViewModel) -> bool:
        """In stage 3."""
        return view.drift is not None and view.regressed is not None

    def rolled(self, view: ViewModel) -> Motion:
        """The motion that is shown."""
        return view.motion

    def drift_cm(self, view: ViewModel) -> np.ndarray:
        """(B, T) distance [cm] of the root from that of stage 2."""
        assert view.drift is not None
        return root_distance_cm(view.motion.joints, view.drift.stage2.joints)


class NodesLayer(Layer):
    """Defects of multiple shooting: where a segment of the roll-out ends (red) and where the next one begins (blue)."""

    name = "nodes"

    def exists(self, view: ViewModel) -> bool:
        """Only in a fit by multiple shooting."""
        return view.nodes is not None

    def key(self, view: ViewModel, ui: UiState) -> int:
        """The same at all frames."""
        return view.version

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Draw both skeletons at every node, and the segments between them."""
        assert view.nodes is not None
        edges, color = bones(view.scene.body.parents), theme.LAYER_COLORS[self.name]
        for b in range(len(view.scene.starts)):
            for index in range(len(view.nodes.frames)):
                ends, begins = view.nodes.before[b, index], view.nodes.after[b, index]
                self.lines(f"end {b} {index}", np.ascontiguousarray(ends), edges, color=color, radius=0.005)
                self.lines(f"begin {b} {index}", np.ascontiguousarray(begins), edges, color=theme.STAGE2, radius=0.005)
                self.segments(f"defect {b} {index}", ends, begins, color=theme.WARN, radius=0.007)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """Mean distance of the joints at each node."""
        assert view.nodes is not None
        defects = 100.0 * np.linalg.norm(view.nodes.before - view.nodes.after, axis=-1).mean(axis=-1)
        for b in range(len(view.scene.starts)):
            for index in range(len(view.nodes.frames)):
                place = (view.nodes.before[b, index, 0] + view.nodes.after[b, index, 0]) / 2
                yield Label(place, f"{defects[b, index]:.2f} cm", theme.WARN)


def numbered_frames(count: int) -> list[int]:
    """Frames whose drift is written out: every tenth and the last."""
    return sorted({*range(EVERY, count, EVERY), count - 1})
