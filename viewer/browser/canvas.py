"""Draws shapes in all browsers that are connected."""

from __future__ import annotations

from typing import Any

import numpy as np
import viser
from viser.transforms import SO3

from viewer.scene.canvas import Kind, Material
from viewer.ui.palette import Color


class BrowserCanvas:
    """The scene of a viser server as a ``Canvas``."""

    def __init__(self, server: viser.ViserServer) -> None:
        self._scene = server.scene
        self._handles: dict[str, Any] = {}
        self._sizes: dict[str, tuple[int, ...]] = {}

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
        """See ``Canvas``."""
        place, shade = _node(name), rgb(color)
        if self._known(place, len(vertices), len(faces)):
            mesh = self._handles[place]
            mesh.vertices, mesh.color, mesh.visible = vertices, shade, True
            return
        self._handles[place] = self._scene.add_mesh_simple(
            place,
            vertices,
            triangles(faces),
            color=shade,
            opacity=None if opacity >= 1.0 else opacity,
            flat_shading=not smooth,
            wireframe=edge_width > 0,
            side="front",
            cast_shadow=False,
            receive_shadow=False,
        )

    def picture(self, name: str, corners: np.ndarray, image: np.ndarray) -> None:
        """See ``Canvas``."""
        place, right, down = _node(name), corners[1] - corners[0], corners[0] - corners[3]
        width, height = float(np.linalg.norm(right)), float(np.linalg.norm(down))
        axes = np.stack((right / width, down / height, np.cross(right, down) / (width * height)), axis=1)
        self._handles[place] = self._scene.add_image(
            place, image, width, height, wxyz=SO3.from_matrix(axes).wxyz, position=corners.mean(axis=0)
        )

    def points(
        self, name: str, positions: np.ndarray, *, color: Color, radius: float, colors: np.ndarray | None
    ) -> None:
        """See ``Canvas``."""
        place, shades = _node(name), np.array(rgb(color)) if colors is None else _bytes(colors)
        if self._known(place, len(positions), shades.ndim):
            cloud = self._handles[place]
            cloud.points, cloud.colors, cloud.visible = positions, shades, True
            return
        self._handles[place] = self._scene.add_point_cloud(
            place, positions, shades, point_size=radius, point_shape="circle", precision="float32"
        )

    def arrows(self, name: str, positions: np.ndarray, vectors: np.ndarray, *, color: Color, radius: float) -> None:
        """See ``Canvas``."""
        place, ends = _node(name), np.stack((positions, positions + vectors), axis=1)
        if self._known(place, len(positions)):
            arrows = self._handles[place]
            arrows.points, arrows.visible = ends, True
            return
        self._handles[place] = self._scene.add_arrows(
            place, ends, rgb(color), shaft_radius=radius, head_radius=2.5 * radius, head_length=5 * radius
        )

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
        """See ``Canvas``."""
        place, ends = _node(name), nodes[edges]
        shades = np.array(rgb(color)) if colors is None else np.repeat(_bytes(colors)[:, None], 2, axis=1)
        if self._known(place, len(edges), shades.ndim):
            lines = self._handles[place]
            lines.points, lines.colors, lines.visible = ends, shades, True
            return
        self._handles[place] = self._scene.add_line_segments(place, ends, shades, thickness=2 * radius)

    def hide(self, kind: Kind, name: str) -> None:
        """See ``Canvas``."""
        self._handles[_node(name)].visible = False

    def eye(self) -> None:
        """None: each browser has a viewpoint of its own."""
        return None

    def _known(self, place: str, *size: int) -> bool:
        """Whether a shape of the same size is there already, so that it only has to be moved."""
        known = place in self._handles and self._sizes[place] == size
        self._sizes[place] = size
        return known


def triangles(faces: np.ndarray) -> np.ndarray:
    """Triangles (F, 3) of faces (F, 3) or (F, 4)."""
    return np.concatenate([faces[:, [0, corner - 1, corner]] for corner in range(2, faces.shape[1])])


def rgb(color: Color) -> tuple[int, int, int]:
    """A colour in bytes."""
    red, green, blue = (round(255 * channel) for channel in color)
    return red, green, blue


def css(color: Color) -> str:
    """A colour as it is written in a page."""
    return "#{:02x}{:02x}{:02x}".format(*rgb(color))


def _bytes(colors: np.ndarray) -> np.ndarray:
    return np.rint(255 * colors).astype(np.uint8)


def _node(name: str) -> str:
    """Name of a node of viser's tree, where a slash leads to a child."""
    return f"/{name.replace('/', '-')}"
