"""Draws the layers of a small fit one by one through EGL into an .npz; run as a program by test_pixels.py.

A program of its own: Polyscope keeps the backend it first had, and a crash in a driver would end the test run.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polyscope as ps

from tests.viewer import fakes
from viewer.protocol.commands import RunStage
from viewer.scene.camera import project
from viewer.ui.theme import BACKGROUND
from viewer.ui.ui_state import LAYERS, UiState
from viewer.window.app import App
from viewer.window.window import start_polyscope
from viewer.worker.local_client import LocalClient

FRAME, GAP_FRAME = 9, fakes.GAP.start + 1
SIZE = (960, 540)


def main(out: Path) -> None:
    start_polyscope("openGL3_egl", size=SIZE)
    ui = UiState(follow=False)
    app = App(lambda: LocalClient(fakes.make_session), ui)
    ps.set_user_callback(app.frame)
    while app.view is None or app.view.drift is None or app.view.status.state == "running":
        if app.view is None or app.view.status.state == "paused":
            app.client.post(RunStage())
        ps.frame_tick()
    arrays = {name: shoot(ui, {name}) for name in LAYERS}
    arrays["nothing"] = shoot(ui, set())
    arrays["gap"] = shoot(ui, {"observations"}, frame=GAP_FRAME)
    arrays |= places(app)
    np.savez(out, background=np.array(BACKGROUND), **arrays)


def shoot(ui: UiState, layers: set[str], *, frame: int = FRAME) -> np.ndarray:
    """RGB of the scene without panels."""
    ui.layers = {name: name in layers for name in LAYERS}
    ui.frame = frame
    ps.frame_tick()
    return ps.screenshot_to_buffer(transparent_bg=False, include_UI=False)[:, :, :3]


def places(app: App) -> dict[str, np.ndarray]:
    """Pixels where things should be."""
    view, drift = app.view, app.view.drift
    world = {
        "fitted": view.motion.joints[0, FRAME],
        "observed": view.scene.observed.joints3d[0, FRAME],
        "missing": view.scene.ground_truth.joints[0, GAP_FRAME, fakes.GAP_JOINTS],
        "truth": view.scene.ground_truth.joints[0, FRAME],
        "initial": drift.initial.joints[0, FRAME],
        "stage2": drift.stage2.joints[0, FRAME],
        "path": drift.initial.joints[0, :, 0],
        "ground": np.array([[0.6, -0.4, 0.0], [0.2, 0.6, 0.0], [1.0, 0.5, 0.0]]),
    }
    matrix, fov = np.array(ps.get_camera_view_matrix()), ps.get_vertical_fov_degrees()
    return {
        f"at_{name}": project(points, view_matrix=matrix, fov_degrees=fov, size=SIZE)[0]
        for name, points in world.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
