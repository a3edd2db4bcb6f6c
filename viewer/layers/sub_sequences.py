"""Draws how far neighbouring sub-sequences of one clip are apart, and the stitched motion around the seams."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.diagnostics.quantities import QUANTITIES
from viewer.layers.rollout import FEET
from viewer.protocol.commands import Command
from viewer.protocol.findings import Stitched
from viewer.protocol.view_model import ViewModel
from viewer.scene.layer import Label, Layer, bones
from viewer.scene.picking import joint_name
from viewer.ui import theme
from viewer.ui.asking import ask, is_current
from viewer.ui.ui_state import UiState

WORST_MM = 100.0  # distance that is drawn in full red
AROUND = 15  # frames before and after a seam that are drawn


class OverlapsLayer(Layer):
    """Lines between the same joints of two neighbours, from green to red as they are further apart."""

    name = "overlaps"

    def exists(self, view: ViewModel) -> bool:
        """Only the sub-sequences of one clip have neighbours."""
        return is_split(view)

    def questions(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Measure the overlaps."""
        yield from ask(view, ui, "overlaps")

    def update(self, view: ViewModel, ui: UiState) -> None:
        """All joints at the current frame, the root at all shared ones."""
        for b in range(len(view.scene.starts) - 1):
            earlier, later = shared(view, b)
            if len(earlier) == 0:
                continue
            self._distances(f"root {b}", view.motion.joints[b, earlier, 0], view.motion.joints[b + 1, later, 0], 0.006)
            here, there = (view.scene.local_frame(side, ui.frame) for side in (b, b + 1))
            if here is not None and there is not None:
                self._distances(f"joints {b}", view.motion.joints[b, here], view.motion.joints[b + 1, there], 0.010)

    def _distances(self, name: str, ones: np.ndarray, others: np.ndarray, radius: float) -> None:
        colors = theme.heat(1000.0 * np.linalg.norm(ones - others, axis=-1) / WORST_MM)
        self.segments(name, ones, others, color=theme.LAYER_COLORS[self.name], radius=radius, colors=colors)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """The distance at the current frame; the length of each overlap, and the length that was asked for."""
        for b in range(len(view.scene.starts) - 1):
            here, there = (view.scene.local_frame(side, ui.frame) for side in (b, b + 1))
            apart = self._apart(view, b, ui.frame)
            if here is not None and there is not None and apart is not None:
                ones, others = view.motion.joints[b, here], view.motion.joints[b + 1, there]
                worst = int(np.linalg.norm(ones - others, axis=-1).argmax())
                text = f"{b + 1}–{b + 2}: {QUANTITIES['position_cm'].text(apart)}, most at {joint_name(view, worst)}"
                color = tuple(theme.heat(np.array([10.0 * apart / WORST_MM]))[0])
                yield Label((ones[worst] + others[worst]) / 2, text, color)
            yield self._length(view, b)

    @staticmethod
    def _apart(view: ViewModel, b: int, frame: int) -> float | None:
        """The overlap distance [cm] of a pair at a frame; None while it is not known for the iteration shown."""
        found = view.analyses["overlaps"].value if is_current(view, "overlaps") else None
        for pair in () if found is None else found.pairs:
            if pair.before == b and frame in pair.frames:
                return float(pair.position_cm[list(pair.frames).index(frame)])
        return None

    def _length(self, view: ViewModel, b: int) -> Label:
        earlier, _ = shared(view, b)
        asked = view.scene.asked_overlap
        wanted = "" if asked is None else f", asked {asked}"
        place = view.motion.joints[b + 1, 0, 15] + 0.25 * np.array(view.up)
        return Label(place, f"overlap {b + 1}–{b + 2}: {len(earlier)} frames{wanted}", theme.LAYER_COLORS[self.name])


class StitchedLayer(Layer):
    """The joined motion around its seams: a hard cut in red, blended in green."""

    name = "stitched"

    def exists(self, view: ViewModel) -> bool:
        """Only the sub-sequences of one clip are stitched."""
        return is_split(view)

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
                text = f"seam at {seam.frame}: cut jumps {seam.cut_cm:.2f} cm, blended {seam.blend_cm:.2f} cm"
                place = found.blend[min(seam.frame, len(found.blend) - 1), 0]
                yield Label(place, text, theme.GOOD)


def is_split(view: ViewModel) -> bool:
    """Whether the sub-sequences belong to one clip, and are not clips of their own."""
    return max(view.scene.starts) > 0


def shared(view: ViewModel, b: int) -> tuple[np.ndarray, np.ndarray]:
    """The frames (F,) that a sub-sequence shares with the next one, in the own numbers of both."""
    first, last = view.scene.starts[b + 1], view.scene.starts[b] + view.scene.num_frames
    frames = np.arange(first, max(last, first))
    return frames - view.scene.starts[b], frames - view.scene.starts[b + 1]


def _answer(view: ViewModel) -> Stitched | None:
    found = view.analyses.get("stitched")
    return None if found is None else found.value
