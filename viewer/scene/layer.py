"""The base class of all layers: it redraws a layer when something has changed and hides it when it is switched off.

What a layer draws goes to a canvas: Polyscope's in the window, another one in a browser.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

import numpy as np

from viewer.protocol.commands import Command
from viewer.protocol.view_model import Motion, ViewModel
from viewer.scene.canvas import Canvas, Kind, Material
from viewer.scene.polyscope_canvas import PolyscopeCanvas
from viewer.ui import theme
from viewer.ui.layout import Rect
from viewer.ui.look import Selection
from viewer.ui.theme import Color
from viewer.ui.ui_state import UiState

HEAD = 15
"""Joint of the head, above which a body's label is written."""


class Label(NamedTuple):
    """A text at a place in the world."""

    position: np.ndarray  # (3,)
    text: str
    color: Color


class Drawn(NamedTuple):
    """A body to draw: one frame of a motion."""

    name: str
    motion: Motion
    sequence: int
    frame: int  # its own number
    color: Color


class Layer:
    """Base class of all layers. A subclass says what its drawing depends on (``key``) and draws it (``update``)."""

    name = ""
    canvas: Canvas = PolyscopeCanvas()
    """What it draws on."""

    def __init__(self) -> None:
        self._key: Hashable = None
        self._shown: set[tuple[Kind, str]] = set()
        self._touched: set[tuple[Kind, str]] = set()
        self._sizes = (1.0, 1.0)  # of points and lines, against the ordinary

    def exists(self, view: ViewModel) -> bool:
        """Whether there is anything to draw."""
        return True

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """A value that changes whenever the layer must be drawn again."""
        return view.version, ui.frame

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Register or move the structures."""
        raise NotImplementedError

    def close(self) -> None:
        """Release resources other than structures; called once, before the layer is replaced."""

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """Texts to draw over the scene."""
        yield from ()

    def overlay(self, view: ViewModel, ui: UiState, free: Rect) -> Rect | None:
        """Flat drawings over the scene, inside the part of the window that no panel covers; what they cover."""
        return None

    def questions(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Commands that ask the worker for the data of the layer, while it is shown."""
        yield from ()

    def picked(self, view: ViewModel, ui: UiState, structure: str, position: np.ndarray) -> Selection | None:
        """The selection for a click on one of the layer's structures, at a position (3,)."""
        return None

    def visible(self, view: ViewModel, ui: UiState) -> bool:
        """Whether the layer is switched on and has something to draw."""
        return ui.layers[self.name] and self.exists(view)

    def draw(self, view: ViewModel, ui: UiState) -> None:
        """Bring the structures up to date if anything they depend on has changed."""
        self._sizes = ui.look.point_size, ui.look.line_size
        key = (id(view.scene), self._sizes, self.key(view, ui)) if self.visible(view, ui) else None
        if key == self._key:
            return
        self._key = key
        self._touched = set()
        if key is not None:
            self.update(view, ui)
        for kind, name in self._shown - self._touched:
            self.canvas.hide(kind, name)
        self._shown = self._touched

    def mesh(
        self,
        name: str,
        vertices: np.ndarray,
        faces: np.ndarray,
        *,
        color: Color,
        opacity: float = 1.0,
        material: Material = "clay",
        smooth: bool = True,
        edge_width: float = 0.0,
    ) -> None:
        """Draw a surface; if it has as many vertices as before, they are only moved."""
        self.canvas.mesh(
            self._touch("mesh", name),
            vertices,
            faces,
            color=color,
            opacity=opacity,
            material=material,
            smooth=smooth,
            edge_width=edge_width,
        )

    def picture(self, name: str, corners: np.ndarray, image: np.ndarray) -> None:
        """Draw an RGB uint8 image (H, W, 3) in its own colours.

        Args:
            corners: (4, 3) lower left, lower right, upper right, upper left.
        """
        self.canvas.picture(self._touch("picture", name), corners, image)

    def points(
        self, name: str, positions: np.ndarray, *, color: Color, radius: float, colors: np.ndarray | None = None
    ) -> None:
        """Draw spheres at positions (N, 3), with a radius in metres; draws nothing if N is 0.

        Args:
            colors: (N, 3), one for each sphere.
        """
        if len(positions):
            size = radius * self._sizes[0]
            self.canvas.points(self._touch("points", name), positions, color=color, radius=size, colors=colors)

    def arrows(self, name: str, positions: np.ndarray, vectors: np.ndarray, *, color: Color, radius: float) -> None:
        """Draw arrows (N, 3) [m] at positions (N, 3), in their true length; draws nothing if N is 0."""
        if len(positions):
            size = radius * self._sizes[1]
            self.canvas.arrows(self._touch("arrows", name), positions, vectors, color=color, radius=size)

    def lines(
        self,
        name: str,
        nodes: np.ndarray,
        edges: np.ndarray,
        *,
        color: Color,
        radius: float,
        opacity: float = 1.0,
        colors: np.ndarray | None = None,
    ) -> None:
        """Draw tubes along edges (E, 2) between nodes (N, 3), with a radius in metres; draws nothing if E is 0.

        Args:
            colors: (E, 3), one for each edge.
        """
        if len(edges):
            size, full = radius * self._sizes[1], self._touch("lines", name)
            self.canvas.lines(full, nodes, edges, color=color, radius=size, opacity=opacity, colors=colors)

    def segments(
        self,
        name: str,
        starts: np.ndarray,
        ends: np.ndarray,
        *,
        color: Color,
        radius: float,
        colors: np.ndarray | None = None,
    ) -> None:
        """Draw separate tubes from starts (N, 3) to ends (N, 3), in ``colors`` (N, 3) if given."""
        count = len(starts)
        edges = np.stack((np.arange(count), np.arange(count) + count), axis=1)
        self.lines(name, np.concatenate((starts, ends)), edges, color=color, radius=radius, colors=colors)

    def path(self, name: str, nodes: np.ndarray, *, color: Color, radius: float) -> None:
        """Draw one tube through nodes (N, 3)."""
        edges = np.stack((np.arange(len(nodes) - 1), np.arange(1, len(nodes))), axis=1)
        self.lines(name, np.ascontiguousarray(nodes), edges, color=color, radius=radius)

    def crosses(self, name: str, centers: np.ndarray, *, color: Color, size: float, radius: float) -> None:
        """Draw three short tubes through each of the centres (N, 3)."""
        arms = size / 2 * np.eye(3)
        middle = np.repeat(centers, 3, axis=0)
        arms = np.tile(arms, (len(centers), 1))
        self.segments(name, middle - arms, middle + arms, color=color, radius=radius)

    def _touch(self, kind: Kind, name: str) -> str:
        full = f"{self.name} {name}"
        self._touched.add((kind, full))
        return full


