"""Draws joints at the current frame: those of the body model, those of the prior's decoder, and the contacts."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np

from optim.body.joints import CONTACT_JOINTS, RESTING_JOINTS
from optim.diagnostics.quantities import QUANTITIES, distances_cm
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.scene.layer import Label, Layer, bones, drawn_at, sequences_at, stitched_motion
from viewer.scene.picking import joint_name
from viewer.scene.resting import resting_joints
from viewer.ui import theme
from viewer.ui.asking import ask, is_current
from viewer.ui.ui_state import UiState

TOUCHES = 0.5  # probability from which a contact is written out


class SkeletonLayer(Layer):
    """Tubes for bones, spheres for joints."""

    name = "skeleton"

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """The stitched motion, too."""
        return view.version, ui.frame, id(stitched_motion(view, ui))

    def update(self, view: ViewModel, ui: UiState) -> None:
        """One network per body."""
        edges, color = bones(view.scene.body.parents), theme.LAYER_COLORS[self.name]
        for drawn in drawn_at(view, ui):
            joints = np.ascontiguousarray(drawn.motion.joints[drawn.sequence, drawn.frame])
            shade = theme.mix(color, drawn.color, 0.3)
            self.lines(f"bones {drawn.name}", joints, edges, color=shade, radius=0.009)
            self.points(f"joints {drawn.name}", joints, color=color, radius=0.017)


class RegressedLayer(Layer):
    """The joints that the prior's decoder predicts, and lines to those of the body model, which should agree."""

    name = "regressed"

    def exists(self, view: ViewModel) -> bool:
        """From stage 3 on."""
        return view.regressed is not None

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Draw a second skeleton and the lines to the first."""
        assert view.regressed is not None
        edges, color = bones(view.scene.body.parents), theme.LAYER_COLORS[self.name]
        for b, local in sequences_at(view, ui.frame):
            joints = np.ascontiguousarray(view.regressed[b, local])
            self.lines(f"bones {b}", joints, edges, color=color, radius=0.005)
            self.points(f"joints {b}", joints, color=color, radius=0.014)
            self.segments(f"apart {b}", view.motion.joints[b, local], joints, color=theme.RESIDUAL, radius=0.007)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """The joint with the largest distance."""
        assert view.regressed is not None
        for b, local in sequences_at(view, ui.frame):
            apart = distances_cm(view.regressed[b, local], view.motion.joints[b, local])
            worst = int(apart.argmax())
            text = f"{joint_name(view, worst)} {QUANTITIES['distance_cm'].text(apart[worst])}"
            yield Label(view.regressed[b, local, worst], text, theme.LAYER_COLORS[self.name])


class ContactsLayer(Layer):
    """Joints that may touch the floor; the more probable the contact, the brighter and larger the joint is drawn.

    Labels say which joints are held, at which height above the floor, and what the contact terms cost there.
    """

    name = "contacts"

    def questions(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Heights and costs."""
        yield from ask(view, ui, "ground")

    def exists(self, view: ViewModel) -> bool:
        """From stage 3 on."""
        return view.motion.contacts is not None

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Spheres around the joints, in two sizes."""
        assert view.motion.contacts is not None
        color = theme.LAYER_COLORS[self.name]
        for b, local in sequences_at(view, ui.frame):
            probability = view.motion.contacts[b, local, CONTACT_JOINTS]
            joints, touching = view.motion.joints[b, local, CONTACT_JOINTS], probability >= TOUCHES
            shades = theme.strength(probability, color)
            for name, chosen, radius in (("touching", touching, 0.034), ("not", ~touching, 0.024)):
                self.points(f"{name} {b}", joints[chosen], color=color, radius=radius, colors=shades[chosen])

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """One for each joint that touches or is held; only the probability until height and cost are known."""
        assert view.motion.contacts is not None
        found = view.analyses["ground"].value if is_current(view, "ground") else None
        for b, local in sequences_at(view, ui.frame):
            texts = {joint: text for joint, _, text in resting_joints(view, ui.frame, found, b)} if found else {}
            for joint in RESTING_JOINTS:
                probability = float(view.motion.contacts[b, local, joint])
                parts = [f"{100 * probability:.0f} %"] if probability >= TOUCHES else []
                parts += [texts[joint]] if joint in texts else []
                if parts:
                    place = view.motion.joints[b, local, joint]
                    yield Label(place, ", ".join(parts), theme.LAYER_COLORS[self.name])
