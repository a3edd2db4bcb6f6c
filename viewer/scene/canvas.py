"""What a layer draws on: shapes with names, in metres and in the frame that is drawn in. Knows no graphics library."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

from viewer.ui.palette import Color

Kind = Literal["mesh", "picture", "points", "arrows", "lines"]
Material = Literal["clay", "flat"]


class Canvas(Protocol):
    """A place for shapes. A shape that is drawn under a known name replaces or moves the one before."""

    def mesh(
        self,
        name: str,
        vertices: np.ndarray,
        faces: np.ndarray,
        *,
        color: Color,
        opacity: float,
        material: Material,
        smooth: bool,
        edge_width: float,
    ) -> None:
        """Draw a surface of vertices (V, 3) and triangles (F, 3) or quadrangles (F, 4)."""

    def picture(self, name: str, corners: np.ndarray, image: np.ndarray) -> None:
        """Draw an RGB uint8 image (H, W, 3); corners (4, 3) lower left, lower right, upper right, upper left."""

    def points(
        self, name: str, positions: np.ndarray, *, color: Color, radius: float, colors: np.ndarray | None
    ) -> None:
        """Draw spheres at positions (N, 3), N > 0, in one colour or in ``colors`` (N, 3)."""

    def arrows(self, name: str, positions: np.ndarray, vectors: np.ndarray, *, color: Color, radius: float) -> None:
        """Draw arrows (N, 3) at positions (N, 3), N > 0, in their true length."""

    def lines(
        self,
        name: str,
        nodes: np.ndarray,
        edges: np.ndarray,
        *,
        color: Color,
        radius: float,
        opacity: float,
        colors: np.ndarray | None,
    ) -> None:
        """Draw tubes along edges (E, 2), E > 0, between nodes (N, 3), in one colour or in ``colors`` (E, 3)."""

    def hide(self, kind: Kind, name: str) -> None:
        """Stop showing a shape that was drawn."""

    def eye(self) -> np.ndarray | None:
        """Where the viewpoint is (3,); None if there are several, or none."""