def sequences_at(view: ViewModel, frame: int) -> Iterator[tuple[int, int]]:
    """Pairs (sub-sequence, its own frame number) of all sub-sequences that have a frame of the clip."""
    for sequence in range(len(view.scene.starts)):
        local = view.scene.local_frame(sequence, frame)
        if local is not None:
            yield sequence, local


def stitched_wanted(view: ViewModel, ui: UiState) -> bool:
    """Whether the stitched motion is to be drawn at the current frame in place of the sub-sequences."""
    return view.scene.split and (ui.blended or ui.frame < view.scene.batch_frames[0])


def stitched_motion(view: ViewModel, ui: UiState) -> Motion | None:
    """The stitched motion of the whole clip, if it is to be drawn in place of the sub-sequences and is known.

    It is also drawn at frames before the batch, whose sub-sequences are finished.
    """
    found = view.analyses.get("stitched") if stitched_wanted(view, ui) else None
    return None if found is None or found.value is None else found.value.motion


def drawn_at(view: ViewModel, ui: UiState) -> Iterator[Drawn]:
    """The bodies to draw at the current frame: of the sub-sequences that hold it, or of the stitched motion."""
    whole = stitched_motion(view, ui)
    if whole is not None:
        frame = min(ui.frame, whole.joints.shape[1] - 1)
        yield Drawn("stitched", whole, 0, frame, theme.LAYER_COLORS["stitched"])
        return
    for b, local in sequences_at(view, ui.frame):
        yield Drawn(f"{b}", view.motion, b, local, theme.sequence_color(view.scene.number(b)))


def bones(parents: tuple[int, ...]) -> np.ndarray:
    """Edges (J - 1, 2) from each parent joint to its child."""
    return np.array([(parent, joint) for joint, parent in enumerate(parents) if parent >= 0])
