"""Draws bodies: the fitted one at the current frame, the ground truth, and coarse ghosts at other frames."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from viewer.protocol.commands import Command
from viewer.protocol.view_model import BodyMesh, Motion, ViewModel
from viewer.scene.decimate import decimated
from viewer.scene.layer import HEAD, Label, Layer, drawn_at, sequences_at, stitched_motion, stitched_wanted
from viewer.scene.skinning import Skinner
from viewer.ui import theme
from viewer.ui.asking import ask
from viewer.ui.look import Selection
from viewer.ui.ui_state import UiState

GHOST_OPACITY = 0.32


class SkinnedLayer(Layer):
    """A layer that draws bodies; keeps one skinner for the scene's body model, and one for ghosts."""

    opacity = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._body: BodyMesh | None = None
        self._skinner: Skinner | None = None
        self._coarse: Skinner | None = None

    def skinner(self, view: ViewModel) -> Skinner:
        """The skinner of the whole body."""
        self._forget_others(view)
        if self._skinner is None:
            self._skinner = Skinner(view.scene.body)
        return self._skinner

    def coarse(self, view: ViewModel) -> Skinner:
        """The skinner of a body with about a tenth of the triangles."""
        self._forget_others(view)
        if self._coarse is None:
            self._coarse = Skinner(decimated(view.scene.body))
        return self._coarse

    def _forget_others(self, view: ViewModel) -> None:
        if self._body is not view.scene.body:
            self._body, self._skinner, self._coarse = view.scene.body, None, None

    def bodies(self, view: ViewModel, motion: Motion, frame: int, *, color: theme.Color | None = None) -> None:
        """One mesh for every sub-sequence that reaches the frame."""
        for b, local in sequences_at(view, frame):
            vertices = self.skinner(view).vertices(motion, b, local)
            shade = color or theme.sequence_color(view.scene.number(b))
            self.mesh(f"{b}", vertices, view.scene.body.faces, color=shade, opacity=self.opacity)

    def ghosts(
        self, view: ViewModel, name: str, motion: Motion, poses: Sequence[tuple[int, int]], *, color: theme.Color
    ) -> None:
        """Draw coarse bodies of a motion as one mesh, one for each pose (sub-sequence, its own frame number)."""
        skinner = self.coarse(view)
        faces, count = skinner.body.faces, len(skinner.body.template)
        if not poses:
            return
        vertices = np.concatenate([skinner.vertices(motion, b, frame) for b, frame in poses])
        shifted = np.concatenate([faces + index * count for index in range(len(poses))])
        self.mesh(name, vertices, shifted, color=color, opacity=GHOST_OPACITY)


class BodyLayer(SkinnedLayer):
    """The motion that is shown."""

    name = "body"
    opacity, opacity_on_bright = 0.8, 0.9

    def questions(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Stitch the sub-sequences, where that is drawn in their place."""
        if stitched_wanted(view, ui):  # what is finished stays as it is, so one answer is enough for a whole run
            yield from ask(view, ui, "stitched", live="stitched" not in view.analyses)

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """The stitched motion, too."""
        return view.version, ui.frame, id(stitched_motion(view, ui))

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Pose the meshes."""
        opacity = self.opacity_on_bright if theme.is_bright() else self.opacity
        for drawn in drawn_at(view, ui):
            vertices = self.skinner(view).vertices(drawn.motion, drawn.sequence, drawn.frame)
            self.mesh(drawn.name, vertices, view.scene.body.faces, color=drawn.color, opacity=opacity)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """Says that the body is stitched."""
        whole = stitched_motion(view, ui)
        if whole is not None:
            (drawn,) = drawn_at(view, ui)
            place = whole.joints[0, drawn.frame, HEAD] + 0.22 * np.array(view.up)
            yield Label(place, "all sub-sequences, stitched", drawn.color)

    def picked(self, view: ViewModel, ui: UiState, structure: str, position: np.ndarray) -> Selection | None:
        """The nearest vertex, and the joint that moves it most."""
        if not structure.isdecimal():  # the stitched motion belongs to no sub-sequence
            return None
        b = int(structure)
        local = view.scene.local_frame(b, ui.frame)
        if local is None:
            return None
        apart = np.linalg.norm(self.skinner(view).vertices(view.motion, b, local) - position, axis=1)
        vertex = int(apart.argmin())
        return Selection(b, int(view.scene.body.weights[vertex].argmax()), vertex)


class GhostsLayer(SkinnedLayer):
    """The motion that is shown at every n-th frame; only the ghosts nearest to the current frame."""

    name = "ghosts"

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """Which frames those are."""
        return view.version, tuple(ghost_frames(view, ui))

    def update(self, view: ViewModel, ui: UiState) -> None:
        """One mesh for each sub-sequence."""
        for b in range(len(view.scene.starts)):
            color = theme.mix(theme.LAYER_COLORS[self.name], theme.sequence_color(view.scene.number(b)), 0.5)
            self.ghosts(view, f"{b}", view.motion, self._poses(view, ui, b), color=color)

    def _poses(self, view: ViewModel, ui: UiState, b: int) -> list[tuple[int, int]]:
        found = ((b, view.scene.local_frame(b, frame)) for frame in ghost_frames(view, ui))
        return [(row, local) for row, local in found if local is not None]

    def picked(self, view: ViewModel, ui: UiState, structure: str, position: np.ndarray) -> Selection | None:
        """The joint that moves the clicked vertex most, and the ghost's frame."""
        b, skinner = int(structure), self.coarse(view)
        poses = self._poses(view, ui, b)
        apart = [np.linalg.norm(skinner.vertices(view.motion, *pose) - position, axis=1) for pose in poses]
        pose, vertex = np.unravel_index(np.argmin(apart), (len(poses), len(skinner.body.template)))
        joint = int(skinner.body.weights[vertex].argmax())
        return Selection(b, joint, frame=view.scene.starts[b] + poses[int(pose)][1])


def ghost_frames(view: ViewModel, ui: UiState) -> list[int]:
    """Frames of the clip that have a ghost. They are multiples of the spacing, so that ghosts stay where they are."""
    spacing = max(ui.look.ghost_spacing, 1)
    there = [frame for frame in range(0, view.scene.clip_frames, spacing) if frame != ui.frame]
    return sorted(sorted(there, key=lambda frame: abs(frame - ui.frame))[: ui.look.ghosts])


class GroundTruthLayer(SkinnedLayer):
    """The true motion as a ghost, where the data has it."""

    name = "ground_truth"
    opacity = 0.45

    def exists(self, view: ViewModel) -> bool:
        """Only some data has it."""
        return view.scene.ground_truth is not None

    def key(self, view: ViewModel, ui: UiState) -> int:
        """It never changes but for the frame."""
        return ui.frame

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Pose the ghosts."""
        assert view.scene.ground_truth is not None
        self.bodies(view, view.scene.ground_truth, ui.frame, color=theme.LAYER_COLORS[self.name])


class RolloutBodyLayer(SkinnedLayer):
    """The bodies of the roll-out from which stage 3 started: the current frame's, and ghosts of others."""

    name = "rollout_body"
    opacity = 0.45

    def exists(self, view: ViewModel) -> bool:
        """From stage 3 on."""
        return view.drift is not None

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Pose the ghosts."""
        assert view.drift is not None
        color, motion = theme.LAYER_COLORS[self.name], view.drift.initial
        self.bodies(view, motion, ui.frame, color=color)
        poses = [(b, local) for frame in ghost_frames(view, ui) for b, local in sequences_at(view, frame)]
        self.ghosts(view, "ghosts", motion, poses, color=color)
