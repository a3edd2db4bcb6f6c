"""Draws how far neighbouring sub-sequences of one clip are apart, and the stitched motion around the seams."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np

from optim.diagnostics.quantities import QUANTITIES
from viewer.layers.rollout import FEET
from viewer.protocol.commands import Command
from viewer.protocol.findings import Stitched, StitchedSeam
from viewer.protocol.view_model import ViewModel
from viewer.scene.layer import HEAD, Label, Layer, bones, stitched_motion
from viewer.scene.picking import joint_name
from viewer.ui import theme
from viewer.ui.asking import ask, is_current
from viewer.ui.ui_state import UiState

WORST_MM = 100.0  # distance from which the last colour of a gap is drawn
AROUND = 15  # frames before and after a seam that are drawn
SEAMS = 4  # number of seams that are drawn, those nearest to the current frame


class OverlapsLayer(Layer):
    """The two sub-sequences of one pair in their colours, and lines between their joints at the current frame."""

    name = "overlaps"

    def exists(self, view: ViewModel) -> bool:
        """Only the sub-sequences of one clip have neighbours."""
        return view.scene.split

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """Which pair, too, and the answer that has the joints of finished ones."""
        return view.version, ui.frame, pair_at(view, ui), id(view.analyses.get("overlaps"))

    def questions(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Measure the overlaps."""
        yield from ask(view, ui, "overlaps")

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Lines between the joints, in the colours of their lengths; the paths of both roots over the shared frames."""
        pair = pair_at(view, ui)
        joints = None if pair is None else pair_joints(view, pair)
        if pair is None or joints is None:
            return
        for side, moved in enumerate(joints):
            if len(moved) > 1:
                color = theme.sequence_color(pair + side)
                self.path(f"path {side}", np.ascontiguousarray(moved[:, 0]), color=color, radius=0.006)
        ones, others = np.ascontiguousarray(joints[:, ui.frame - view.scene.overlaps[pair][0]])
        colors = theme.gap_colors(1000.0 * np.linalg.norm(ones - others, axis=-1) / WORST_MM)
        self.segments("gap", ones, others, color=theme.LAYER_COLORS[self.name], radius=0.010, colors=colors)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """The distance, once; and which body is which."""
        pair = pair_at(view, ui)
        joints = None if pair is None else pair_joints(view, pair)
        if pair is None or joints is None:
            return
        ones, others = joints[:, ui.frame - view.scene.overlaps[pair][0]]
        apart = self._apart(view, pair, ui.frame)
        if apart is not None:
            worst = int(np.linalg.norm(ones - others, axis=-1).argmax())
            text = f"{pair + 1}–{pair + 2}: {QUANTITIES['position_cm'].text(apart)}, most at {joint_name(view, worst)}"
            yield Label((ones[worst] + others[worst]) / 2, text, theme.LAYER_COLORS[self.name])
        above = 0.22 * np.array(view.up)
        for side, posed in enumerate((ones, others)):
            number = pair + side
            yield Label(posed[HEAD] + above, f"sub-sequence {number + 1}", theme.sequence_color(number))

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
            for index, seam in enumerate(_near(found, ui.frame)):
                near = joints[max(seam.frame - max(seam.shared, 0) - AROUND, 0) : seam.frame + AROUND]
                for joint in (0, *FEET):
                    radius = 0.008 if joint == 0 else 0.005
                    self.path(f"{name} {index} {joint}", near[:, joint], color=color, radius=radius)
            posed = np.ascontiguousarray(joints[min(ui.frame, len(joints) - 1)])
            self.lines(f"{name} bones", posed, bones(view.scene.body.parents), color=color, radius=0.007)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """The jump at each seam that is drawn, with a hard cut and with blending."""
        found = _answer(view)
        for seam in () if found is None else _near(found, ui.frame):
            if found is not None and seam.cut_cm is not None and seam.blend_cm is not None:
                cut, blend = (QUANTITIES["seam_cm"].text(jump) for jump in (seam.cut_cm, seam.blend_cm))
                text = f"seam at {seam.frame}: cut jumps {cut}, blended {blend}"
                place = found.blend[min(seam.frame, len(found.blend) - 1), 0]
                yield Label(place, text, theme.GOOD)


def pair_at(view: ViewModel, ui: UiState) -> int | None:
    """Number of the earlier one of the pair that is drawn at the current frame: the chosen pair, or another.

    None where no two sub-sequences share the frame, and where the stitched motion is drawn in their place.
    """
    sharing = [number for number, (first, last) in view.scene.overlaps.items() if first <= ui.frame <= last]
    if not sharing or (ui.blended and stitched_motion(view, ui) is not None):
        return None
    return ui.pair if ui.pair in sharing else sharing[0]


def pair_joints(view: ViewModel, pair: int) -> np.ndarray | None:
    """Joints (2, F, J, 3) of both sub-sequences of a pair over the F frames that they share.

    Those of finished batches come with the answer about the overlaps; None where that is not known yet.
    """
    scene, (first, last) = view.scene, view.scene.overlaps[pair]
    row = pair - len(scene.earlier)
    if row >= 0:
        rows = ((side, first - scene.starts[side]) for side in (row, row + 1))
        return np.stack([view.motion.joints[side, start : start + last + 1 - first] for side, start in rows])
    found = view.analyses.get("overlaps")
    for known in () if found is None or found.value is None else found.value.pairs:
        if known.before == pair and known.joints is not None:
            return np.asarray(known.joints)
    return None


def _near(found: Stitched, frame: int) -> list[StitchedSeam]:
    """The seams nearest to a frame, in the order of the clip."""
    nearest = sorted(found.seams, key=lambda seam: abs(seam.frame - frame))[:SEAMS]
    return sorted(nearest, key=lambda seam: seam.frame)


def _answer(view: ViewModel) -> Stitched | None:
    found = view.analyses.get("stitched")
    return None if found is None else found.value
