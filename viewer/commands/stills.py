"""Draws bodies side by side into pictures, off-screen: ``python -m viewer.commands.stills SCENES.npz FOLDER``.

Reports use it. They give plain arrays, so no model is needed here. SCENES.npz holds, in metres and with z up, ``faces``
(F, 3) and for every picture NAME ``NAME/bodies`` (K, V, 3). It may also hold ``NAME/truth`` (K, V', 3) with
``faces_truth``, and ``NAME/seen`` (N, 3), the observed points. All pictures have the same view, which shows everything.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polyscope as ps

from viewer.scene.camera import look
from viewer.ui import theme
from viewer.window.window import WindowUnavailable, start_polyscope

SIZE = (1500, 470)
FOV_DEGREES = 12.0
TILE = 0.5  # [m]
_DIRECTION = np.array([0.0, -1.0, 0.16])  # From the middle of the scene to the viewpoint.


def main(arguments: list[str]) -> int:
    """Draw every picture of the file; returns the exit status, which is 3 if nothing can be drawn on this machine."""
    scenes, folder = np.load(Path(arguments[0]), allow_pickle=False), Path(arguments[1])
    try:
        start_polyscope("openGL3_egl", size=SIZE)
    except WindowUnavailable as error:
        print(str(error), file=sys.stderr)
        return 3
    names = list(dict.fromkeys(key.rpartition("/")[0] for key in scenes.files if "/" in key))
    points = np.concatenate([scenes[key].reshape(-1, 3) for key in scenes.files if key.endswith(("/bodies", "/truth"))])
    _place_camera(points)
    for name in names:
        ps.remove_all_structures()
        _floor(points)
        _draw(scenes, name)
        image = ps.screenshot_to_buffer(transparent_bg=False, include_UI=False)[:, :, :3]
        _write(folder / f"{name}.png", image)
    return 0


def _draw(scenes: Mapping[str, np.ndarray], name: str) -> None:
    kinds = {
        "bodies": ("faces", theme.LAYER_COLORS["body"], 1.0),
        "truth": ("faces_truth", theme.LAYER_COLORS["ground_truth"], 0.4),
    }
    for kind, (faces, color, opacity) in kinds.items():
        for index, vertices in enumerate(scenes.get(f"{name}/{kind}", ())):
            mesh = ps.register_surface_mesh(f"{kind} {index}", vertices, scenes[faces], smooth_shade=True)
            mesh.set_color(color)
            mesh.set_material("clay")
            mesh.set_transparency(opacity)
    if f"{name}/seen" in scenes and len(scenes[f"{name}/seen"]):
        cloud = ps.register_point_cloud("seen", scenes[f"{name}/seen"])
        cloud.set_color(theme.LAYER_COLORS["observations"])
        cloud.set_radius(0.012, relative=False)


def _place_camera(points: np.ndarray) -> None:
    """Place the camera a little above the scene, so that the picture shows all points."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = np.tan(np.radians(FOV_DEGREES) / 2)
    distance = max((high[2] - low[2]) / 2 / half, (high[0] - low[0]) / 2 / (half * SIZE[0] / SIZE[1])) * 1.12 + 1.5
    middle = (low + high) / 2
    eye = middle + distance * _DIRECTION / np.linalg.norm(_DIRECTION)
    ps.set_transparency_mode("simple")
    ps.set_vertical_fov_degrees(FOV_DEGREES)
    ps.set_camera_view_matrix(look(eye, middle, up=np.array([0.0, 0.0, 1.0])))


def _floor(points: np.ndarray) -> None:
    """Draw tiles at z = 0 under all points."""
    low, high = points[:, :2].min(axis=0) - 1.0, points[:, :2].max(axis=0) + 1.0
    xs, ys = (np.arange(np.floor(a / TILE), np.ceil(b / TILE)) for a, b in zip(low, high, strict=True))
    for parity in (0, 1):
        corners = np.array([(x, y) for x in xs for y in ys if (x + y) % 2 == parity]) * TILE
        square = np.array([(0, 0), (TILE, 0), (TILE, TILE), (0, TILE)])
        flat = (corners[:, None] + square).reshape(-1, 2)
        vertices = np.concatenate((flat, np.zeros((len(flat), 1))), axis=1)
        mesh = ps.register_surface_mesh(f"floor {parity}", vertices, np.arange(len(flat)).reshape(-1, 4))
        mesh.set_color(theme.mix(theme.LAYER_COLORS["floor"], theme.BACKGROUND, 0.25 + 0.3 * parity))
        mesh.set_material("flat")


def _write(path: Path, image: np.ndarray) -> None:
    import cv2

    done, data = cv2.imencode(".png", np.ascontiguousarray(image[:, :, ::-1]))
    assert done
    path.write_bytes(data.tobytes())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
