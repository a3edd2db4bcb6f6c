"""Draws how far neighbouring sub-sequences of one clip are apart, and the stitched motion around the seams."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np

from optim.diagnostics.quantities import QUANTITIES
from viewer.layers.rollout import FEET
from viewer.protocol.commands import Command
from viewer.protocol.findings import Stitched
from viewer.protocol.view_model import ViewModel
from viewer.scene.layer import HEAD, Label, Layer, bones, stitched_motion
from viewer.scene.picking import joint_name
from viewer.ui import theme
from viewer.ui.asking import ask, is_current
from viewer.ui.ui_state import UiState

WORST_MM = 100.0  # distance from which the last colour of a gap is drawn
AROUND = 15  # frames before and after a seam that are drawn


class OverlapsLayer(Layer):
    """The two sub-sequences of one pair in their colours, and lines between their joints at the current frame."""

    name = "overlaps"

    def exists(self, view: ViewModel) -> bool:
        """Only the sub-sequences of one clip have neighbours."""
        return view.scene.split

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """Which pair, too."""
        return view.version, ui.frame, pair_at(view, ui)

    def questions(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Measure the overlaps."""
        yield from ask(view, ui, "overlaps")

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Lines between the joints, in the colours of their lengths; the paths of both roots over the shared frames."""
        b = pair_at(view, ui)
        if b is None:
            return
        frames = np.arange(view.scene.overlaps[b][0], view.scene.overlaps[b][1] + 1)
        for side in (b, b + 1):
            path = view.motion.joints[side, frames - view.scene.starts[side], 0]
            if len(path) > 1:
                self.path(f"path {side - b}", path, color=theme.sequence_color(side), radius=0.006)
        ones, others = pair_joints(view, b, ui.frame)
        colors = theme.gap_colors(1000.0 * np.linalg.norm(ones - others, axis=-1) / WORST_MM)
        self.segments("gap", ones, others, color=theme.LAYER_COLORS[self.name], radius=0.010, colors=colors)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """The distance, once; and which body is which."""
        b = pair_at(view, ui)
        if b is None:
            return
        ones, others = pair_joints(view, b, ui.frame)
        apart = self._apart(view, b, ui.frame)
        if apart is not None:
            worst = int(np.linalg.norm(ones - others, axis=-1).argmax())
            text = f"{b + 1}–{b + 2}: {QUANTITIES['position_cm'].text(apart)}, most at {joint_name(view, worst)}"
            yield Label((ones[worst] + others[worst]) / 2, text, theme.LAYER_COLORS[self.name])
        above = 0.22 * np.array(view.up)
        for side, joints in ((b, ones), (b + 1, others)):
            yield Label(joints[HEAD] + above, f"sub-sequence {side + 1}", theme.sequence_color(side))

    @staticmethod
    def _apart(view: ViewModel, b: int, frame: int) -> float | None:
        """The overlap distance [cm] of a pair at a frame; None while it is not known for the iteration shown."""
        found = view.analyses["overlaps"].value if is_current(view, "overlaps") else None
        for pair in () if found is None else found.pairs:
            if pair.before == b and frame in pair.frames:
                return float(pair.position_cm[list(pair.frames).index(frame)])
        return None


class StitchedLayer(Layer):
    """The joined motion around its seams: a hard cut in red, blended in green."""

    name = "stitched"

    def exists(self, view: ViewModel) -> bool:
        """Only the sub-sequences of one clip are stitched."""
        return view.scene.split

    def questions(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Stitch the motion that is shown."""
        yield from ask(view, ui, "stitched")

    def key(self, view: ViewModel, ui: UiState) -> tuple[int, int]:
        """The answer and the frame."""
        return id(_answer(view)), ui.frame

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Paths near the seams, skeletons at the current frame."""
        found = _answer(view)
        if found is None:
            return
        for name, joints, color in (("cut", found.cut, theme.BAD), ("blend", found.blend, theme.GOOD)):
            for index, seam in enumerate(found.seams):
                near = joints[max(seam.frame - max(seam.shared, 0) - AROUND, 0) : seam.frame + AROUND]
                for joint in (0, *FEET):
                    radius = 0.008 if joint == 0 else 0.005
                    self.path(f"{name} {index} {joint}", near[:, joint], color=color, radius=radius)
            posed = np.ascontiguousarray(joints[min(ui.frame, len(joints) - 1)])
            self.lines(f"{name} bones", posed, bones(view.scene.body.parents), color=color, radius=0.007)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """The jump at each seam, with a hard cut and with blending."""
        found = _answer(view)
        for seam in () if found is None else found.seams:
            if found is not None and seam.cut_cm is not None and seam.blend_cm is not None:
                cut, blend = (QUANTITIES["seam_cm"].text(jump) for jump in (seam.cut_cm, seam.blend_cm))
                text = f"seam at {seam.frame}: cut jumps {cut}, blended {blend}"
                place = found.blend[min(seam.frame, len(found.blend) - 1), 0]
                yield Label(place, text, theme.GOOD)


def pair_at(view: ViewModel, ui: UiState) -> int | None:
    """Index of the earlier sub-sequence of the pair that is drawn at the current frame: the chosen one, or another.

    None where no two sub-sequences share the frame, and where the stitched motion is drawn in their place.
    """
    sharing = [b for b, (first, last) in view.scene.overlaps.items() if first <= ui.frame <= last]
    if not sharing or stitched_motion(view, ui) is not None:
        return None
    return ui.pair if ui.pair in sharing else sharing[0]


def pair_joints(view: ViewModel, b: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints (J, 3) of both sub-sequences of a pair at a frame of the clip that both hold."""
    ones, others = (view.motion.joints[side, frame - view.scene.starts[side]] for side in (b, b + 1))
    return ones, others


def _answer(view: ViewModel) -> Stitched | None:
    found = view.analyses.get("stitched")
    return None if found is None else found.value
