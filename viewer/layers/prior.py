"""Draws motions of the motion prior: every frame decoded from the true one before it, and sampled futures."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np

from optim.diagnostics.quantities import QUANTITIES, root_distance_cm
from viewer.layers.body import SkinnedLayer
from viewer.protocol.commands import Command
from viewer.protocol.findings import Futures, OneStep
from viewer.protocol.view_model import ViewModel
from viewer.scene.layer import Label, Layer, bones, sequences_at
from viewer.ui import theme
from viewer.ui.asking import ask
from viewer.ui.look import Sampling
from viewer.ui.ui_state import UiState


class OneStepLayer(Layer):
    """The stage-2 motion with each frame decoded from the true one before: the drift that encoding alone causes."""

    name = "one_step"

    def exists(self, view: ViewModel) -> bool:
        """From stage 3 on."""
        return view.drift is not None

    def questions(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Decode."""
        yield from ask(view, ui, "one_step")

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """The answer and the frame."""
        return view.version, id(_one_step(view)), ui.frame

    def update(self, view: ViewModel, ui: UiState) -> None:
        """The root at all frames, the skeleton at the current one, and lines to where stage 2 has them."""
        found, color = _one_step(view), theme.LAYER_COLORS[self.name]
        if found is None or view.drift is None:
            return
        guessed, true = found.motion.joints, view.drift.stage2.joints
        for b in range(len(view.scene.starts)):
            self.points(f"roots {b}", np.ascontiguousarray(guessed[b, :, 0]), color=color, radius=0.009)
            self.segments(f"apart {b}", guessed[b, :, 0], true[b, :, 0], color=theme.RESIDUAL, radius=0.003)
        for b, local in sequences_at(view, ui.frame):
            joints = np.ascontiguousarray(guessed[b, local])
            self.lines(f"bones {b}", joints, bones(view.scene.body.parents), color=color, radius=0.007)
            self.segments(f"apart now {b}", joints, true[b, local], color=theme.RESIDUAL, radius=0.006)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """The root's error after one step, beside its whole drift."""
        found = _one_step(view)
        if found is None or view.drift is None:
            return
        for b, local in sequences_at(view, ui.frame):
            lost = root_distance_cm(found.motion.joints[b, local], view.drift.stage2.joints[b, local])
            drift = QUANTITIES["root_cm"]
            text = f"one step {drift.text(float(lost))} of {drift.text(view.drift.root_cm[b, local])} {drift.label}"
            yield Label(found.motion.joints[b, local, 3], text, theme.LAYER_COLORS[self.name])


class FuturesLayer(SkinnedLayer):
    """Root paths of sampled motions, their bodies at the current frame, and skeletons at their ends."""

    name = "futures"

    def questions(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Sample from the frame that was chosen; at first from the current one."""
        look = ui.look
        look.sampling = look.sampling or Sampling(ui.frame, look.futures, look.future_frames, 0)
        yield from ask(view, ui, "futures", **vars(look.sampling))

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """The answer and the frame."""
        return id(_futures(view)), ui.frame

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Draw all samples of all sub-sequences."""
        found = _futures(view)
        if found is None:
            return
        for b, motion in zip(found.sequences, found.motions, strict=True):
            color = theme.mix(
                theme.LAYER_COLORS[self.name],
                theme.sequence_color(view.scene.number(b)),
                0.25 * (len(found.motions) > 1),
            )
            samples, frames = motion.trans.shape[:2]
            for k in range(samples):
                self.path(f"path {b} {k}", motion.joints[k, :, 0], color=color, radius=0.008)
                end = np.ascontiguousarray(motion.joints[k, -1])
                self.lines(f"end {b} {k}", end, bones(view.scene.body.parents), color=color, radius=0.004)
            now = ui.frame - found.frame
            self.ghosts(view, f"{b}", motion, [(k, now) for k in range(samples) if 0 < now < frames], color=color)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """The number and the length of the futures, at the mean of their ends."""
        found = _futures(view)
        for motion in () if found is None else found.motions:
            assert found is not None
            seconds = (motion.trans.shape[1] - 1) / view.scene.fps
            text = f"{len(motion.trans)} futures of frame {found.frame}, {seconds:.1f} s on"
            yield Label(motion.joints[:, -1, 0].mean(axis=0), text, theme.LAYER_COLORS[self.name])


def _one_step(view: ViewModel) -> OneStep | None:
    found = view.analyses.get("one_step")
    return None if found is None else found.value


def _futures(view: ViewModel) -> Futures | None:
    found = view.analyses.get("futures")
    return None if found is None else found.value
