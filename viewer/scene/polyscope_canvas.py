"""Draws shapes with Polyscope.

Structures are looked up by name and no handles are kept, since a handle that outlives its structure crashes the
process. All options are given on every registration, since Polyscope remembers them by name.
"""

from __future__ import annotations

import numpy as np

from viewer.scene.canvas import Kind, Material
from viewer.ui import theme
from viewer.ui.drawing import ps
from viewer.ui.palette import Color


class PolyscopeCanvas:
    """The window's scene as a ``Canvas``."""

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
        """See ``Canvas``; if it has as many vertices as before, they are only moved."""
        if ps.has_surface_mesh(name) and ps.get_surface_mesh(name).n_vertices() == len(vertices):
            mesh = ps.get_surface_mesh(name)
            mesh.update_vertex_positions(vertices)
            mesh.set_color(color)
            mesh.set_enabled(True)
            return
        ps.register_surface_mesh(
            name,
            vertices,
            faces,
            enabled=True,
            color=color,
            transparency=opacity,
            back_face_policy="cull",
            smooth_shade=smooth,
            material=material,
            edge_width=edge_width,
        )
        _blend(opacity)

    def picture(self, name: str, corners: np.ndarray, image: np.ndarray) -> None:
        """See ``Canvas``."""
        mesh = ps.register_surface_mesh(
            name,
            corners,
            np.array([[0, 1, 2], [0, 2, 3]]),
            enabled=True,
            back_face_policy="cull",
            smooth_shade=False,
            material="flat",
            transparency=1.0,
        )
        places = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        mesh.add_parameterization_quantity("place", places, defined_on="vertices")
        mesh.add_color_quantity(  # type: ignore[call-arg]  # Polyscope knows filter_mode, its types do not
            "image",
            image.astype(np.float32) / 255.0,
            defined_on="texture",
            param_name="place",
            filter_mode="linear",
            image_origin="upper_left",
            enabled=True,
        )

    def points(
        self, name: str, positions: np.ndarray, *, color: Color, radius: float, colors: np.ndarray | None
    ) -> None:
        """See ``Canvas``."""
        cloud = _cloud(name, positions, color)
        cloud.set_radius(radius, relative=False)
        if colors is not None:
            cloud.add_color_quantity("color", colors, enabled=True)

    def arrows(self, name: str, positions: np.ndarray, vectors: np.ndarray, *, color: Color, radius: float) -> None:
        """See ``Canvas``."""
        cloud = _cloud(name, positions, color)
        cloud.set_radius(1e-4, relative=False)
        cloud.add_vector_quantity(
            "arrow",
            vectors,
            vectortype="ambient",
            material="flat",
            radius=radius / ps.get_length_scale(),
            color=color,
            enabled=True,
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
        if ps.has_curve_network(name):
            old = ps.get_curve_network(name)
            if old.n_nodes() == len(nodes) and old.n_edges() == len(edges):
                old.update_node_positions(nodes)
                old.set_color(color)
                old.set_enabled(True)
                old.set_radius(radius, relative=False)
                if colors is not None:
                    old.add_color_quantity("color", colors, defined_on="edges", enabled=True)
                return
        network = ps.register_curve_network(
            name, nodes, edges, color=color, transparency=opacity, material="flat", enabled=True
        )
        network.set_radius(radius, relative=False)
        if colors is not None:
            network.add_color_quantity("color", colors, defined_on="edges", enabled=True)
        _blend(opacity)

    def hide(self, kind: Kind, name: str) -> None:
        """See ``Canvas``."""
        getattr(ps, _FIND[kind])(name).set_enabled(False)

    def eye(self) -> np.ndarray:
        """The window's viewpoint."""
        matrix = np.array(ps.get_camera_view_matrix())
        return np.asarray(-matrix[:3, :3].T @ matrix[:3, 3])


_FIND = {
    "mesh": "get_surface_mesh",
    "picture": "get_surface_mesh",
    "points": "get_point_cloud",
    "arrows": "get_point_cloud",
    "lines": "get_curve_network",
}


def _cloud(name: str, positions: np.ndarray, color: Color) -> ps.PointCloud:
    if ps.has_point_cloud(name) and ps.get_point_cloud(name).n_points() == len(positions):
        cloud = ps.get_point_cloud(name)
        cloud.update_point_positions(positions)
        cloud.set_enabled(True)
        return cloud
    return ps.register_point_cloud(name, positions, color=color, transparency=1.0, enabled=True)


def _blend(opacity: float) -> None:
    """Choose how what shines through is mixed; Polyscope alone would draw the scene eight times over.

    Its simple mode takes a mean with all that lies behind, which leaves a body on a bright background invisible. There
    the two nearest surfaces are mixed in their order, which takes the processor about twice as long.
    """
    if opacity < 1.0 and theme.is_bright():
        ps.set_transparency_mode("pretty")
        ps.set_transparency_render_passes(2)
    elif opacity < 1.0:
        ps.set_transparency_mode("simple")
